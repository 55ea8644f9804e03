from __future__ import annotations

import base64
import json
import math
import struct
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_simulator import text
from routeproof_simulator.dialects import Persona
from routeproof_simulator.dialects.sample import sample
from routeproof_simulator.script import Head, is_stream
from tests.simulator.asking import MODELS, PERSONA, answer, body_of, chat, chunks_of, request, tree_of

PARAMETERS = {
    "type": "object",
    "properties": {"where": {"type": "string"}, "count": {"type": "integer", "minimum": 3}},
    "required": ["where", "count"],
}
TOOL = {
    "type": "function",
    "function": {"name": "find", "parameters": PARAMETERS},
}
OTHER_TOOL = {"type": "function", "function": {"name": "other"}}


def whole(**more: object) -> dict[str, Any]:
    return tree_of(answer(request(chat(**more))).script)


def stream(**more: object) -> list[dict[str, Any]]:
    return chunks_of(body_of(answer(request(chat(stream=True, **more))).script))


def deltas(chunks: list[dict[str, Any]], index: int = 0) -> list[dict[str, Any]]:
    return [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]


def refusal(body: object, **more: Any) -> tuple[int, dict[str, Any]]:
    script = answer(request(body, **more)).script
    head = script[0]
    assert isinstance(head, Head)
    return head.status, tree_of(script)["error"]


def test_a_text_names_its_provider_and_holds_characters_of_every_width() -> None:
    (choice,) = whole()["choices"]
    said = choice["message"]["content"]
    assert said.startswith("alpha: é 漢 🚀 ")
    assert choice["finish_reason"] == "stop"


def test_a_text_depends_on_seed_provider_model_and_marker_alone() -> None:
    def said(persona: Persona = PERSONA, marker: str = "m1", attempt: int = 0) -> str:
        script = answer(request(chat()), persona=persona, marker=marker, attempt=attempt).script
        return str(tree_of(script)["choices"][0]["message"]["content"])

    other = Persona(name="alpha", key=PERSONA.key, models=MODELS, seed="another", tokens=12)
    assert said() == said(attempt=1)
    assert len({said(), said(marker="m2"), said(other)}) == 3


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"n": 3},
        {"max_tokens": 3},
        {"max_completion_tokens": 1},
        {"stop": " 漢"},
        {"stop": ["nowhere", "é"]},
        {"logprobs": True, "top_logprobs": 2},
        {"response_format": {"type": "json_object"}, "messages": [{"role": "user", "content": "Say it in JSON."}]},
    ],
)
def test_whole_and_stream_say_the_same(more: dict[str, Any]) -> None:
    answered = whole(**more)
    chunks = stream(stream_options={"include_usage": True}, **more)
    *told, last = chunks
    assert (last["choices"], last["usage"]) == ([], answered["usage"])
    assert all(chunk["usage"] is None for chunk in told)
    for choice in answered["choices"]:
        mine = deltas(told, choice["index"])
        assert mine[0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
        assert "".join(each["delta"].get("content") or "" for each in mine) == choice["message"]["content"]
        assert [each["finish_reason"] for each in mine] == [None] * (len(mine) - 1) + [choice["finish_reason"]]
        if choice["logprobs"] is not None:
            logs = [entry for each in mine if each["logprobs"] for entry in each["logprobs"]["content"]]
            assert logs == choice["logprobs"]["content"]


def test_id_model_and_creation_are_the_same_in_every_chunk() -> None:
    chunks = stream()
    assert {(each["id"], each["model"], each["created"], each["object"]) for each in chunks} == {
        (chunks[0]["id"], "gpt-4o", 1_700_000_000, "chat.completion.chunk")
    }
    assert chunks[0]["id"].startswith("chatcmpl-")


def test_limits_and_stops_end_a_text() -> None:
    (cut,) = whole(max_tokens=2)["choices"]
    assert (cut["message"]["content"], cut["finish_reason"]) == ("alpha: é", "length")
    (stopped,) = whole(stop="漢")["choices"]
    assert (stopped["message"]["content"], stopped["finish_reason"]) == ("alpha: é ", "stop")
    assert whole(max_tokens=2)["usage"]["completion_tokens"] == 2


def test_usage_adds_up() -> None:
    usage = whole(n=2)["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens"] == 24


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        (None, "find"),
        ("auto", "find"),
        ("required", "find"),
        ("none", None),
        ({"type": "function", "function": {"name": "other"}}, "other"),
    ],
)
def test_a_tool_is_called_as_the_choice_says(choice: object, called: str | None) -> None:
    (said,) = whole(tools=[TOOL, OTHER_TOOL], tool_choice=choice)["choices"]
    calls = said["message"].get("tool_calls", [])
    assert [call["function"]["name"] for call in calls] == ([called] if called else [])
    assert said["finish_reason"] == ("tool_calls" if called else "stop")
    assert (said["message"]["content"] is None) is (called is not None)


