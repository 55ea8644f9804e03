from __future__ import annotations

import json
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_simulator.dialects import Persona
from routeproof_simulator.script import Head, Kind, Send, is_stream
from routeproof_spec.marker import find_marker, in_text
from tests.simulator.asking import body_of, tree_of
from tests.simulator.asking_anthropic import (
    ANTHROPIC,
    KEY,
    MODEL,
    OTHER_TOOL,
    PARAMETERS,
    PERSONA,
    TOOL,
    answer,
    body,
    events,
    messages,
    refusal,
    request,
    stream,
    whole,
)

LONG = Persona(name="alpha", key=KEY, models=(MODEL,), seed="a seed", tokens=40)
CALL = {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {"where": "here"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "42"}]}


def kinds(**more: object) -> list[tuple[Kind, str]]:
    script = answer(request(body(stream=True, **more))).script
    return [(op.kind, events(op.data)[0]["type"]) for op in script if isinstance(op, Send)]


def test_a_whole_answer_is_a_message() -> None:
    answered = whole()
    (block,) = answered.pop("content")
    assert block.pop("text").startswith("alpha: é 漢 🚀 ")
    assert block == {"type": "text"}
    assert answered.pop("id").startswith("msg_01")
    assert answered == {
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 6,
            "output_tokens": 12,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "service_tier": "standard",
        },
    }


def test_every_event_of_a_stream_means_what_its_kind_says() -> None:
    assert kinds(max_tokens=2) == [
        (Kind.ROLE, "message_start"),
        (Kind.OTHER, "content_block_start"),
        (Kind.OTHER, "ping"),
        (Kind.CONTENT, "content_block_delta"),
        (Kind.CONTENT, "content_block_delta"),
        (Kind.OTHER, "content_block_stop"),
        (Kind.FINISH, "message_delta"),
        (Kind.DONE, "message_stop"),
    ]


def test_the_name_of_a_tool_is_content_and_its_first_empty_piece_is_not() -> None:
    started, ping, empty, piece = kinds(tools=[TOOL])[1:5]
    assert (started, ping) == ((Kind.CONTENT, "content_block_start"), (Kind.OTHER, "ping"))
    assert (empty, piece) == ((Kind.OTHER, "content_block_delta"), (Kind.CONTENT, "content_block_delta"))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"max_tokens": 3},
        {"max_tokens": 0},
        {"stop_sequences": [" 漢", "nowhere"]},
        {"stop_sequences": ["alpha"]},
        {"system": "Be brief.", "metadata": {"user_id": "u1"}, "thinking": {"type": "adaptive"}},
        {"output_config": {"format": {"type": "json_schema", "schema": PARAMETERS}}},
    ],
)
def test_whole_and_stream_say_the_same(more: dict[str, Any]) -> None:
    answered = whole(**more)
    told = stream(**more)
    begun, ended = told[0]["message"], next(each for each in told if each["type"] == "message_delta")
    assert {name: begun[name] for name in ("id", "model", "role")} == {
        name: answered[name] for name in ("id", "model", "role")
    }
    said = "".join(each["delta"]["text"] for each in told if each["type"] == "content_block_delta")
    assert said == "".join(block["text"] for block in answered["content"])
    assert ended["delta"] == {name: answered[name] for name in ("stop_reason", "stop_sequence")}
    assert {**begun["usage"], **ended["usage"]} == answered["usage"]


def test_limits_and_stops_end_a_text() -> None:
    def ending(**more: object) -> tuple[str, str, str | None]:
        said = whole(**more)
        return "".join(block["text"] for block in said["content"]), said["stop_reason"], said["stop_sequence"]

    assert ending(max_tokens=2) == ("alpha: é", "max_tokens", None)
    assert ending(stop_sequences=["🚀", "漢"]) == ("alpha: é ", "stop_sequence", "漢")
    assert ending(stop_sequences=["漢"], max_tokens=1) == ("alpha:", "max_tokens", None)
    assert ending(stop_sequences=["alpha"]) == ("", "stop_sequence", "alpha")
    assert ending(stop_sequences=["nowhere"])[1:] == ("end_turn", None)


