"""Providers with an API each, seen through the official OpenAI SDK: the same questions, answers of the same shape."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolUnionParam

from tests.end_to_end.mixed import APIS, MODEL
from tests.end_to_end.stack import KEY, Stack

pytestmark = pytest.mark.end_to_end

HELLO: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Say hello."},
]
FIND: ChatCompletionToolUnionParam = {
    "type": "function",
    "function": {
        "name": "find",
        "description": "Finds it.",
        "parameters": {"type": "object", "properties": {"where": {"type": "string"}}, "required": ["where"]},
    },
}
SHAPE: dict[str, object] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
PIXEL = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()

each_api = pytest.mark.parametrize("api", APIS)


@pytest.fixture
def client(mixed: Stack) -> Iterator[OpenAI]:
    with OpenAI(base_url=mixed.base_url, api_key=KEY, max_retries=0) as client:
        yield client


def model(api: str) -> str:
    return f"{api}/{MODEL}"


def attempts(mixed: Stack, api: str) -> int:
    return len(mixed.fleet[api].seen.attempts)


@each_api
def test_whole_and_stream_say_the_same_and_count_the_same(client: OpenAI, api: str) -> None:
    whole = client.chat.completions.create(model=model(api), messages=HELLO)
    assert (whole.model, whole.id[:12], whole.choices[0].finish_reason) == (MODEL, "chatcmpl-th-", "stop")
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 12
    chunks = list(
        client.chat.completions.create(
            model=model(api), messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(each.delta.content or "" for chunk in chunks for each in chunk.choices) == (
        whole.choices[0].message.content
    )
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    roles = [each.delta.role for chunk in chunks for each in chunk.choices if each.delta.role is not None]
    reasons = [each.finish_reason for chunk in chunks for each in chunk.choices if each.finish_reason is not None]
    assert (roles, reasons) == (["assistant"], ["stop"])
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.usage for chunk in chunks] == [None] * (len(chunks) - 1) + [whole.usage]


@each_api
def test_a_stream_without_include_usage_has_no_usage_chunk(client: OpenAI, api: str) -> None:
    chunks = list(client.chat.completions.create(model=model(api), messages=HELLO, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


@each_api
def test_a_tool_is_called_and_its_result_is_taken(client: OpenAI, api: str) -> None:
    called = client.chat.completions.create(model=model(api), messages=HELLO, tools=[FIND], tool_choice="required")
    choice = called.choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert choice.message.tool_calls is not None
    (call,) = choice.message.tool_calls
    assert call.type == "function"
    assert (call.function.name, set(json.loads(call.function.arguments))) == ("find", {"where"})
    answered: Any = [
        *HELLO,
        choice.message.model_dump(),  # handed back with all its nulls
        {"role": "tool", "tool_call_id": call.id, "content": "There."},
    ]
    told = client.chat.completions.create(model=model(api), messages=answered, tools=[FIND])
    assert told.choices[0].finish_reason == "stop"


@each_api
def test_a_streamed_call_has_one_beginning_and_joins_to_json(client: OpenAI, api: str) -> None:
    deltas = [
        call
        for chunk in client.chat.completions.create(
            model=model(api), messages=HELLO, tools=[FIND], tool_choice="required", stream=True
        )
        for choice in chunk.choices
        for call in choice.delta.tool_calls or ()
    ]
    assert {each.index for each in deltas} == {0}
    assert [each.function.name for each in deltas if each.function and each.function.name] == ["find"]
    assert len([each.id for each in deltas if each.id]) == 1
    arguments = "".join(each.function.arguments or "" for each in deltas if each.function)
    assert set(json.loads(arguments)) == {"where"}


@each_api
def test_an_answer_is_bounded_and_stopped(client: OpenAI, api: str) -> None:
    cut = client.chat.completions.create(model=model(api), messages=HELLO, max_tokens=3)
    assert cut.choices[0].finish_reason == "length"
    assert cut.usage is not None
    assert cut.usage.completion_tokens == 3
    whole = client.chat.completions.create(model=model(api), messages=HELLO)
    text = whole.choices[0].message.content or ""
    word = text.split()[3]
    stopped = client.chat.completions.create(model=model(api), messages=HELLO, stop=[word])
    assert stopped.choices[0].finish_reason == "stop"
    assert stopped.choices[0].message.content == text.partition(word)[0]


@each_api
def test_an_answer_takes_the_shape_that_was_asked_for(client: OpenAI, api: str) -> None:
    told = client.chat.completions.create(
        model=model(api),
        messages=HELLO,
        response_format={"type": "json_schema", "json_schema": {"name": "place", "schema": SHAPE, "strict": True}},
    )
    assert set(json.loads(told.choices[0].message.content or "")) == {"city"}


@each_api
@pytest.mark.parametrize("stream", [False, True])
def test_every_field_that_all_apis_know_passes_their_strictest_reading(client: OpenAI, api: str, stream: bool) -> None:
    asked: Any = {
        "messages": [
            *HELLO,
            {"role": "assistant", "content": "Hello."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": PIXEL}},
                    {"type": "image_url", "image_url": {"url": "https://pictures.example/a.png", "detail": "low"}},
                ],
            },
        ],
        "max_completion_tokens": 20,
        "temperature": 0.3,
        "top_p": 0.9,
        "stop": "END",
        "user": "u-1",
        "seed": 7,
        "n": 1,
        "reasoning_effort": "low",
        "logprobs": False,
        "metadata": {"a": "b"},
        "tools": [FIND],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "response_format": {"type": "text"},
    }
    told: Any = client.chat.completions.create(model=model(api), stream=stream, **asked)
    assert list(told) if stream else told.choices


@pytest.mark.parametrize("stream", [False, True])
def test_several_answers_come_from_who_can_give_them(client: OpenAI, mixed: Stack, stream: bool) -> None:
    told: Any = client.chat.completions.create(model=model("gemini"), messages=HELLO, n=3, stream=stream)
    chunks = list(told) if stream else [told]
    assert {choice.index for chunk in chunks for choice in chunk.choices} == {0, 1, 2}
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert reasons == ["stop"] * 3
    with pytest.raises(openai.BadRequestError, match="n: Anthropic's API has nothing like it") as caught:
        client.chat.completions.create(model=model("anthropic"), messages=HELLO, n=2)
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "n")
    assert attempts(mixed, "anthropic") == 0


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("logprobs", {"logprobs": True}),
    ("logit_bias", {"logit_bias": {"5": 3}}),
    ("temperature", {"temperature": 1.5}),
    ("verbosity", {"verbosity": "high"}),
]


@pytest.mark.parametrize(("place", "fields"), REFUSED, ids=[place for place, _ in REFUSED])
def test_what_cannot_be_told_goes_to_who_can_be_told_it(
    client: OpenAI, mixed: Stack, place: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=model("anthropic"), messages=HELLO, **fields)
    assert caught.value.param == place
    headers = {"x-inferoute-fallback": model("openai")}
    client.chat.completions.create(model=model("anthropic"), messages=HELLO, extra_headers=headers, **fields)
    assert (attempts(mixed, "anthropic"), attempts(mixed, "openai")) == (0, 1)


def test_an_unknown_field_is_named_and_goes_to_nobody_who_would_refuse_it(client: OpenAI, mixed: Stack) -> None:
    for api in ("anthropic", "gemini"):
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model=model(api), messages=HELLO, extra_body={"newest_field": 1})
        assert caught.value.param == "newest_field"
        assert attempts(mixed, api) == 0