def test_streamed_arguments_concatenate_to_those_of_the_whole_answer() -> None:
    (said,) = whole(tools=[TOOL])["choices"]
    (call,) = said["message"]["tool_calls"]
    role, opened, *pieces, finish = deltas(stream(tools=[TOOL]))
    assert role["delta"]["role"] == "assistant"
    (first,) = opened["delta"]["tool_calls"]
    assert (first["index"], first["function"]) == (0, {"name": "find", "arguments": ""})
    spelled = "".join(each["delta"]["tool_calls"][0]["function"]["arguments"] for each in pieces)
    assert spelled == call["function"]["arguments"]
    assert len(pieces) > 1
    jsonschema.validate(json.loads(spelled), PARAMETERS)
    assert finish["finish_reason"] == "tool_calls"


def test_a_tools_result_is_answered_with_text() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "42"},
    ]
    (said,) = whole(messages=messages, tools=[TOOL])["choices"]
    assert said["message"]["content"].startswith("alpha: ")


def test_structured_output_fits_its_schema() -> None:
    schema = {
        "type": "object",
        "properties": {
            "kind": {"enum": ["a", "b"]},
            "score": {"type": "number", "maximum": 1},
            "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "minItems": 2},
            "maybe": {"anyOf": [{"type": "null"}, {"type": "string"}]},
            "flag": {"type": ["boolean", "null"]},
        },
        "required": ["kind", "score", "tags", "maybe", "flag"],
        "$defs": {"tag": {"type": "string", "maxLength": 3}},
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    (said,) = whole(response_format=wanted)["choices"]
    jsonschema.validate(json.loads(said["message"]["content"]), schema)


SCHEMA_KEYS = st.sampled_from(
    ["type", "properties", "items", "enum", "$ref", "anyOf", "minItems", "const", "minLength"]
)
SCHEMA_WORDS = st.sampled_from(["object", "array", "string", "integer", "#", "#/properties/x", "#/items"])
SCHEMAS = st.recursive(
    st.none() | st.booleans() | st.integers() | SCHEMA_WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCHEMA_KEYS | st.just("x"), inner, max_size=4),
    max_leaves=12,
)


@given(SCHEMAS)
def test_any_schema_however_wrong_gives_some_json(schema: object) -> None:
    json.dumps(sample(schema, said="x"))


def test_a_schema_that_refers_to_itself_ends() -> None:
    itself = {"type": "object", "properties": {str(name): {"$ref": "#"} for name in range(10)}}
    assert sample(itself, said="x")


@pytest.mark.parametrize(
    ("body", "status", "param", "code"),
    [
        (b"{", 400, None, None),
        (b'{"model": "\xff"}', 400, None, None),
        ({"messages": chat()["messages"]}, 400, "model", "missing_required_parameter"),
        ({"model": "gpt-4o"}, 400, "messages", "missing_required_parameter"),
        ({"model": "gpt-4o", "messages": "hi"}, 400, "messages", "invalid_type"),
        ({"model": "gpt-4o", "messages": []}, 400, "messages", "empty_array"),
        (chat(temperature=3), 400, "temperature", "decimal_above_max_value"),
        (chat(messages=[{"role": "user", "content": 1}]), 400, "messages[0].content", "invalid_type"),
        (chat(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "x"}}), 400, "tool_choice", None),
        (chat(model="nothing"), 404, None, "model_not_found"),
    ],
)
def test_a_wrong_request_is_refused_in_openais_words(
    body: object, status: int, param: str | None, code: str | None
) -> None:
    got, error = refusal(body)
    assert (got, error["param"], error["code"], error["type"]) == (status, param, code, "invalid_request_error")
    assert error["message"]


def test_keys_and_paths_are_checked() -> None:
    assert refusal(chat(), key="sk-other")[1]["code"] == "invalid_api_key"
    assert [refusal(chat(), key=key)[0] for key in ("sk-other", None, "")] == [401, 401, 401]
    assert refusal(chat(), path="/v1/nowhere") == (
        404,
        {
            "message": "Invalid URL (POST /v1/nowhere)",
            "type": "invalid_request_error",
            "param": None,
            "code": "unknown_url",
        },
    )
    assert refusal(None, method="GET")[0] == 405