def test_an_answer_depends_on_seed_provider_model_and_marker_and_its_id_on_the_attempt_too() -> None:
    def said(persona: Persona = PERSONA, marker: str = "m1", attempt: int = 0) -> tuple[str, str]:
        tree = tree_of(answer(request(body()), persona=persona, marker=marker, attempt=attempt).script)
        return tree["content"][0]["text"], tree["id"]

    other = Persona(name="alpha", key=KEY, models=(MODEL,), seed="another", tokens=12)
    assert said() == said()
    assert said()[0] == said(attempt=1)[0]
    assert len({said()[0], said(marker="m2")[0], said(other)[0]}) == 3
    assert len({said()[1], said(attempt=1)[1], said(marker="m2")[1], said(other)[1]}) == 4


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        (None, "find"),
        ({"type": "auto"}, "find"),
        ({"type": "any", "disable_parallel_tool_use": True}, "find"),
        ({"type": "none"}, None),
        ({"type": "tool", "name": "other"}, "other"),
    ],
)
def test_a_tool_is_called_as_the_choice_says(choice: object, called: str | None) -> None:
    said = whole(tools=[TOOL, OTHER_TOOL], tool_choice=choice)
    assert [block.get("name") for block in said["content"]] == [called]
    assert said["stop_reason"] == ("tool_use" if called else "end_turn")


def test_a_tool_that_anthropic_runs_is_never_called() -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    assert whole(tools=[search])["stop_reason"] == "end_turn"
    assert whole(tools=[search, TOOL])["content"][0]["name"] == "find"


def test_streamed_arguments_concatenate_to_those_of_the_whole_answer() -> None:
    (block,) = whole(tools=[TOOL])["content"]
    told = stream(tools=[TOOL])
    (started,) = (each["content_block"] for each in told if each["type"] == "content_block_start")
    assert started == {**block, "input": {}}
    pieces = [each["delta"]["partial_json"] for each in told if each["type"] == "content_block_delta"]
    assert len(pieces) > 2
    assert json.loads("".join(pieces)) == block["input"]
    jsonschema.validate(block["input"], PARAMETERS)


def test_arguments_that_are_cut_off_are_shown_by_the_stream_alone() -> None:
    (block,) = whole(tools=[TOOL], max_tokens=2)["content"]
    told = stream(tools=[TOOL], max_tokens=2)
    assert block["input"] == {}
    assert "".join(each["delta"]["partial_json"] for each in told if each["type"] == "content_block_delta")
    assert told[-2]["delta"]["stop_reason"] == "max_tokens"


def test_a_tools_result_is_answered_with_text_unless_a_tool_is_demanded() -> None:
    conversation = messages("?", [CALL], [RESULT])
    assert whole(messages=conversation, tools=[TOOL])["stop_reason"] == "end_turn"
    assert whole(messages=conversation, tools=[TOOL], tool_choice={"type": "any"})["stop_reason"] == "tool_use"


def test_structured_output_fits_its_schema() -> None:
    said = whole(output_config={"format": {"type": "json_schema", "schema": PARAMETERS}, "effort": "low"})
    jsonschema.validate(json.loads(said["content"][0]["text"]), PARAMETERS)


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
LINK = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "0123456789"}}


def test_tokens_are_counted_of_all_that_is_sent_and_as_the_answer_counts_them() -> None:
    def counted(**more: object) -> int:
        tree = body(**more)
        told = {name: tree[name] for name in ("model", "messages", "system", "tools") if name in tree}
        script = answer(request(told, path="/v1/messages/count_tokens")).script
        tokens = int(tree_of(script)["input_tokens"])
        assert tokens == whole(**more)["usage"]["input_tokens"]
        return tokens

    plain = counted()
    assert counted(system="12345678") == counted(system=[{"type": "text", "text": "12345678"}]) == plain + 2
    assert counted(messages=messages([IMAGE, LINK, {"type": "text", "text": "Say hi."}])) == plain + 3200
    assert counted(messages=messages([DOCUMENT])) == 7
    assert counted(tools=[TOOL]) > plain + 10
    thought = {"type": "thinking", "thinking": "hm" * 100, "signature": "s"}
    veiled = {"type": "redacted_thinking", "data": "x" * 100}
    spoken = {"type": "text", "text": "yes"}
    assert counted(messages=messages("Say hi.", [thought, veiled, spoken], "?")) == plain + 10
    assert counted(messages=messages("?", [CALL], [RESULT])) == 12 + 1 + (1 + 4) + 1


