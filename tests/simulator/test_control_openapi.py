from __future__ import annotations

import re
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate

from routeproof_simulator.control import JournalPage, views
from routeproof_simulator.control.api import OPENAPI, ROUTES
from routeproof_simulator.door_states import Door
from routeproof_simulator.schedules.performance import PerformanceView, StepView
from routeproof_simulator.schedules.schedule import Fault
from routeproof_spec.history import Attempt, Ended
from tests.simulator.desk import Desk, at_desk

DOCUMENT: dict[str, Any] = msgspec.json.decode(OPENAPI)
METHODS = ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD"]
PATHS = [path.replace("{name}", "alpha") for path in ROUTES]

scraps = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
words = st.sampled_from(["behaviour", "door", "ttl", "providers", "fault", "scale", "seed", "change", "alpha", "at"])
bodies = st.dictionaries(words | st.text(max_size=6), scraps | st.sampled_from(["open", "refused", "all"]), max_size=4)


def test_the_document_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    validate(DOCUMENT)


def test_every_route_is_in_the_document_and_the_other_way_round() -> None:
    told = {(path, method.upper()) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert told == {(path, method) for path, methods in ROUTES.items() for method in methods}


def test_every_choice_is_in_the_document() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["Door"]["enum"] == [each.value for each in Door]
    assert schemas["Ended"]["enum"] == [each.value for each in Ended]


def test_every_schema_of_the_document_is_used() -> None:
    text = OPENAPI.decode()
    used = set(re.findall(r"#/components/schemas/(\w+)", text))
    assert used | {"AttemptSeen"} == set(DOCUMENT["components"]["schemas"])


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ("BehaviourChange", views.BehaviourChange),
        ("DoorChange", views.DoorChange),
        ("Undoing", views.Undoing),
        ("Cast", views.Cast),
        ("ScenarioChange", views.Scenario),
        ("ScheduledFault", Fault),
        ("Provider", views.ProviderView),
        ("Fleet", views.FleetView),
        ("Scenario", views.ScenarioView),
        ("Schedule", PerformanceView),
        ("Step", StepView),
        ("JournalPage", JournalPage),
        ("Attempt", Attempt),
        ("AttemptSeen", views.AttemptView),
    ],
)
def test_every_field_is_in_the_document(schema: str, kind: type) -> None:
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType | msgspec.inspect.DataclassType)
    assert set(DOCUMENT["components"]["schemas"][schema]["properties"]) == {each.encode_name for each in info.fields}


def conforms(tree: object, path: str, method: str, status: int) -> None:
    """Assert that *tree* is what the document says of this answer."""
    response = DOCUMENT["paths"][path][method]["responses"][str(status)]
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
    schema = {**response["content"]["application/json"]["schema"], "components": DOCUMENT["components"]}
    jsonschema.validate(tree, schema)


def test_answers_are_as_the_document_says() -> None:
    async def talk(desk: Desk) -> None:
        desk.attempts(2)
        desk.attempts(1, ended=False)
        plan = {"fault": [{"at": 1, "for": 2, "providers": ["alpha"], "behaviour": [{"fail": {"status": 503}}]}]}
        for path, method, body in (
            ("/scenario", "put", plan),
            ("/fleet", "get", b""),
            ("/faults", "get", b""),
            ("/scenario", "get", b""),
            ("/journal", "get", b""),
            ("/undo", "post", b""),
            ("/undo", "post", b""),
            ("/heal", "post", b""),
            ("/healthz", "get", b""),
            ("/scenario", "put", {"providers": 1}),
        ):
            answered = await desk.ask(method.upper(), path, body)
            conforms(answered.tree, path, method, answered.status)

    at_desk(talk)


@settings(max_examples=60)
@example(method="PUT", path="/providers/alpha/door", body={"door": "ajar"}, query="")
@example(method="PUT", path="/scenario", body={"providers": {}, "ttl": 0}, query="")
@given(
    method=st.sampled_from(METHODS),
    path=st.sampled_from([*PATHS, "/providers/delta/door", "/providers/", "//", "/%"]),
    body=bodies | scraps,
    query=st.sampled_from(["", "after=-1", "after=1&x", "marker", "format=ndjson", "=", "%"]),
)
def test_a_request_is_either_done_or_refused_in_words_and_changes_nothing(
    method: str, path: str, body: object, query: str
) -> None:
    async def talk(desk: Desk) -> None:
        await desk.ask("PUT", "/providers/beta/behaviour", {"behaviour": {"fail": {"status": 503}}})
        before = await desk.shown()
        answered = await desk.ask(method, f"{path}?{query}", body)
        assert answered.status == 200 or 400 <= answered.status < 500
        if answered.status != 200:
            assert all(answered.error[each] for each in ("message", "found", "wanted"))
            assert await desk.shown() == before

    at_desk(talk)
