"""What peers do to a connection in memory, in virtual time: nothing of it is an error of ours, or lasts for ever."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

import pytest
import trio

from routeproof_simulator.algebra import Behaviour
from routeproof_simulator.behaviours import giant_event, latency, only_comments, oversized_body
from routeproof_simulator.wire import connection as wire
from routeproof_simulator.world.clock import run_virtual
from routeproof_simulator.world.network import IN_FLIGHT_BYTES_MAX, MemoryStream
from routeproof_spec.history import Ended
from tests.simulator.asking import chat, connected, raw, read_all
from tests.simulator.malformed import CHUNKED, MALFORMED, SMUGGLING, head, post

MUTANTS = 3000
_ANSWERS = re.compile(rb"HTTP/1\.[01] (200|400|401|404|405|413|415|431|505) ")

SEEDS = [
    raw(chat()),
    raw(chat(stream=True)),
    raw(chat()) + raw(chat(stream=True)),
    post(b'{"model": "gpt-4o"}', "expect: 100-continue"),
    CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
    head("GET /v1/models HTTP/1.0", "connection: keep-alive"),
    *MALFORMED.values(),
    *SMUGGLING.values(),
]
_PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b"\0",
    b":",
    b"0",
    b"\xff",
    b"content-length: 9\r\n",
    b"\r\n\r\n",
    b"chunked",
]

Mutation = Callable[[bytes, Random], bytes]


def _delete(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randint(1, 20) :]


def _insert(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.choice(_PIECES) + data[at:]


def _flip(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _repeat(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at : at + rng.randint(1, 50)] * 3 + data[at:]


def _splice(data: bytes, rng: Random) -> bytes:
    other = rng.choice(SEEDS)
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


_MUTATIONS: list[Mutation] = [_delete, _insert, _flip, _repeat, _splice]


def mutant(rng: Random) -> bytes:
    data = rng.choice(SEEDS)
    for _ in range(rng.randint(1, 4)):
        data = rng.choice(_MUTATIONS)(data, rng) or b"x"
    return data


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_mutant_of_a_request_is_an_error_of_ours(seed: int) -> None:
    rng = Random(seed)

    async def main() -> None:
        for _ in range(MUTANTS // 3):
            sent = mutant(rng)
            async with connected() as (stream, journal):
                await stream.send_all(sent)
                await stream.send_eof()
                back = await read_all(stream)
                answers = back.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
                assert not answers or _ANSWERS.match(answers), (sent, back)
                assert all(each.ended is not None for each in journal.attempts)
                assert journal.open_count == 0

    run_virtual(main)


@pytest.mark.parametrize("sent", [b"P", b"GET / HTTP/1.1\r\nhost: a\r\n", post(b"hello")[:-1], CHUNKED + b"5\r\nhel"])
def test_who_sends_a_byte_a_second_is_refused_in_time(sent: bytes) -> None:
    """A slow head, as of Slowloris, and a slow body."""

    async def main() -> None:
        async with connected() as (stream, journal), trio.open_nursery() as nursery:

            async def drip() -> None:
                await stream.send_all(sent[:1])
                for at in range(1, 10_000):
                    await trio.sleep(1.0)
                    await stream.send_all(sent[at : at + 1] if at < len(sent) - 1 else b"")

            nursery.start_soon(drip)
            assert (await read_all(stream)).startswith(b"HTTP/1.1 408 ")
            assert trio.current_time() <= wire.REQUEST_SECONDS_MAX + wire.LINGER_SECONDS_MAX
            assert [(each.status, each.ended) for each in journal.attempts] == [(408, Ended.BROKEN)]
            nursery.cancel_scope.cancel()

    run_virtual(main)


@pytest.mark.parametrize(
    "behaviour", [giant_event(2**22), only_comments(5.0), latency(1.0) | giant_event(2**22)], ids=str
)
def test_who_never_reads_holds_a_connection_for_a_time_and_a_few_bytes(behaviour: Behaviour) -> None:
    async def main() -> None:
        async with connected(behaviour) as (stream, journal):
            await stream.send_all(raw(chat(stream=True)))
            await trio.sleep(wire.PLAY_SECONDS_MAX + 1.0)
            (attempt,) = journal.attempts
            assert attempt.ended is Ended.CUT
            assert attempt.ended_at <= wire.PLAY_SECONDS_MAX
            assert len(await rest_of(stream)) <= IN_FLIGHT_BYTES_MAX

    run_virtual(main)


async def rest_of(stream: MemoryStream) -> bytes:
    data = b""
    try:
        while piece := await stream.receive_some():
            data += piece
    except trio.BrokenResourceError:
        pass
    return data


def test_what_is_read_ahead_while_an_answer_waits_is_bounded() -> None:
    async def main() -> None:
        async with connected(latency(1000.0)) as (stream, _):
            await stream.send_all(raw(chat()))
            taken = 0
            with trio.move_on_after(500.0):
                while True:
                    await stream.send_all(bytes(2**16) if taken else head("POST / HTTP/1.1", "content-length: 8000000"))
                    taken += 2**16
            assert taken <= wire.READ_AHEAD_BYTES_MAX + 2 * IN_FLIGHT_BYTES_MAX

    run_virtual(main)


def test_who_asks_late_on_an_idle_connection_has_time_to_read_the_answer() -> None:
    async def main() -> None:
        async with connected(oversized_body(4 * IN_FLIGHT_BYTES_MAX)) as (stream, journal):
            await trio.sleep(wire.IDLE_SECONDS_MAX - 1.0)
            await stream.send_all(raw(chat()))
            await trio.sleep(wire.SEND_SECONDS_MIN - 5.0)
            assert len(await read_all(stream)) > 4 * IN_FLIGHT_BYTES_MAX
            assert [each.ended for each in journal.attempts] == [Ended.COMPLETE]

    run_virtual(main)
