import json
from dataclasses import replace

import jsonschema
import pytest

from routeproof_conformance.ask import Ask, Chain, Link, Raw, Wire, compose
from routeproof_conformance.dialect import load_dialect
from routeproof_conformance.forms import CHAT_STREAM, COMPLETION, EMBEDDING, FORMS, Form
from routeproof_spec.contract import load_contract
from routeproof_spec.errors import ConfigError
from routeproof_spec.marker import find_marker

TOKENHUB = load_dialect("tokenhub")
ROLTER = load_dialect("rolter")
CHAIN = Chain(links=(Link(provider="a", model="a/m"), Link(provider="b", model="b/m"), Link(provider="c", model="c/m")))


def wire(ask: Ask | Raw, *, dialect: str = "tokenhub") -> Wire:
    return compose(ask, dialect=load_dialect(dialect), model="m", marker="mark1")


def body(ask: Ask, *, dialect: str = "tokenhub") -> dict[str, object]:
    parsed: dict[str, object] = json.loads(wire(ask, dialect=dialect).body)
    return parsed


def test_chat_is_marked_in_user_metadata_and_text() -> None:
    assert body(Ask(text="Hi")) == {
        "model": "m",
        "user": "mark1",
        "messages": [{"role": "user", "content": "Hi [[rp:mark1]]"}],
        "metadata": {"routeproof": "mark1"},
    }


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_marker_is_found_in_every_form(form: Form) -> None:
    assert find_marker((), wire(Ask(form=form)).body) == "mark1"


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_request_obeys_the_contract(form: Form) -> None:
    operation = next(each for each in load_contract().operations.values() if each.path == form.path)
    assert operation.request is not None
    jsonschema.validate(body(Ask(form=form)), operation.request)


def test_streams_ask_for_a_stream_and_whole_answers_do_not() -> None:
    assert body(Ask(form=CHAT_STREAM))["stream"] is True
    assert "stream" not in body(Ask(form=COMPLETION)) | body(Ask(form=EMBEDDING))


def test_fields_are_merged_in_last_and_removed() -> None:
    assert body(Ask(body={"messages": 1, "n": 2}, without=("model", "user", "metadata"))) == {"messages": 1, "n": 2}


def test_tokenhub_asks_by_header() -> None:
    headers = dict(wire(Ask(chain=CHAIN, strategy="latency")).headers)
    assert (headers["X-Inferoute-Strategy"], headers["X-Inferoute-Fallback"]) == ("latency", "b/m, c/m")
    assert body(Ask(chain=CHAIN))["model"] == "a/m"


def test_spelling_of_a_list_is_sent_as_it_stands() -> None:
    assert ("X-Inferoute-Fallback", " a ,, b") in wire(Ask(fallback=" a ,, b")).headers


def test_chain_of_one_asks_for_no_fallback() -> None:
    assert [name for name, _ in wire(Ask(chain=Chain(links=CHAIN.links[:1]))).headers] == ["content-type"]


def test_rolter_asks_by_the_model_s_name() -> None:
    asked = Ask(chain=replace(CHAIN, name="chain"), strategy="latency")
    assert body(asked, dialect="rolter")["model"] == "chain"
    assert [name for name, _ in wire(asked, dialect="rolter").headers] == ["content-type"]


def test_content_type_that_a_check_gives_replaces_ours() -> None:
    asked = Ask(headers=(("Content-Type", "text/plain"), ("x-a", "1")))
    assert wire(asked).headers == (("content-type", "text/plain"), ("x-a", "1"))


def test_dialect_takes_the_contract_s_names() -> None:
    contract = load_contract().headers
    limits = ("ratelimit_limit_requests", "ratelimit_remaining_requests", "ratelimit_reset_requests")
    roles = ("provider", "request_id", "latency_ms", *limits)
    assert TOKENHUB.headers == {role: contract[role].lower() for role in roles}
    assert TOKENHUB.strategy.name == contract["strategy"]


def test_what_a_dialect_never_promised_is_told_by_pattern() -> None:
    assert ROLTER.unpromised("headers.latency.integer") is not None
    assert ROLTER.unpromised("universal.text.once") is None
    assert TOKENHUB.unpromised("headers.latency.integer") is None


def test_unknown_dialect_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="one of openai, rolter, tokenhub"):
        load_dialect("tokenhubb")