def test_no_answer_repeats_a_key() -> None:
    assert b"sk-" not in body_of(answer(request(chat(), key="sk-other")).script)


def test_models_are_listed_and_shown() -> None:
    listed = tree_of(answer(request(method="GET", path="/v1/models")).script)
    assert [each["id"] for each in listed["data"]] == list(MODELS)
    shown = tree_of(answer(request(method="GET", path="/v1/models/gpt-4o")).script)
    assert shown == listed["data"][0]
    assert refusal(None, method="GET", path="/v1/models/x")[0] == 404


def test_a_provider_without_models_serves_whatever_it_is_asked_for() -> None:
    anything = Persona(name="alpha", key=PERSONA.key, models=(), seed="s", tokens=3)
    assert tree_of(answer(request(chat(model="any/thing")), persona=anything).script)["model"] == "any/thing"


def completion(**more: object) -> Any:
    return answer(request({"model": "gpt-4o", "prompt": "Once", **more}, path="/v1/completions")).script


def test_a_legacy_completion_says_the_same_whole_and_streamed() -> None:
    more: dict[str, Any] = {"prompt": ["Once", "Twice"], "n": 2, "echo": True, "max_tokens": 4, "logprobs": 1}
    answered = tree_of(completion(**more))
    *told, last = chunks_of(body_of(completion(stream=True, stream_options={"include_usage": True}, **more)))
    assert [each["text"].split("alpha")[0] for each in answered["choices"]] == ["Once", "Once", "Twice", "Twice"]
    assert last["usage"] == answered["usage"]
    for choice in answered["choices"]:
        mine = deltas(told, choice["index"])
        assert "".join(each["text"] for each in mine) == choice["text"]
        assert mine[-1]["finish_reason"] == choice["finish_reason"] == "length"


def test_a_legacy_completion_is_sixteen_tokens_long_at_most_unless_told() -> None:
    long = Persona(name="alpha", key=PERSONA.key, models=MODELS, seed="s", tokens=100)
    asked = request({"model": "gpt-4o", "prompt": [1, 2, 3]}, path="/v1/completions")
    usage = tree_of(answer(asked, persona=long).script)["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (3, 16)


def embedding(**more: object) -> Any:
    body = {"model": "text-embedding-3-small", "input": "one", **more}
    return answer(request(body, path="/v1/embeddings")).script


def test_vectors_are_of_length_one_and_the_same_in_both_encodings() -> None:
    floats = tree_of(embedding(input=["one", "two"], dimensions=64))["data"]
    packed = tree_of(embedding(input=["one", "two"], dimensions=64, encoding_format="base64"))["data"]
    assert [each["index"] for each in floats] == [0, 1]
    assert floats[0]["embedding"] != floats[1]["embedding"]
    for plain, coded in zip(floats, packed, strict=True):
        assert math.isclose(math.hypot(*plain["embedding"]), 1.0, rel_tol=1e-6)
        assert list(struct.unpack("<64f", base64.b64decode(coded["embedding"]))) == plain["embedding"]


@pytest.mark.parametrize(
    ("given_input", "count"), [("one", 1), (["one", "two"], 2), ([1, 2, 3], 1), ([[1, 2], [3]], 2)]
)
def test_inputs_are_texts_or_tokens(given_input: object, count: int) -> None:
    answered = tree_of(embedding(input=given_input))
    assert [len(each["embedding"]) for each in answered["data"]] == [1536] * count
    assert answered["usage"]["prompt_tokens"] == answered["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("more", [{"input": ""}, {"input": []}, {"input": ["one", 2]}, {"encoding_format": "hex"}])
def test_a_wrong_embedding_request_is_a_400(more: dict[str, Any]) -> None:
    head = embedding(**more)[0]
    assert head.status == 400


@given(st.text())
def test_tokens_join_to_the_text_they_came_from(given_text: str) -> None:
    assert "".join(text.split_into_tokens(given_text)) == given_text


@given(st.binary(max_size=200), st.sampled_from(["/v1/chat/completions", "/v1/completions", "/v1/embeddings"]))
def test_any_bytes_get_an_answer(body: bytes, path: str) -> None:
    assert isinstance(answer(request(body, path=path)).script[0], Head)


def test_a_stream_is_a_stream_and_a_whole_answer_is_not() -> None:
    assert is_stream(answer(request(chat(stream=True))).script)
    assert not is_stream(answer(request(chat())).script)
