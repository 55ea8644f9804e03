"""A verified fake: the official SDK reads every good answer, and raises its own error for every bad one."""

from __future__ import annotations

import json
from collections.abc import Iterator

import openai
import pytest

from routeproof_simulator import FleetThread
from routeproof_simulator.behaviours import bad_json, cut, fail, ok, reset, stream_error
from tests.simulator.asking import FLEET, KEY


@pytest.fixture(scope="module")
def fleet() -> Iterator[FleetThread]:
    with FleetThread(FLEET) as running:
        yield running


@pytest.fixture
def client(fleet: FleetThread) -> Iterator[openai.OpenAI]:
    fleet.heal()
    with openai.OpenAI(base_url=fleet.base_urls["alpha"], api_key=KEY, max_retries=0) as each:
        yield each


def say(client: openai.OpenAI) -> str | None:
    answered = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
    return answered.choices[0].message.content


def stream(client: openai.OpenAI) -> str:
    chunks = client.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "hi"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_whole_and_stream_are_read_the_same(client: openai.OpenAI) -> None:
    assert (say(client) or "").startswith("alpha: é 漢 🚀")
    assert stream(client) == say(client)


def test_a_streamed_tool_call_is_put_together(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model="gpt-4o",
        messages=[{"role": "user", "content": "hi"}],
        tools=[
            {
                "type": "function",
                "function": {
                    "name": "find",
                    "strict": True,
                    "parameters": {
                        "type": "object",
                        "properties": {"where": {"type": "string"}},
                        "required": ["where"],
                        "additionalProperties": False,
                    },
                },
            }
        ],
    ) as events:
        completion = events.get_final_completion()
    (call,) = completion.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert json.loads(call.function.arguments)["where"].startswith("alpha:")
    assert completion.choices[0].finish_reason == "tool_calls"


def test_completions_embeddings_and_models_are_read(client: openai.OpenAI) -> None:
    assert client.completions.create(model="gpt-4o", prompt="Once").choices[0].text.startswith("alpha:")
    chunks = client.completions.create(model="gpt-4o", prompt="Once", stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks).startswith("alpha:")
    # The SDK asks for base64 by itself, and decodes it.
    (vector,) = client.embeddings.create(model="text-embedding-3-small", input="one", dimensions=8).data
    (plain,) = client.embeddings.create(
        model="text-embedding-3-small", input="one", dimensions=8, encoding_format="float"
    ).data
    assert vector.embedding == plain.embedding
    assert [each.id for each in client.models.list()] == ["gpt-4o", "text-embedding-3-small"]
    assert client.models.retrieve("gpt-4o").owned_by == "alpha"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
        (529, openai.InternalServerError),
    ],
)
def test_every_failure_is_the_sdks_own_error(
    fleet: FleetThread, client: openai.OpenAI, status: int, error: type[openai.APIStatusError]
) -> None:
    fleet.set_behaviour("alpha", fail(status, message="As told.", code="a_code"))
    with pytest.raises(error, match=r"As told\.") as caught:
        say(client)
    assert (caught.value.status_code, caught.value.code) == (status, "a_code")
    assert (caught.value.request_id or "").startswith("req_")


def test_the_wrong_key_and_the_wrong_model_are_the_sdks_own_errors(fleet: FleetThread, client: openai.OpenAI) -> None:
    stranger = client.with_options(base_url=fleet.base_urls["beta"])
    with pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
        say(stranger)
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.completions.create(model="nothing", prompt="Once")


def test_what_breaks_on_the_wire_is_felt(fleet: FleetThread, client: openai.OpenAI) -> None:
    fleet.set_behaviour("alpha", reset(before="headers"))
    with pytest.raises(openai.APIConnectionError):
        say(client)
    fleet.set_behaviour("alpha", stream_error(2, message="Halfway."))
    with pytest.raises(openai.APIError, match="Halfway"):
        stream(client)
    fleet.set_behaviour("alpha", bad_json(1))
    with pytest.raises(json.JSONDecodeError):
        stream(client)
    fleet.set_behaviour("alpha", cut(before="finish"))
    with pytest.raises(openai.APIConnectionError):
        stream(client)
    fleet.set_behaviour("alpha", ok)
    assert stream(client)
