"""Five deadlines of an attempt, on a virtual clock: each ends what the others would let go on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

import httpcore2
import httpx2
import msgspec
import pytest
import trio

from routeproof_reference_server.config import TimeoutsConfig
from routeproof_reference_server.patience import OutOfPatienceError, Patience
from routeproof_simulator.world.clock import run_virtual
from tests.reference_server.gateway import CONFIG, chat, events, gateway
from tests.reference_server.scripted import DONE, EMPTY, HI, ROLE, STOP, Reply, ScriptedProviders, Step, streamed, whole

Client = httpx2.AsyncClient
TIMEOUTS = TimeoutsConfig(connect=1.0, headers=2.0, first_token=3.0, between_tokens=4.0, total=20.0)
WAITING = msgspec.structs.replace(CONFIG, timeouts=TIMEOUTS)
FALLBACK = {"x-inferoute-fallback": "alpha/gpt-4o"}
GOOD = streamed(ROLE, HI, STOP, DONE)
SILENCE = 1000.0
COMMENT = b": still here\n\n"


def beating(beat: bytes) -> tuple[Step, ...]:
    return (beat, 0.5) * 100


async def connecting(patience: Patience) -> None:
    """Take 0.9 seconds for a connection, and then hear nothing."""
    await trio.sleep(0.9)
    patience.connected()
    await trio.sleep(SILENCE)


def run(test: Callable[[Client, ScriptedProviders], Awaitable[None]], **replies: Sequence[Reply]) -> None:
    async def main() -> None:
        async with gateway(dict(replies), config=WAITING) as (client, providers):
            await test(client, providers)

    run_virtual(main)


class Unconnectable(httpcore2.AsyncNetworkBackend):
    """A network on which no connection to the providers comes about: every packet is lost."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[object] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        del host, port, timeout, local_address, socket_options
        await trio.sleep_forever()
        raise AssertionError("unreachable")


# (what comes, when it is over, what is said of it): before anything has gone to the client.
EARLY: dict[str, tuple[Reply, float, str]] = {
    "no head": (Reply(before=[SILENCE]), 2.0, "it did not answer in time"),
    "a late head and no content": (
        Reply(before=[1.9], headers=GOOD.headers, body=[SILENCE]),
        4.9,
        "it did not begin to answer in time",
    ),
    "a role alone": (streamed(ROLE, SILENCE), 3.0, "it did not begin to answer in time"),
    "roles for ever": (streamed(*beating(ROLE)), 3.0, "it did not begin to answer in time"),
    "empty pieces for ever": (streamed(*beating(EMPTY)), 3.0, "it did not begin to answer in time"),
    "comments for ever": (streamed(*beating(COMMENT)), 3.0, "it did not begin to answer in time"),
    "half an event, drip by drip": (streamed(*beating(b"data: x")), 3.0, "it did not begin to answer in time"),
}


@pytest.mark.parametrize(("reply", "seconds", "told"), EARLY.values(), ids=EARLY)
def test_what_does_not_begin_in_time_falls_back(reply: Reply, seconds: float, told: str) -> None:
    async def test(client: Client, providers: ScriptedProviders) -> None:
        answer = await client.post("/chat/completions", json=chat("beta/gpt-4o", stream=True), headers=FALLBACK)
        assert trio.current_time() == pytest.approx(seconds)
        assert (answer.status_code, events(answer.content)[-1].data) == (200, "[DONE]")
        refused = await client.post("/chat/completions", json=chat("beta/gpt-4o", stream=True))
        assert refused.status_code == 503
        assert told in refused.json()["error"]["message"]
        assert providers.tried == ["beta", "alpha", "beta"]

    run(test, beta=[reply], alpha=[GOOD])


# The same of a stream that has begun, and of one that goes on.
LATE: dict[str, tuple[Reply, float, str]] = {
    "silence": (streamed(ROLE, 2.9, HI, SILENCE), 6.9, "it did not go on in time"),
    "roles for ever": (streamed(HI, *beating(ROLE)), 4.0, "it did not go on in time"),
    "empty pieces for ever": (streamed(HI, *beating(EMPTY)), 4.0, "it did not go on in time"),
    "comments for ever": (streamed(HI, *beating(COMMENT)), 4.0, "it did not go on in time"),
    "half an event, drip by drip": (streamed(HI, *beating(b"data: x")), 4.0, "it did not go on in time"),
    "text without an end": (streamed(*beating(HI)), 20.0, "it did not come to an end in time"),
    "text just in time, again and again": (streamed(*(HI, 3.9) * 9), 20.0, "it did not come to an end in time"),
}


@pytest.mark.parametrize(("reply", "seconds", "told"), LATE.values(), ids=LATE)
def test_what_does_not_go_on_in_time_ends_in_an_error_event(reply: Reply, seconds: float, told: str) -> None:
    async def test(client: Client, providers: ScriptedProviders) -> None:
        answer = await client.post("/chat/completions", json=chat("beta/gpt-4o", stream=True), headers=FALLBACK)
        assert trio.current_time() == pytest.approx(seconds)
        assert told in msgspec.json.decode(events(answer.content)[-1].data)["error"]["message"]
        assert providers.tried == ["beta"]

    run(test, beta=[reply])


BODY = b"".join(each for each in whole().body if isinstance(each, bytes))
BODIES: dict[str, tuple[Sequence[Step], float]] = {
    "none": ([SILENCE], 3.0),
    "half of it": ([2.9, BODY[:9], SILENCE], 6.9),
    "a byte now and then": ([b" ", 3.9] * 9, 20.0),
}


@pytest.mark.parametrize(("body", "seconds"), BODIES.values(), ids=BODIES)
def test_a_body_that_does_not_come_in_time_falls_back(body: Sequence[Step], seconds: float) -> None:
    async def test(client: Client, providers: ScriptedProviders) -> None:
        answer = await client.post("/chat/completions", json=chat("beta/gpt-4o"), headers=FALLBACK)
        assert (answer.status_code, trio.current_time()) == (200, pytest.approx(seconds))
        assert providers.tried == ["beta", "alpha"]

    run(test, beta=[Reply(body=body)])


def test_an_attempt_waits_for_its_connection_and_no_longer() -> None:
    async def main() -> None:
        async with gateway(config=WAITING, network=Unconnectable()) as (client, _):
            for stream in (False, True):
                began = trio.current_time()
                answer = await client.post("/chat/completions", json=chat("beta/gpt-4o", stream=stream))
                assert (answer.status_code, trio.current_time() - began) == (503, pytest.approx(1.0))
                assert "no connection came about in time" in answer.json()["error"]["message"]

    run_virtual(main)


def test_what_a_connection_took_is_not_held_against_the_head() -> None:
    async def main() -> None:
        patience = Patience(TIMEOUTS)
        with pytest.raises(OutOfPatienceError, match="it did not answer in time"), patience.spent():
            await connecting(patience)
        assert trio.current_time() == pytest.approx(2.9)

    run_virtual(main)


def test_the_total_bounds_every_wait() -> None:
    async def main() -> None:
        patience = Patience(msgspec.structs.replace(TIMEOUTS, total=1.5))
        with pytest.raises(OutOfPatienceError, match="it did not come to an end in time"), patience.spent():
            await connecting(patience)
        assert trio.current_time() == pytest.approx(1.5)

    run_virtual(main)