def test_models_are_listed_and_shown() -> None:
    listed = tree_of(answer(request(method="GET", path="/v1/models?limit=20")).script)
    assert [each["id"] for each in listed["data"]] == [MODEL]
    assert (listed["has_more"], listed["first_id"], listed["last_id"]) == (False, MODEL, MODEL)
    assert tree_of(answer(request(method="GET", path=f"/v1/models/{MODEL}")).script) == listed["data"][0]
    assert refusal(None, method="GET", path="/v1/models/x") == (404, "not_found_error", "model: x")


def test_a_provider_without_models_serves_whatever_it_is_asked_for() -> None:
    anything = Persona(name="alpha", key=KEY, models=(), seed="s", tokens=3)
    assert tree_of(answer(request(body(model="any/thing")), persona=anything).script)["model"] == "any/thing"
    assert tree_of(answer(request(method="GET", path="/v1/models"), persona=anything).script)["first_id"] is None


def test_every_place_is_one_that_answers_and_events_have() -> None:
    trees = [whole(), whole(tools=[TOOL]), *stream(), *stream(tools=[TOOL])]

    def found(tree: Any, steps: list[str]) -> bool:
        if not steps:
            return tree is not None
        first, *rest = steps
        match tree:
            case list():
                return first == "*" and any(found(each, rest) for each in msgspec.convert(tree, list[Any]))
            case dict():
                return found(msgspec.convert(tree, dict[str, Any]).get(first), rest)
            case _:
                return False

    for paths in ANTHROPIC.places.values():
        for path in paths:
            assert any(found(tree, path.split(".")) for tree in trees), path
    assert ANTHROPIC.usage(3, 4).items() <= {**whole()["usage"], "input_tokens": 3, "output_tokens": 4}.items()


def test_a_marker_is_found_in_the_user_id_and_in_the_last_message() -> None:
    def found(**more: object) -> str | None:
        return find_marker((), msgspec.json.encode(body(**more)))

    assert found(metadata={"user_id": in_text("m7")}) == "m7"
    assert found(messages=messages(f"{in_text('old')} hi", "yes", [{"type": "text", "text": in_text("m8")}])) == "m8"
    assert found() is None


def test_a_stream_is_a_stream_and_a_whole_answer_is_not() -> None:
    streamed, answered = answer(request(body(stream=True))), answer(request(body()))
    assert is_stream(streamed.script)
    assert not is_stream(answered.script)
    assert (streamed.tokens, streamed.prompt_tokens) == (answered.tokens, answered.prompt_tokens) == (12, 6)


@given(st.binary(max_size=200), st.sampled_from(["/v1/messages", "/v1/messages/count_tokens", "/v1/models/x"]))
def test_any_bytes_get_an_answer(data: bytes, path: str) -> None:
    assert isinstance(answer(request(data, path=path)).script[0], Head)


@given(st.integers(0, 45), st.lists(st.sampled_from(["a", "é", " 漢", "🚀 ", "river", " "]), max_size=4))
def test_whole_and_stream_end_at_the_same_place(limit: int, stops: list[str]) -> None:
    words = [each for each in stops if each.strip()]
    asked = body(max_tokens=limit, stop_sequences=words or None)
    answered = tree_of(answer(request(asked), persona=LONG).script)
    told = events(body_of(answer(request({**asked, "stream": True}), persona=LONG).script))
    text = "".join(block["text"] for block in answered["content"])
    assert "".join(each["delta"]["text"] for each in told if each["type"] == "content_block_delta") == text
    assert not any(word in text for word in words)
    assert told[-2]["usage"]["output_tokens"] == answered["usage"]["output_tokens"] <= limit
