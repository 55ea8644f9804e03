"""Connections on real sockets that are answered while they wait, on a clock that the test moves."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from routeproof_simulator.behaviours import latency
from routeproof_simulator.journal import Journal
from routeproof_simulator.provider import Provider, Reply
from routeproof_simulator.received import Received
from routeproof_simulator.wire.connection import IDLE_SECONDS_MAX, REQUEST_SECONDS_MAX, serve_connection
from routeproof_simulator.wire.direct import DirectStream
from routeproof_simulator.wire.sockets import reset_socket, reset_when_closed
from routeproof_spec.history import Ended
from tests.simulator.asking import PERSONA, chat

ANSWERED = b"HTTP/1.1 200 OK\r\n"


def said(**fields: object) -> bytes:
    """A request for a chat, on the wire."""
    body = msgspec.json.encode(chat(**fields))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {PERSONA.key}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


class Visit:
    """A provider, one connection to it, and its journal."""

    def __init__(self, clock: MockClock) -> None:
        self.clock = clock
        self.journal = Journal()
        self.provider = Provider(PERSONA, journal=self.journal, now=trio.current_time, wall=lambda: 1.7e9)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.client = DirectStream(socket.create_connection(listening.getsockname()))
            self.server = DirectStream(listening.accept()[0])
        self.told: list[int] = []

    async def serve(self, respond: Callable[[Received], Reply] | None = None) -> None:
        if respond is not None:
            self.provider.respond = respond  # type: ignore[method-assign]
        await serve_connection(
            self.server,
            self.provider,
            now=trio.current_time,
            reset=reset_socket,
            connection=7,
            asked=self.told.append,
        )

    async def ask(self, data: bytes) -> bytes:
        await self.client.send_all(data)
        return await self.client.receive_some()

    def ends(self) -> list[Ended | None]:
        return [None if not each.ended_at else each.ended for each in self.journal.attempts]


@asynccontextmanager
async def visiting(clock: MockClock) -> AsyncGenerator[Visit]:
    visit = Visit(clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(visit.serve)
        await wait_all_tasks_blocked()
        yield visit
        nursery.cancel_scope.cancel()
    await visit.client.aclose()


def run(talk: Callable[[Visit], Awaitable[None]]) -> None:
    clock = MockClock()
    clock.jump(1.0)  # an attempt that ended at 0.0 would be an open one

    async def main() -> None:
        async with visiting(clock) as visit:
            await talk(visit)

    trio.run(main, clock=clock)


def test_pipelined_requests_are_answered_in_their_order_and_at_once() -> None:
    async def talk(visit: Visit) -> None:
        users = ["one", "two", "three"]
        back = await visit.ask(b"".join(said(user=user) for user in users))
        assert back.count(ANSWERED) == 3
        assert [msgspec.json.decode(each.request_body)["user"] for each in visit.journal.attempts] == users
        assert [each.reused for each in visit.journal.attempts] == [False, True, True]
        assert visit.ends() == [Ended.COMPLETE] * 3
        assert visit.told == [7]

    run(talk)


def test_a_connection_that_is_used_lives_longer_than_one_that_is_not() -> None:
    async def talk(visit: Visit) -> None:
        for _ in range(4):
            visit.clock.jump(IDLE_SECONDS_MAX - 10)
            assert (await visit.ask(said())).startswith(ANSWERED)
        visit.clock.jump(IDLE_SECONDS_MAX + 10)
        assert await visit.client.receive_some() == b""

    run(talk)


def test_a_request_has_its_time_from_its_first_byte_however_it_drips() -> None:
    async def talk(visit: Visit) -> None:
        data = said()
        assert (await visit.ask(data)).startswith(ANSWERED)
        for piece in (data[:20], data[20:40]):
            await visit.client.send_all(piece)
            await wait_all_tasks_blocked()
            visit.clock.jump(REQUEST_SECONDS_MAX * 0.6)
        assert (await visit.client.receive_some()).startswith(b"HTTP/1.1 408 ")

    run(talk)


def test_a_request_in_two_pieces_leaves_the_connection_its_idle_time() -> None:
    async def talk(visit: Visit) -> None:
        data = said()
        await visit.client.send_all(data[:20])
        await wait_all_tasks_blocked()
        assert (await visit.ask(data[20:])).startswith(ANSWERED)
        visit.clock.jump(REQUEST_SECONDS_MAX + 10)
        assert (await visit.ask(data)).startswith(ANSWERED)

    run(talk)


def test_an_answer_that_takes_time_is_given_and_the_connection_goes_on() -> None:
    async def talk(visit: Visit) -> None:
        for seconds in (0.0, 5.0, 0.0, 5.0):
            visit.provider.set_behaviour(latency(seconds))
            await visit.client.send_all(said())
            await wait_all_tasks_blocked()
            visit.clock.jump(seconds)
            assert (await visit.client.receive_some()).startswith(ANSWERED)
        await wait_all_tasks_blocked()
        assert visit.ends() == [Ended.COMPLETE] * 4

    run(talk)


def test_a_client_that_reads_late_gets_every_byte_and_holds_nobody_up() -> None:
    async def talk(visit: Visit) -> None:
        visit.server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        await visit.client.send_all(said(stream=True, n=100))
        await wait_all_tasks_blocked()
        assert visit.ends() == [None]
        back = b""
        while not back.endswith(b"0\r\n\r\n"):
            back += await visit.client.receive_some()
        await wait_all_tasks_blocked()
        (attempt,) = visit.journal.attempts
        assert attempt.ended is Ended.COMPLETE
        assert all(frame.data in back for frame in attempt.frames)

    run(talk)


def test_a_client_that_leaves_without_reading_is_felt() -> None:
    async def talk(visit: Visit) -> None:
        visit.server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        await visit.client.send_all(said(stream=True, n=100))
        await wait_all_tasks_blocked()
        reset_when_closed(visit.client.socket)
        await visit.client.aclose()
        await wait_all_tasks_blocked()
        assert visit.ends() == [Ended.LEFT]

    run(talk)


def test_a_connection_that_is_broken_when_it_is_answered_is_felt() -> None:
    async def talk(visit: Visit) -> None:
        visit.server.socket.shutdown(socket.SHUT_WR)  # whoever sends is told so, as after a reset
        await visit.client.send_all(said())
        await wait_all_tasks_blocked()
        assert visit.ends() == [Ended.LEFT]

    run(talk)


def test_the_last_answer_of_a_connection_is_followed_by_its_end() -> None:
    async def talk(visit: Visit) -> None:
        data = said().replace(b"host: a", b"host: a\r\nconnection: close")
        back = await visit.ask(data + said())
        while more := await visit.client.receive_some():
            back += more
        assert back.count(ANSWERED) == 1
        assert len(visit.journal.attempts) == 1

    run(talk)


def test_a_connection_that_is_cancelled_leaves_its_place_to_the_next() -> None:
    async def main() -> None:
        for _ in range(3):  # the number of the closed socket is given out again
            async with visiting(clock) as visit:
                assert (await visit.ask(said())).startswith(ANSWERED)

    clock = MockClock()
    trio.run(main, clock=clock)


def test_a_mistake_of_ours_is_raised_where_the_connection_is_served() -> None:
    def respond(request: Received) -> Reply:
        raise RuntimeError(request.method)

    async def main() -> None:
        visit = Visit(clock)
        visit.client.send_now(said())
        with pytest.raises(RuntimeError, match="POST"):
            await visit.serve(respond)
        await visit.client.aclose()

    clock = MockClock()
    trio.run(main, clock=clock)
