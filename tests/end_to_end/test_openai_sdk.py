"""The official OpenAI SDK drives the reference gateway over a real socket."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionUserMessageParam

from routeproof_simulator.behaviours import Behaviour, cut, fail, ok
from routeproof_simulator.thread import FleetThread
from tests.end_to_end.stack import KEY, Stack

pytestmark = pytest.mark.end_to_end

HELLO: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "Say hello."}]

WEATHER: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
def client(stack: Stack, fleet: FleetThread) -> Iterator[OpenAI]:  # noqa: ARG001 - healed before and after
    with OpenAI(base_url=stack.base_url, api_key=KEY, max_retries=0) as client:
        yield client


def test_a_chat_is_answered(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert answer.id.startswith("chatcmpl-th-")
    assert answer.model == "gpt-4o"
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_gives_the_whole_text_and_its_usage_last(client: OpenAI) -> None:
    whole = client.chat.completions.create(model="alpha/gpt-4o", messages=HELLO)
    chunks = list(
        client.chat.completions.create(
            model="alpha/gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == whole.choices[0].message.content
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage


def test_a_tool_is_called_with_arguments_that_are_json(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="gpt-4o", messages=HELLO, tools=[WEATHER], tool_choice="required")
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert "city" in json.loads(call.function.arguments)
    assert answer.choices[0].finish_reason == "tool_calls"


def test_embeddings_have_the_right_width_whatever_their_encoding(client: OpenAI) -> None:
    decoded = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"], dimensions=256)
    floats = client.embeddings.create(
        model="text-embedding-3-small", input=["a", "b"], dimensions=256, encoding_format="float"
    )
    assert [len(each.embedding) for each in decoded.data] == [256, 256]
    for one, other in zip(decoded.data, floats.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)


def test_embeddings_asked_for_as_base64_are_little_endian_float32(client: OpenAI) -> None:
    raw = client.embeddings.with_raw_response.create(
        model="text-embedding-3-small", input="a", dimensions=256, encoding_format="base64"
    )
    (entry,) = json.loads(raw.text)["data"]
    vector = struct.unpack("<256f", base64.b64decode(entry["embedding"]))
    assert sum(each * each for each in vector) == pytest.approx(1.0, abs=1e-4)


def test_models_are_listed_and_retrieved_with_a_slash_in_their_id(client: OpenAI) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert "gpt-4o" in listed
    pinned = next(name for name in listed if "/" in name)
    assert client.models.retrieve(pinned) == listed[pinned]


def test_legacy_completions_are_answered(client: OpenAI) -> None:
    answer = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once", max_tokens=8)
    assert answer.choices[0].finish_reason == "length"


def test_the_gateways_headers_are_read_through_the_raw_response(client: OpenAI, fleet: FleetThread) -> None:
    fleet.set_behaviour("beta", fail(503))
    raw = client.chat.completions.with_raw_response.create(
        model="beta/gpt-4o", messages=HELLO, extra_headers={"X-Inferoute-Fallback": "alpha/gpt-4o"}
    )
    assert raw.headers["x-inferoute-provider"] == "alpha"
    assert raw.headers["x-inferoute-request-id"]
    assert int(raw.headers["x-inferoute-latency-ms"]) >= 0
    assert raw.parse().model == "gpt-4o"


def test_a_stream_that_breaks_raises_instead_of_ending(client: OpenAI, fleet: FleetThread) -> None:
    fleet.set_behaviour("alpha", cut(frames=3))
    stream = client.chat.completions.create(model="alpha/gpt-4o", messages=HELLO, stream=True)
    with pytest.raises(openai.APIError, match="broke off"):
        list(stream)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A request that has to raise *error*."""

    error: type[openai.APIStatusError]
    key: str = KEY
    model: str = "alpha/gpt-4o"
    temperature: float = 1.0
    strategy: str = "cost"
    alpha: Behaviour = ok


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(error=openai.AuthenticationError, key="th-unknown"),
        Refusal(error=openai.NotFoundError, model="no-such-model"),
        Refusal(error=openai.RateLimitError, alpha=fail(429, retry_after=7)),
        Refusal(error=openai.BadRequestError, strategy="fastest"),
        Refusal(error=openai.BadRequestError, alpha=fail(400)),
        Refusal(error=openai.UnprocessableEntityError, temperature=3.0),
        Refusal(error=openai.InternalServerError, alpha=fail(500)),
    ],
    ids=lambda each: each.error.__name__,
)
def test_each_refusal_raises_its_own_error(stack: Stack, fleet: FleetThread, refusal: Refusal, stream: bool) -> None:
    fleet.set_behaviour("alpha", refusal.alpha)
    with (
        OpenAI(base_url=stack.base_url, api_key=refusal.key, max_retries=0) as client,
        pytest.raises(refusal.error) as caught,
    ):
        client.chat.completions.create(
            model=refusal.model,
            messages=HELLO,
            temperature=refusal.temperature,
            stream=stream,
            extra_headers={"X-Inferoute-Strategy": refusal.strategy},
        )
    assert caught.value.type
    if caught.value.status_code == 429:
        assert caught.value.response.headers["retry-after"] == "7"
