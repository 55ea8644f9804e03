"""What the schemas say of real bodies, by two libraries that know nothing of each other."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Protocol, TypeAlias, cast

import jsonschema
import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routeproof_spec.contract import load_contract

Body: TypeAlias = dict[str, object]

CONTRACT = load_contract()


class Judge(Protocol):
    """A validator of jsonschema, whose own types know no plain object."""

    def iter_errors(self, instance: object) -> Iterable[jsonschema.ValidationError]: ...


@cache
def judges(name: str) -> tuple[Judge, jsonschema_rs.Draft202012Validator]:
    schema = CONTRACT.schema(name)
    return cast("Judge", jsonschema.Draft202012Validator(schema)), jsonschema_rs.Draft202012Validator(schema)


def status_of(name: str, body: object) -> int:
    """Return what the contract answers to *body*, on which both libraries have to agree."""
    slow, fast = judges(name)
    by_slow = min((CONTRACT.validation[str(error.validator)] for error in slow.iter_errors(body)), default=200)
    by_fast = min((CONTRACT.validation[error.kind.name] for error in fast.iter_errors(body)), default=200)
    assert by_slow == by_fast
    return by_slow


USER: Body = {"role": "user", "content": "Say hi."}
CALL: Body = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
FUNCTION: Body = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
NAMELESS: Body = {}


def chat(*messages: object, **fields: object) -> Body:
    return {"model": "gpt-4o", "messages": list(messages or (USER,)), **fields}


def said(*parts: object) -> Body:
    return chat({"role": "user", "content": list(parts)})


CHATS: dict[str, tuple[int, object]] = {
    "plain": (200, chat()),
    "no model, which the operation judges": (200, {"messages": [USER]}),
    "all sampling at its lower bound": (
        200,
        chat(temperature=0, top_p=0, n=1, max_tokens=1, presence_penalty=-2, frequency_penalty=-2, top_logprobs=0),
    ),
    "all sampling at its upper bound": (
        200,
        chat(temperature=2, top_p=1, n=128, presence_penalty=2.0, frequency_penalty=2, top_logprobs=20),
    ),
    "every role": (
        200,
        chat(
            {"role": "system", "content": "s"},
            {"role": "developer", "content": [{"type": "text", "text": "d"}]},
            USER,
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c", "content": "t"},
            {"role": "assistant", "tool_calls": [CALL]},
            {"role": "function", "name": "f", "content": None},
            {"role": "assistant", "content": "", "refusal": None, "function_call": None},
        ),
    ),
    "every part": (
        200,
        said(
            {"type": "text", "text": ""},
            {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
            {"type": "refusal", "refusal": "no"},
        ),
    ),
    "part of tomorrow": (200, said({"type": "video_url", "video_url": {"url": "https://example.org/a.mp4"}})),
    "tools": (200, chat(tools=[FUNCTION, {"type": "custom", "custom": {"name": "c"}}], tool_choice="required")),
    "tool of tomorrow": (200, chat(tools=[{"type": "web_search"}])),
    "named tool": (200, chat(tools=[FUNCTION], tool_choice={"type": "function", "function": {"name": "f"}})),
    "allowed tools": (200, chat(tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}})),
    "legacy functions": (200, chat(functions=[{"name": "f"}], function_call={"name": "f"})),
    "json object": (200, chat(response_format={"type": "json_object"})),
    "json schema": (200, chat(response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {}}})),
    "stream": (200, chat(stream=True, stream_options={"include_usage": True})),
    "stop as text": (200, chat(stop="END")),
    "four stops": (200, chat(stop=["a", "b", "c", "d"])),
    "reasoning": (200, chat(reasoning_effort="xhigh", max_completion_tokens=9, service_tier="scale", store=True)),
    "prediction": (200, chat(prediction={"type": "content", "content": [{"type": "text", "text": "t"}]})),
    "audio": (200, chat(modalities=["text", "audio"], audio={"format": "wav", "voice": {"id": "v"}})),
    "metadata and bias": (200, chat(metadata={"k": "v"}, logit_bias={"1": 100, "2": -100.0}, seed=-1, user="u")),
    "unknown field": (200, chat(field_of_tomorrow={"deep": [1]})),
    "not an object": (400, [USER]),
    "no messages": (400, {"model": "gpt-4o"}),
    "messages null": (400, {"model": "gpt-4o", "messages": None}),
    "messages text": (400, {"model": "gpt-4o", "messages": "Say hi."}),
    "model null": (400, {"model": None, "messages": [USER]}),
    "model number": (400, {"model": 4, "messages": [USER]}),
    "message text": (400, chat("Say hi.")),
    "no role": (400, chat({"content": "Say hi."})),
    "no content": (400, chat({"role": "user"})),
    "content null of a user": (400, chat({"role": "user", "content": None})),
    "content number": (400, chat({"role": "user", "content": 5})),
    "tool without its call": (400, chat({"role": "tool", "content": "t"})),
    "function without name": (400, chat({"role": "function", "content": "t"})),
    "call without arguments": (
        400,
        chat({"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f"}}]}),
    ),
    "arguments as object": (
        400,
        chat({"role": "assistant", "tool_calls": [CALL | {"function": {"name": "f", "arguments": NAMELESS}}]}),
    ),
    "part without type": (400, said({"text": "t"})),
    "text part without text": (400, said({"type": "text"})),
    "image as text": (400, said({"type": "image_url", "image_url": "https://example.org/a.png"})),
    "audio without format": (400, said({"type": "input_audio", "input_audio": {"data": "AA=="}})),
    "file as text": (400, said({"type": "file", "file": "file-1"})),
    "temperature as word": (400, chat(temperature="hot")),
    "temperature as boolean": (400, chat(temperature=True)),
    "n as fraction": (400, chat(n=1.5)),
    "stream as word": (400, chat(stream="yes")),
    "stop as number": (400, chat(stop=1)),
    "stop of numbers": (400, chat(stop=[1])),
    "tool without function": (400, chat(tools=[{"type": "function"}])),
    "tool without name": (400, chat(tools=[{"type": "function", "function": NAMELESS}])),
    "tools as object": (400, chat(tools=FUNCTION)),
    "choice without function": (400, chat(tool_choice={"type": "function"})),
    "choice without type": (400, chat(tool_choice={"function": {"name": "f"}})),
    "choice as boolean": (400, chat(tool_choice=True)),
    "function call without name": (400, chat(function_call={})),
    "format as text": (400, chat(response_format="json_object")),
    "format without type": (400, chat(response_format={})),
    "format without schema": (400, chat(response_format={"type": "json_schema"})),
    "metadata of numbers": (400, chat(metadata={"k": 1})),
    "options as boolean": (400, chat(stream=True, stream_options=True)),
    "not understood and out of range": (400, chat(temperature=3, top_p="all")),
    "empty messages": (422, {"model": "gpt-4o", "messages": []}),
    "empty model": (422, {"model": "", "messages": [USER]}),
    "model without end": (422, {"model": "m" * 257, "messages": [USER]}),
    "wrong role": (422, chat({"role": "robot", "content": "beep"})),
    "no parts": (422, chat({"role": "user", "content": []})),
    "temperature above": (422, chat(temperature=3)),
    "temperature below": (422, chat(temperature=-0.1)),
    "top_p above": (422, chat(top_p=1.2)),
    "top_p below": (422, chat(top_p=-0.1)),
    "n of zero": (422, chat(n=0)),
    "n above": (422, chat(n=129)),
    "no tokens": (422, chat(max_tokens=0)),
    "no completion tokens": (422, chat(max_completion_tokens=0)),
    "presence above": (422, chat(presence_penalty=2.1)),
    "frequency below": (422, chat(frequency_penalty=-2.1)),
    "too many logprobs": (422, chat(logprobs=True, top_logprobs=21)),
    "five stops": (422, chat(stop=["a", "b", "c", "d", "e"])),
    "bias above": (422, chat(logit_bias={"1": 101})),
    "unknown choice": (422, chat(tool_choice="maybe")),
    "unknown function call": (422, chat(function_call="required")),
    "unknown format": (422, chat(response_format={"type": "yaml"})),
    "too many tools": (422, chat(tools=[FUNCTION] * 129)),
    "tool of a long name": (422, chat(tools=[{"type": "function", "function": {"name": "f" * 65}}])),
    "too much metadata": (422, chat(metadata={str(index): "v" for index in range(17)})),
    "metadata of a long key": (422, chat(metadata={"k" * 65: "v"})),
    "metadata of a long value": (422, chat(metadata={"k": "v" * 513})),
}

COMPLETIONS: dict[str, tuple[int, object]] = {
    "text": (200, {"prompt": ""}),
    "texts": (200, {"prompt": ["a", ""], "best_of": 2, "logprobs": 5, "echo": True, "max_tokens": 0, "suffix": "s"}),
    "tokens": (200, {"prompt": [0, 1]}),
    "tokens of texts": (200, {"prompt": [[1], [2, 3]]}),
    "no prompt": (400, {"model": "m"}),
    "prompt null": (400, {"prompt": None}),
    "tokens and text": (400, {"prompt": [1, "a"]}),
    "text and tokens": (400, {"prompt": ["a", 1]}),
    "tokens of texts and a token": (400, {"prompt": [[1], 1]}),
    "logprobs as boolean": (400, {"prompt": "p", "logprobs": True}),
    "no prompts": (422, {"prompt": []}),
    "negative token": (422, {"prompt": [-1]}),
    "no tokens of a text": (422, {"prompt": [[]]}),
    "logprobs above": (422, {"prompt": "p", "logprobs": 6}),
    "best of none": (422, {"prompt": "p", "best_of": 0}),
}

EMBEDDINGS: dict[str, tuple[int, object]] = {
    "text": (200, {"input": "t", "model": "m", "encoding_format": "float", "dimensions": 256, "user": "u"}),
    "texts": (200, {"input": ["a", "b"], "encoding_format": "base64"}),
    "tokens": (200, {"input": [1, 2]}),
    "tokens of texts": (200, {"input": [[1], [2]]}),
    "no input": (400, {"model": "m"}),
    "input of objects": (400, {"input": [{}]}),
    "dimensions as text": (400, {"input": "t", "dimensions": "256"}),
    "format as number": (400, {"input": "t", "encoding_format": 1}),
    "empty text": (422, {"input": ""}),
    "no inputs": (422, {"input": []}),
    "too many inputs": (422, {"input": ["t"] * 2049}),
    "unknown format": (422, {"input": "t", "encoding_format": "int8"}),
    "no dimensions": (422, {"input": "t", "dimensions": 0}),
}


@pytest.mark.parametrize("case", CHATS)
def test_chat_request_gets_its_status(case: str) -> None:
    status, body = CHATS[case]
    assert status_of("CreateChatCompletionRequest", body) == status


def test_one_message_above_the_limit_is_out_of_range() -> None:
    _, fast = judges("CreateChatCompletionRequest")
    most = [USER] * CONTRACT.limits.messages_max
    assert fast.is_valid(chat(*most))
    assert {error.kind.name for error in fast.iter_errors(chat(*most, USER))} == {"maxItems"}


@pytest.mark.parametrize("case", COMPLETIONS)
def test_completion_request_gets_its_status(case: str) -> None:
    status, body = COMPLETIONS[case]
    assert status_of("CreateCompletionRequest", body) == status


@pytest.mark.parametrize("case", EMBEDDINGS)
def test_embedding_request_gets_its_status(case: str) -> None:
    status, body = EMBEDDINGS[case]
    assert status_of("CreateEmbeddingRequest", body) == status


USAGE: Body = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
CHOICE: Body = {"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}
ANSWER: Body = {"id": "a", "object": "chat.completion", "created": 1, "model": "m", "choices": [CHOICE], "usage": USAGE}
CHUNK: Body = {"id": "a", "object": "chat.completion.chunk", "created": 1, "model": "m"}
PIECE: Body = {"index": 0, "delta": {"content": "Hi."}}
MODEL: Body = {
    "id": "m",
    "object": "model",
    "owned_by": "o",
    "context_window": 1,
    "capabilities": {"chat": True, "completions": False, "embeddings": False},
}

ANSWERS: dict[str, tuple[bool, str, object]] = {
    "answer": (True, "ChatCompletion", ANSWER),
    "answer of tomorrow": (True, "ChatCompletion", ANSWER | {"new": 1}),
    "answer without usage": (False, "ChatCompletion", {key: ANSWER[key] for key in ANSWER if key != "usage"}),
    "answer without choices": (False, "ChatCompletion", ANSWER | {"choices": []}),
    "answer as chunk": (False, "ChatCompletion", ANSWER | {"object": "chat.completion.chunk"}),
    "unfinished answer": (False, "ChatCompletion", ANSWER | {"choices": [CHOICE | {"finish_reason": None}]}),
    "answer with an invented reason": (
        False,
        "ChatCompletion",
        ANSWER | {"choices": [CHOICE | {"finish_reason": "x"}]},
    ),
    "answer that says nothing": (
        False,
        "ChatCompletion",
        ANSWER | {"choices": [CHOICE | {"message": {"role": "assistant"}}]},
    ),
    "error as answer": (False, "ChatCompletion", {"error": {"type": "t", "message": "m", "code": "c"}}),
    "chunk": (True, "ChatCompletionChunk", CHUNK | {"choices": [PIECE]}),
    "last chunk": (
        True,
        "ChatCompletionChunk",
        CHUNK | {"choices": [PIECE | {"delta": {}, "finish_reason": "length"}]},
    ),
    "chunk of usage": (True, "ChatCompletionChunk", CHUNK | {"choices": [], "usage": USAGE}),
    "chunk of a call without index": (
        False,
        "ChatCompletionChunk",
        CHUNK | {"choices": [{"index": 0, "delta": {"tool_calls": [{"id": "c"}]}}]},
    ),
    "chunk without delta": (False, "ChatCompletionChunk", CHUNK | {"choices": [{"index": 0}]}),
    "chunk of negative usage": (
        False,
        "ChatCompletionChunk",
        CHUNK | {"choices": [], "usage": USAGE | {"total_tokens": -1}},
    ),
    "model": (True, "Model", MODEL),
    "model without capabilities": (False, "Model", {key: MODEL[key] for key in MODEL if key != "capabilities"}),
    "model that may chat": (False, "Model", MODEL | {"capabilities": {"chat": "yes"}}),
    "error": (True, "ErrorEnvelope", {"error": {"type": "t", "message": "m", "code": "c", "param": None}}),
    "error without code": (False, "ErrorEnvelope", {"error": {"type": "t", "message": "m"}}),
    "error as text": (False, "ErrorEnvelope", {"error": "m"}),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answer_is_judged_alike_by_both_libraries(case: str) -> None:
    is_right, name, body = ANSWERS[case]
    slow, fast = judges(name)
    assert (not list(slow.iter_errors(body)), fast.is_valid(body)) == (is_right, is_right)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 200) | st.floats(-3, 200) | st.sampled_from(["", "a", "auto", "text"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "role", "name", "function", "content", "text"]), inner, max_size=3)
    ),
    max_leaves=4,
)
GOOD = [cast("Body", body) for status, body in CHATS.values() if status == 200]


def places(tree: object) -> Iterator[tuple[dict[object, object], object]]:
    """Yield every (holder, key) at which a value of *tree* could be another."""
    match tree:
        case dict() | list():
            holder = cast("dict[object, object]", tree)
            for key, value in list(holder.items() if isinstance(tree, dict) else enumerate(cast("list[object]", tree))):
                yield holder, key
                yield from places(value)
        case _:
            pass


@given(body=st.sampled_from(GOOD), data=st.data(), value=JSON)
@settings(max_examples=100, deadline=None)
def test_libraries_agree_on_a_body_with_one_value_changed(body: Body, data: st.DataObject, value: object) -> None:
    body = copy.deepcopy(body)
    holder, key = data.draw(st.sampled_from(list(places(body))))
    holder[key] = value
    assert status_of("CreateChatCompletionRequest", body) in {200, 400, 422}
