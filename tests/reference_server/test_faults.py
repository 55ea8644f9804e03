"""What becomes of a request when its providers misbehave: the same for whole answers and streams."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable
from typing import Any

import httpcore2
import httpx2
import msgspec
import pytest
import trio

from routeproof_simulator.world.clock import run_virtual
from tests.reference_server.gateway import CONFIG, chat, events, failure, gateway
from tests.reference_server.scripted import (
    DONE,
    HI,
    JSON,
    ROLE,
    STOP,
    Reply,
    ScriptedProviders,
    Step,
    chunk,
    error,
    event,
    streamed,
    whole,
)

Client = httpx2.AsyncClient
FALLBACK = {"x-inferoute-fallback": "alpha/gpt-4o, gamma/gpt-4o"}
ASKED = "beta/gpt-4o"
GOOD_STREAM = streamed(ROLE, HI, STOP, DONE)

RESET = httpcore2.ReadError("reset by peer")
SILENCE = 1000.0
DRIP: tuple[Step, ...] = (b" ", 1.0) * 100
SLOW_DRIP: tuple[Step, ...] = (b" ", 4.0) * 20
WAITING: tuple[Step, ...] = (b": wait\n\n", 1.0) * 100
HALVES: tuple[Step, ...] = (b"data: ", 1.0) * 100
IN_STREAM_ERROR = event(b'{"error":{"message":"Overloaded","type":"server_error","param":null,"code":null}}')
VLLM_ERROR = event(b'{"object":"error","message":"Overloaded","code":500}')


def run(test: Callable[[Client, ScriptedProviders], Awaitable[None]], **replies: list[Reply]) -> None:
    async def main() -> None:
        async with gateway(replies) as (client, providers):  # type: ignore[arg-type]  # a list is a sequence
            await test(client, providers)

    run_virtual(main)


# What fails alike whichever kind of answer was asked for.
FAILURES = {
    **{str(status): error(status) for status in (301, 401, 402, 403, 404, 408, 409, 418, 425, 429, 500, 502, 503, 529)},
    "201": Reply(status=201, body=[b"{}"]),
    "204": Reply(status=204),
    "refused": Reply(before=[httpcore2.ConnectError("refused")]),
    "connect timeout": Reply(before=[httpcore2.ConnectTimeout("")]),
    "reset before the head": Reply(before=[RESET]),
    "not HTTP": Reply(before=[httpcore2.RemoteProtocolError("")]),
    "silent": Reply(before=[SILENCE]),
    "html": Reply(headers={"content-type": "text/html"}, body=[b"<html>"]),
    "no content type": Reply(headers={}, body=[b"{}"]),
    "empty": Reply(body=[]),
    "error that never ends": Reply(status=500, body=[b"{", *DRIP]),
    "broken gzip": Reply(headers={**JSON, "content-encoding": "gzip"}, body=[b"no gzip"]),
}
WHOLE_FAILURES = {
    "an event stream": GOOD_STREAM,
    "broken JSON": Reply(body=[b'{"choices":[']),
    "no UTF-8": Reply(body=[b'{"choices":[{"message":{"content":"\xff"}}]}']),
    "a list": Reply(body=[b"[]"]),
    "an error object": Reply(body=[b'{"error":{"message":"no"}}']),
    "no choices": Reply(body=[b'{"choices":[]}']),
    "reset in the body": Reply(body=[b'{"choi', RESET]),
    "stall": Reply(body=[b'{"choi', SILENCE]),
    "drip": Reply(body=SLOW_DRIP),
    "too long": Reply(body=[b" " * 2**20] * 33),
}
STREAM_FAILURES = {
    "JSON": whole(),
    "an empty stream": streamed(),
    "[DONE] alone": streamed(DONE),
    "an error first": streamed(IN_STREAM_ERROR),
    "vLLM's error first": streamed(VLLM_ERROR),
    "an error event first": streamed(b"event: error\ndata: {}\n\n"),
    "bad JSON first": streamed(event(b"{")),
    "half an event": streamed(ROLE[:-2]),
    "reset before the first event": streamed(RESET),
    "comments for ever": streamed(*WAITING),
    "drip of half an event": streamed(*HALVES),
    "no chunk": streamed(event(b'{"type":"ping"}')),
    "a line too long": streamed(b"data: " + b"x" * 2**22 + b"x"),
}
CASES = [
    *[
        pytest.param(stream, reply, id=f"{name}-{stream}")
        for name, reply in FAILURES.items()
        for stream in (False, True)
    ],
    *[pytest.param(False, reply, id=name) for name, reply in WHOLE_FAILURES.items()],
    *[pytest.param(True, reply, id=name) for name, reply in STREAM_FAILURES.items()],
]


@pytest.mark.parametrize(("stream", "reply"), CASES)
def test_a_providers_failure_falls_back_where_asked_and_is_told_where_not(stream: bool, reply: Reply) -> None:
    good = GOOD_STREAM if stream else whole()

    async def test(client: Client, providers: ScriptedProviders) -> None:
        asked = chat(ASKED, stream=stream)
        answer = await client.post("/chat/completions", json=asked, headers=FALLBACK)
        assert answer.status_code == 200
        assert answer.headers["x-inferoute-provider"] == "alpha"
        assert providers.tried == ["beta", "alpha"]
        assert providers.seen[0].body == providers.seen[1].body
        told = await client.post("/chat/completions", json=asked)
        expected = (429, "rate_limit_error") if reply.status == 429 else (503, "provider_error")
        assert failure(told)[:2] == expected
        assert told.headers["x-inferoute-provider"] == "beta"
        assert int(told.headers["x-inferoute-latency-ms"]) <= trio.current_time() * 1000
        assert providers.tried == ["beta", "alpha", "beta"]
        assert all(each.closed_at is not None for each in providers.seen)
        assert trio.current_time() <= 2 * CONFIG.timeouts.total

    run(test, beta=[reply], alpha=[good])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_clients_mistake_by_the_providers_judgement_is_relayed_and_never_falls_back(
    status: int, stream: bool
) -> None:
    async def test(client: Client, providers: ScriptedProviders) -> None:
        told = await client.post("/chat/completions", json=chat(ASKED, stream=stream), headers=FALLBACK)
        assert told.status_code == status
        assert told.json() == {
            "error": {"type": "invalid_request_error", "message": "Too many tokens.", "code": "provider_rejected"}
        }
        assert told.headers["x-inferoute-provider"] == "beta"
        assert providers.tried == ["beta"]

    run(test, beta=[error(status, "Too many tokens.")])


BROKEN_STREAMS: dict[str, tuple[Step, ...]] = {
    "cut": (),
    "no finish reason": (DONE,),
    "no [DONE]": (STOP,),
    "reset": (RESET,),
    "stall": (SILENCE,),
    "comments for ever": WAITING,
    "bad JSON": (event(b'{"choices":'), STOP, DONE),
    "an error": (IN_STREAM_ERROR, DONE),
    "drip for ever": tuple(step for _ in range(100) for step in (HI, 1.0)),
}


@pytest.mark.parametrize("steps", BROKEN_STREAMS.values(), ids=BROKEN_STREAMS)
def test_a_stream_that_breaks_ends_in_an_error_event_and_is_never_restarted(steps: tuple[Step, ...]) -> None:
    async def test(client: Client, providers: ScriptedProviders) -> None:
        told = await client.post("/chat/completions", json=chat(ASKED, stream=True), headers=FALLBACK)
        assert told.status_code == 200
        *_, last = (msgspec.json.decode(each.data) for each in events(told.content))
        assert (last["error"]["type"], last["error"]["code"]) == ("provider_error", "provider_unavailable")
        assert last["error"]["message"]
        assert b"[DONE]" not in told.content
        assert providers.tried == ["beta"]
        assert trio.current_time() <= CONFIG.timeouts.total

    run(test, beta=[streamed(ROLE, HI, *steps)])


def test_nothing_after_done_is_relayed_and_the_connection_is_let_go() -> None:
    async def test(client: Client, providers: ScriptedProviders) -> None:
        told = await client.post("/chat/completions", json=chat(ASKED, stream=True))
        assert told.content.endswith(b"data: [DONE]\n\n")
        assert told.content.count(b"data: ") == 3
        assert providers.seen[0].closed_at == 0.25

    run(test, beta=[streamed(ROLE, STOP, DONE, HI, SILENCE)])


def test_every_choice_must_finish() -> None:
    second = chunk({}, choices=[{"index": 1, "delta": {"content": "b"}, "finish_reason": None}])

    async def test(client: Client, _: ScriptedProviders) -> None:
        told = await client.post("/chat/completions", json=chat(ASKED, stream=True, n=2))
        assert b"[DONE]" not in told.content

    run(test, beta=[streamed(ROLE, second, STOP, DONE)])


def test_a_slow_client_is_not_the_providers_fault() -> None:
    async def test(client: Client, _: ScriptedProviders) -> None:
        body = b""
        async with client.stream("POST", "/chat/completions", json=chat(ASKED, stream=True)) as response:
            async for piece in response.aiter_bytes():
                body += piece
                await trio.sleep(3 * CONFIG.timeouts.between_tokens)
        assert body.endswith(b"data: [DONE]\n\n")

    run(test, beta=[streamed(ROLE, *[HI] * 40, STOP, DONE)])


def test_what_keeps_within_its_deadlines_is_served_however_slow() -> None:
    slow: list[Step] = [4.9, HI]
    for _ in range(10):
        slow += [4.9, HI]

    async def test(client: Client, _: ScriptedProviders) -> None:
        told = await client.post("/chat/completions", json=chat(ASKED, stream=True))
        assert told.content.endswith(b"data: [DONE]\n\n")

    run(test, beta=[streamed(*slow, STOP, DONE)])


def test_a_client_that_leaves_cancels_the_attempt_at_once() -> None:
    async def test(client: Client, providers: ScriptedProviders) -> None:
        for model in ("alpha/gpt-4o", "beta/gpt-4o", "gamma/gpt-4o"):
            with trio.move_on_after(1.0):
                await client.post("/chat/completions", json=chat(model, stream=True))
            left_at = trio.current_time()
            await trio.sleep(0.001)  # for the gateway's task to be run
            assert providers.seen[-1].closed_at == left_at
        assert len(providers.seen) == 3

    run(
        test,
        alpha=[Reply(before=[SILENCE])],
        beta=[streamed(SILENCE)],
        gamma=[streamed(ROLE, HI, SILENCE)],
    )


@pytest.mark.parametrize(
    ("replies", "status", "retry_after"),
    [
        ({"beta": error(429, retry_after="7")}, 429, "7"),
        ({"beta": error(429), "alpha": error(429, retry_after="9"), "gamma": error(429, retry_after="3.2")}, 429, "4"),
        ({"beta": error(500), "alpha": error(429, retry_after="9"), "gamma": error(429)}, 503, "9"),
        ({"beta": error(500), "alpha": error(503), "gamma": error(500)}, 503, None),
    ],
)
def test_the_end_of_a_chain_is_told_with_the_smallest_retry_after(
    replies: dict[str, Reply], status: int, retry_after: str | None
) -> None:
    async def test(client: Client, providers: ScriptedProviders) -> None:
        headers = FALLBACK if len(replies) == 3 else {}
        told = await client.post("/chat/completions", json=chat(ASKED), headers=headers)
        assert (told.status_code, told.headers.get("retry-after")) == (status, retry_after)
        assert told.headers["x-inferoute-provider"] == list(replies)[-1]
        assert providers.tried == list(replies)

    run(test, **{name: [reply] for name, reply in replies.items()})


def test_no_secret_of_a_provider_reaches_the_client() -> None:
    text = (
        "Key sk-beta-local (Bearer sk-beta-local) refused at http://127.0.0.1:8702/v1/x by 10.1.2.3:99 for sk-be***al."
    )

    async def test(client: Client, _: ScriptedProviders) -> None:
        for model in ("alpha/gpt-4o", "beta/gpt-4o"):
            told = await client.post("/chat/completions", json=chat(model))
            message = told.json()["error"]["message"]
            for secret in ("sk-", "8702", "127.0", "10.1", "local"):
                assert secret not in message
            assert "refused at" in message

    run(test, alpha=[error(400, text)], beta=[error(500, text)])


def test_a_compressed_answer_is_read_and_sent_plain() -> None:
    (body,) = whole().body
    assert isinstance(body, bytes)
    packed = gzip.compress(body)

    async def test(client: Client, _: ScriptedProviders) -> None:
        told = await client.post("/chat/completions", json=chat(ASKED))
        assert told.status_code == 200
        assert "content-encoding" not in told.headers
        assert told.json()["choices"][0]["message"]["content"] == "Hi."

    run(test, beta=[Reply(headers={**JSON, "content-encoding": "gzip"}, body=[packed[:20], packed[20:]])])


def test_cookies_of_a_provider_go_nowhere() -> None:
    (body,) = whole().body

    async def test(client: Client, providers: ScriptedProviders) -> None:
        for _ in range(2):
            told = await client.post("/chat/completions", json=chat(ASKED))
            assert "set-cookie" not in told.headers
        assert all("cookie" not in each.headers for each in providers.seen)

    run(test, beta=[Reply(headers={**JSON, "set-cookie": "a=b"}, body=[body])])


@pytest.mark.parametrize("pretty", [b'data: {"choices":\ndata: [{"index":0,\ndata: "delta":{}}]}\n\n'])
def test_an_event_of_several_lines_reaches_the_client_as_one(pretty: bytes) -> None:
    async def test(client: Client, _: ScriptedProviders) -> None:
        told = await client.post("/chat/completions", json=chat(ASKED, stream=True))
        first = msgspec.json.decode(events(told.content)[0].data)
        assert first["choices"] == [{"index": 0, "delta": {}}]

    run(test, beta=[streamed(pretty, STOP, DONE)])


def test_the_gateway_lives_on_after_every_fault() -> None:
    everything = [*FAILURES.values(), *WHOLE_FAILURES.values()]

    async def test(client: Client, _: ScriptedProviders) -> None:
        for _fault in everything:
            await client.post("/chat/completions", json=chat(ASKED))
        told: Any = await client.post("/chat/completions", json=chat(ASKED))
        assert told.status_code == 200

    run(test, beta=[*everything, whole()])
