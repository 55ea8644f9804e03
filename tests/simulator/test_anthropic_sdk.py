"""A verified fake: Anthropic's SDK reads every good answer, and raises its own error for every bad one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import anthropic
import httpx2
import pytest
from anthropic.types import MessageParam, ToolParam

from routeproof_simulator import FleetThread
from routeproof_simulator.behaviours import bad_json, cut, fail, no_done, no_finish, ok, rate_limit, reset, stream_error
from routeproof_simulator.fleet import FleetConfig, ProviderConfig
from routeproof_spec.marker import in_text

MODEL = "claude-haiku-4-5"
KEY = "sk-ant-alpha-test"
HI: list[MessageParam] = [{"role": "user", "content": "hi"}]
FIND: ToolParam = {
    "name": "find",
    "description": "Finds things.",
    "input_schema": {"type": "object", "properties": {"where": {"type": "string"}}, "required": ["where"]},
}


@pytest.fixture(scope="module")
def fleet() -> Iterator[FleetThread]:
    alpha = ProviderConfig(name="alpha", key=KEY, models=(MODEL,), tokens=12, dialect="anthropic")
    with FleetThread(FleetConfig(providers=(alpha,))) as running:
        yield running


@pytest.fixture
def client(fleet: FleetThread) -> Iterator[anthropic.Anthropic]:
    fleet.heal()
    # The SDK puts /v1 before every path by itself.
    origin = fleet.base_urls["alpha"].removesuffix("/v1")
    with anthropic.Anthropic(base_url=origin, api_key=KEY, max_retries=0) as each:
        yield each


def say(client: anthropic.Anthropic, marker: str = "m1") -> anthropic.types.Message:
    return client.messages.create(model=MODEL, max_tokens=100, messages=HI, metadata={"user_id": in_text(marker)})


def stream(client: anthropic.Anthropic, marker: str = "m1") -> anthropic.types.Message:
    with client.messages.stream(
        model=MODEL, max_tokens=100, messages=HI, metadata={"user_id": in_text(marker)}
    ) as events:
        return events.get_final_message()


def text_of(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def test_whole_and_stream_are_read_the_same(client: anthropic.Anthropic) -> None:
    answered, streamed = say(client), stream(client)
    assert text_of(answered).startswith("alpha: é 漢 🚀")
    assert text_of(streamed) == text_of(answered)
    assert (streamed.usage, streamed.stop_reason) == (answered.usage, "end_turn")
    assert answered.usage.output_tokens == 12
    assert answered.id.startswith("msg_")


def test_every_event_of_a_raw_stream_is_read(client: anthropic.Anthropic) -> None:
    with client.messages.create(model=MODEL, max_tokens=2, messages=HI, stream=True) as events:
        assert [event.type for event in events] == [  # the SDK keeps pings to itself
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]


def test_a_tool_is_called_whole_and_streamed_and_its_result_is_taken(client: anthropic.Anthropic) -> None:
    answered = client.messages.create(model=MODEL, max_tokens=100, messages=HI, tools=[FIND])
    with client.messages.stream(model=MODEL, max_tokens=100, messages=HI, tools=[FIND]) as events:
        streamed = events.get_final_message()
    for message in (answered, streamed):
        (block,) = message.content
        assert block.type == "tool_use"
        assert (block.name, message.stop_reason) == ("find", "tool_use")
        assert str(block.input["where"]).startswith("alpha:")
        assert block.id.startswith("toolu_")
        result: MessageParam = {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": block.id, "content": "found"}],
        }
        turns: list[MessageParam] = [*HI, message.to_param(), result]
        last = client.messages.create(model=MODEL, max_tokens=100, messages=turns, tools=[FIND])
        assert last.stop_reason == "end_turn"


def test_stops_systems_images_and_counts_are_taken(client: anthropic.Anthropic) -> None:
    picture: MessageParam = {
        "role": "user",
        "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
            {"type": "text", "text": "What is it?"},
        ],
    }
    answered = client.messages.create(
        model=MODEL,
        max_tokens=1025,
        system="Be brief.",
        messages=[picture],
        stop_sequences=["漢"],
        thinking={"type": "enabled", "budget_tokens": 1024},
    )
    assert (answered.stop_reason, answered.stop_sequence, text_of(answered)) == ("stop_sequence", "漢", "alpha: é ")
    counted = client.messages.count_tokens(model=MODEL, system="Be brief.", messages=[picture])
    assert counted.input_tokens == answered.usage.input_tokens > 1600


def test_models_are_read(client: anthropic.Anthropic) -> None:
    assert [each.id for each in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).lifecycle == "active"


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (402, anthropic.PaymentRequiredError, "billing_error"),
        (403, anthropic.PermissionDeniedError, "permission_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (409, anthropic.ConflictError, "conflict_error"),
        (413, anthropic.ContentTooLargeError, "request_too_large"),
        (422, anthropic.UnprocessableEntityError, "invalid_request_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (503, anthropic.ServiceUnavailableError, "api_error"),
        (504, anthropic.GatewayTimeoutError, "timeout_error"),
        (529, anthropic.OverloadedError, "overloaded_error"),
    ],
)
def test_every_failure_is_the_sdks_own_error(
    fleet: FleetThread, client: anthropic.Anthropic, status: int, error: type[anthropic.APIStatusError], kind: str
) -> None:
    fleet.set_behaviour("alpha", fail(status, message="As told.", code="a_code"))
    for ask in (say, stream):
        with pytest.raises(error) as caught:
            ask(client)
        told = caught.value
        assert (told.status_code, told.type, told.api_message, told.error_code) == (status, kind, "As told.", "a_code")
        assert told.request_id is not None
        assert told.body == {
            "type": "error",
            "error": {"type": kind, "message": "As told.", "details": {"error_code": "a_code"}},
            "request_id": told.request_id,
        }


def test_the_wrong_key_model_and_parameter_are_the_sdks_own_errors(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.AuthenticationError, match="invalid x-api-key"):
        say(client.with_options(api_key="sk-other"))
    with pytest.raises(anthropic.NotFoundError, match="model: nothing"):
        client.messages.create(model="nothing", max_tokens=1, messages=HI)
    with pytest.raises(anthropic.BadRequestError, match="temperature: Extra inputs are not permitted"):
        client.messages.create(model=MODEL, max_tokens=1, messages=HI, extra_body={"temperature": 0.5})
    older = {"anthropic-version": "2023-06-01"}
    with pytest.raises(anthropic.BadRequestError, match="temperature: Input should be a valid number"):
        client.messages.create(
            model=MODEL, max_tokens=1, messages=HI, extra_body={"temperature": "hot"}, extra_headers=older
        )


def test_a_rate_limit_is_told_and_kept(fleet: FleetThread, client: anthropic.Anthropic) -> None:
    fleet.set_behaviour("alpha", rate_limit(rpm=2, tpm=1000))
    left = "anthropic-ratelimit-requests-remaining"
    ask = client.messages.with_raw_response.create
    assert [ask(model=MODEL, max_tokens=1, messages=HI).headers[left] for _ in range(2)] == ["1", "0"]
    with pytest.raises(anthropic.RateLimitError) as caught:
        say(client)
    headers = caught.value.response.headers
    assert (headers[left], headers["anthropic-ratelimit-input-tokens-limit"]) == ("0", "1000")
    assert 0 < int(headers["retry-after"]) <= 30
    resets = datetime.fromisoformat(headers["anthropic-ratelimit-requests-reset"])
    assert 0 < (resets - datetime.now(UTC)).total_seconds() <= 62


def test_an_error_in_a_stream_is_raised_with_its_type(fleet: FleetThread, client: anthropic.Anthropic) -> None:
    fleet.set_behaviour("alpha", stream_error(4, message="Halfway."))
    with pytest.raises(anthropic.APIStatusError) as caught:
        stream(client)
    # The status has been sent before, and there is no class of errors for 200.
    assert (caught.value.status_code, caught.value.type, caught.value.api_message) == (
        200,
        "overloaded_error",
        "Halfway.",
    )


def test_what_breaks_on_the_wire_is_felt(fleet: FleetThread, client: anthropic.Anthropic) -> None:
    fleet.set_behaviour("alpha", reset(before="headers"))
    with pytest.raises(anthropic.APIConnectionError):
        say(client)
    fleet.set_behaviour("alpha", bad_json(3))
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|delimiter"):
        stream(client)
    fleet.set_behaviour("alpha", cut(before="finish"))
    with pytest.raises(httpx2.RemoteProtocolError):  # not wrapped, as it is while a request is sent
        stream(client)


def test_a_stream_that_ends_early_but_in_order_raises_nothing(fleet: FleetThread, client: anthropic.Anthropic) -> None:
    whole = text_of(say(client))
    fleet.set_behaviour("alpha", no_finish() | no_done())
    ended = stream(client)
    assert (ended.stop_reason, text_of(ended)) == (None, whole)
    fleet.set_behaviour("alpha", no_done())
    assert stream(client).stop_reason == "end_turn"


@pytest.mark.parametrize(
    ("status", "attempts"),
    [
        (400, 1),
        (401, 1),
        (402, 1),
        (403, 1),
        (404, 1),
        (408, 3),
        (409, 3),
        (413, 1),
        (422, 1),
        (429, 3),
        (500, 3),
        (529, 3),
    ],
)
def test_the_sdk_asks_thrice_where_that_may_help(
    fleet: FleetThread, client: anthropic.Anthropic, status: int, attempts: int
) -> None:
    fleet.set_behaviour("alpha", fail(status, retry_after=0.001))
    with pytest.raises(anthropic.APIStatusError):
        say(client.with_options(max_retries=2), marker=f"thrice-{status}")
    assert len(fleet.attempts(f"thrice-{status}")) == attempts


def test_the_sdk_never_retries_a_stream_that_has_begun(fleet: FleetThread, client: anthropic.Anthropic) -> None:
    fleet.set_behaviour("alpha", stream_error(0))
    with pytest.raises(anthropic.APIStatusError):
        stream(client.with_options(max_retries=2), marker="begun")
    assert len(fleet.attempts("begun")) == 1
    fleet.set_behaviour("alpha", ok)
    assert stream(client.with_options(max_retries=2), marker="begun").stop_reason == "end_turn"
