from __future__ import annotations

import json
import tomllib
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routeproof_simulator import behaviours, spelling
from routeproof_simulator.behaviours import Behaviour, chance, cut, fail, first, latency, ok, stall, ttft
from routeproof_simulator.faults.lens import is_list, is_table
from routeproof_spec.errors import ConfigError
from tests.simulator.strategies import any_behaviour, named

WORDS = {name: getattr(behaviours, name) for name in behaviours.__all__}


def toml(value: object) -> str:
    """Return *value* as TOML 1.0 writes it in one line."""
    if is_table(value):
        return "{" + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + "}"
    if is_list(value):
        return "[" + ", ".join(map(toml, value)) + "]"
    written = json.dumps(value, ensure_ascii=False)
    return written.replace("\x7f", "\\u007f")  # JSON lets it stand, TOML does not


@pytest.mark.parametrize("name", spelling.names())
@settings(max_examples=25)
@given(data=st.data())
def test_a_behaviour_is_the_same_in_python_toml_and_json(name: str, data: st.DataObject) -> None:
    behaviour = data.draw(named(name))
    assert spelling.decode(spelling.encode(behaviour), file="f") == behaviour
    spelled = msgspec.json.decode(msgspec.json.encode(spelling.encode(behaviour)))
    assert spelling.decode(spelled, file="f") == behaviour
    assert spelling.decode(tomllib.loads(f"behaviour = {toml(spelled)}")["behaviour"], file="f") == behaviour
    assert eval(str(behaviour), {}, WORDS) == behaviour


@given(any_behaviour)
def test_a_composition_is_the_same_in_python_toml_and_json(behaviour: Behaviour) -> None:
    spelled = msgspec.json.decode(msgspec.json.encode(spelling.encode(behaviour)))
    assert spelling.decode(spelled, file="f") == behaviour
    assert spelling.decode(tomllib.loads(f"behaviour = {toml(spelled)}")["behaviour"], file="f") == behaviour
    assert eval(str(behaviour), {}, WORDS) == behaviour


def test_a_behaviour_is_a_list_of_tables() -> None:
    behaviour = first(2, fail(429, retry_after=2.0)) | ttft(0.5) | cut(before="done")
    assert spelling.encode(behaviour) == [
        {"first": {"n": 2, "behaviour": [{"fail": {"status": 429, "retry_after": 2.0}}]}},
        {"ttft": {"seconds": 0.5}},
        {"cut": {"before": "done"}},
    ]
    assert spelling.encode(ok) == []


def test_one_table_alone_is_a_behaviour_too() -> None:
    assert spelling.decode({"fail": {"status": 503}}, file="f") == fail(503)


def test_toml_spells_the_same() -> None:
    tree = tomllib.loads("behaviour = [{latency = {seconds = 1}}, {stall = {frames = 3}}]")
    assert spelling.decode(tree["behaviour"], file="f") == latency(1.0) | stall(3)


def test_what_is_read_is_in_normal_form() -> None:
    never = {"chance": {"p": 0.0, "behaviour": [{"fail": {"status": 503}}]}}
    assert spelling.decode([never, {"cut": {"frames": 3}}, {"cut": {"frames": 2}}], file="f") == cut(2)
    assert spelling.decode({"chance": {"p": 1, "behaviour": {"empty": {}}}}, file="f") == chance(
        1.0, spelling.decode({"empty": {}}, file="f")
    )


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        ([{"fial": {"status": 503}}], "f: behaviour[0]: found 'fial'; wanted 'fail'"),
        ({"fail": {"statuss": 503}}, "f: behaviour.fail.statuss: found an unknown key; wanted 'status'"),
        ({"ttft": {}}, "f: behaviour.ttft.seconds: found nothing; wanted this key, which is required"),
        ({"fail": {}}, "f: behaviour.fail: found []; wanted exactly one of status, kind"),
        (
            {"framing": {"style": "lf"}},
            "f: behaviour.framing.style: found 'lf'; wanted one of 'crlf', 'comments', 'lines', 'unspaced'",
        ),
        ({"fail": {"status": "503"}}, "f: behaviour.fail.status: found '503'; wanted `int`"),
        ({"fail": {"status": 42}}, "f: behaviour.fail.status: found 42; wanted at least 300, at most 599"),
        ({"fail": 503}, "f: behaviour.fail: found 503; wanted a table of its attributes"),
        ({"cut": {}}, "f: behaviour.cut: found []; wanted exactly one of frames, before, bytes"),
        ({"empty": {"x": 1}}, "f: behaviour.empty.x: found an unknown key; wanted no attribute: it has none"),
        (
            [{"first": {"n": 1, "behaviour": [{}, {"ttft": {"seconds": -1}}]}}],
            (
                "f: behaviour[0].first.behaviour[0]: found {}; wanted one table of one name, "
                'as {"fail": {"status": 503}}, or a list of such'
            ),
        ),
    ],
)
def test_a_mistake_names_its_place_and_its_mend(tree: Any, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        spelling.decode(tree, file="f")
    assert str(caught.value) == sentence


def test_depth_and_length_are_bounded() -> None:
    deep: Any = []
    for _ in range(100):
        deep = [{"first": {"n": 1, "behaviour": deep}}]
    with pytest.raises(ConfigError, match="at most 8 deep"):
        spelling.decode(deep, file="f")
    table: dict[str, Any] = {"empty": {}}
    with pytest.raises(ConfigError, match="at most 32"):
        spelling.decode([table] * 33, file="f")
