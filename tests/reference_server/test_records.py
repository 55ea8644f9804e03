"""What observers are told of requests and attempts: the whole story, in order, whoever ends it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import httpcore2
import httpx2
import trio

from routeproof_reference_server.records import AttemptRecord, Observers, RequestRecord
from routeproof_simulator.world.clock import run_virtual
from tests.reference_server.gateway import chat, gateway
from tests.reference_server.scripted import DONE, HI, ROLE, STOP, Reply, error, streamed, whole

FALLBACK = {"x-inferoute-fallback": "alpha/gpt-4o"}


class Story:
    """Notes what it is told, as a reader of the story would say it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.requests: list[RequestRecord] = []

    def request_began(self, request: RequestRecord) -> None:
        self.lines.append(f"began {request.status}")

    def attempt_began(self, request: RequestRecord, attempt: AttemptRecord) -> None:
        assert attempt is request.attempts[-1]
        self.lines.append(f"try {attempt.deployment.provider}")

    def attempt_ended(self, request: RequestRecord, attempt: AttemptRecord) -> None:
        assert attempt is request.attempts[-1]
        assert attempt.end is not None
        self.lines.append(f"{attempt.end} {attempt.status} in {attempt.seconds:.1f} {bytes(attempt.usage or b'')!r}")

    def request_ended(self, request: RequestRecord) -> None:
        self.requests.append(request)
        told = f"{request.status} {request.error}{'' if request.is_complete else ', cut'}"
        self.lines.append(f"ended {request.operation} {told} in {request.seconds:.1f}")


def story(
    act: Callable[[httpx2.AsyncClient], Awaitable[object]], **replies: Sequence[Reply]
) -> tuple[list[str], RequestRecord]:
    """What an observer is told while a client acts, and the first request's record."""
    told = Story()

    async def main() -> None:
        async with gateway(dict(replies), observer=Observers([told])) as (client, _):
            await act(client)

    run_virtual(main)
    return told.lines, told.requests[0]


def test_a_whole_answer_is_told_from_its_head_to_its_usage() -> None:
    lines, request = story(lambda client: client.post("/chat/completions", json=chat("beta/gpt-4o")))
    assert lines == [
        "began None",
        "try beta",
        """served 200 in 0.0 b'{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}'""",
        "ended createChatCompletion 200 None in 0.0",
    ]
    assert request.caller is not None
    assert (request.caller.key, request.strategy) == ("local", "cost")
    assert request.body is not None
    assert request.body.model == "beta/gpt-4o"


def test_a_fallback_is_two_attempts_of_one_request() -> None:
    lines, request = story(
        lambda client: client.post("/chat/completions", json=chat("beta/gpt-4o"), headers=FALLBACK),
        beta=[Reply(status=500, before=[1.0], body=[b"{}"])],
        alpha=[Reply(before=[2.0], body=whole().body)],
    )
    assert [line.split(" b'")[0] for line in lines] == [
        "began None",
        "try beta",
        "failed 500 in 1.0",
        "try alpha",
        "served 200 in 2.0",
        "ended createChatCompletion 200 None in 3.0",
    ]
    assert request.served is request.attempts[1]


def test_an_attempt_at_a_stream_lasts_to_the_stream_s_end() -> None:
    lines, request = story(
        lambda client: client.post("/chat/completions", json=chat("beta/gpt-4o", stream=True)),
        beta=[streamed(1.0, ROLE, HI, 2.0, STOP, DONE)],
    )
    assert lines[1:] == ["try beta", "served 200 in 3.0 b''", "ended createChatCompletion 200 None in 3.0"]
    assert request.attempts[0].first == request.began + 1.0


def test_a_stream_that_breaks_is_told_as_broken_and_with_the_error_that_the_client_got() -> None:
    lines, _ = story(
        lambda client: client.post("/chat/completions", json=chat("beta/gpt-4o", stream=True)),
        beta=[streamed(ROLE, HI, httpcore2.ReadError("reset"))],
    )
    assert lines[1:] == [
        "try beta",
        "broken 200 in 0.0 b''",
        "ended createChatCompletion 200 provider_unavailable in 0.0",
    ]


def test_a_client_that_leaves_ends_the_attempt_under_way() -> None:
    async def leave(client: httpx2.AsyncClient) -> None:
        with trio.move_on_after(1.0):
            await client.post("/chat/completions", json=chat("beta/gpt-4o"))

    lines, _ = story(leave, beta=[Reply(before=[3.0])])
    assert lines[1:] == ["try beta", "left None in 1.0 b''", "ended createChatCompletion None None, cut in 1.0"]


def test_a_client_that_leaves_a_stream_leaves_its_attempt() -> None:
    async def leave(client: httpx2.AsyncClient) -> None:
        with trio.move_on_after(1.0):
            await client.post("/chat/completions", json=chat("beta/gpt-4o", stream=True))

    lines, _ = story(leave, beta=[streamed(ROLE, HI, 3.0, HI, STOP, DONE)])
    assert lines[1:] == ["try beta", "left 200 in 1.0 b''", "ended createChatCompletion 200 None, cut in 1.0"]


def test_what_is_refused_is_told_with_its_code_and_without_an_attempt() -> None:
    async def ask(client: httpx2.AsyncClient) -> None:
        await client.get("/models", headers={"authorization": "Bearer th-nobody's"})
        await client.post("/chat/completions", json={})
        await client.get("/nowhere")
        await client.post("/chat/completions", json=chat("gpt-4o"))

    lines, request = story(ask, beta=[error(400)])
    assert [line for line in lines if line.startswith("ended")] == [
        "ended listModels 401 invalid_api_key in 0.0",
        "ended createChatCompletion 400 malformed_request in 0.0",
        "ended None 404 path_not_found in 0.0",
        "ended createChatCompletion 400 provider_rejected in 0.0",
    ]
    assert "rejected 400 in 0.0 b''" in lines
    assert request.caller is None
