"""Turns at a provider, alone and behind real connections in memory."""

from __future__ import annotations

import heapq
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from routeproof_simulator.algebra import Behaviour
from routeproof_simulator.behaviours import capacity, latency
from routeproof_simulator.journal import Entry, Journal
from routeproof_simulator.provider import Provider
from routeproof_simulator.wire.connection import serve_connection
from routeproof_simulator.wire.turns import Turns
from routeproof_simulator.world.clock import run_virtual
from routeproof_simulator.world.network import MemoryStream, memory_connection
from routeproof_spec.history import Attempt, Ended
from tests.simulator.asking import PERSONA, chat, raw, request, reset_memory

WORK = latency(1.0)


def entry(index: int = 0) -> Entry:
    return Entry("alpha", request(chat()), marker=None, index=index)


class Line:
    """People in line for the turns of one provider, and the times at which their turns came."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.turns = Turns()
        self.came: list[tuple[int, float]] = []
        self._nursery = nursery

    async def join(self, index: int, slots: int, *, works: float = 1.0) -> trio.CancelScope:
        scope = trio.CancelScope()

        async def wait() -> None:
            mine = entry(index)
            with scope:
                await self.turns.take(slots, mine)
                self.came.append((index, trio.current_time()))
                await trio.sleep(works)
            mine.end(Ended.COMPLETE, trio.current_time())

        self._nursery.start_soon(wait)
        await trio.sleep(0.01)
        return scope


def in_line(story: Callable[[Line], Awaitable[None]]) -> list[tuple[int, float]]:
    """Return who had a turn, and when, once everybody has ended."""

    async def main() -> list[tuple[int, float]]:
        async with trio.open_nursery() as nursery:
            line = Line(nursery)
            await story(line)
        return sorted((index, round(at, 1)) for index, at in line.came)

    return run_virtual(main)


def test_turns_come_in_the_order_of_the_line() -> None:
    async def story(line: Line) -> None:
        for index in range(5):
            await line.join(index, slots=2)

    assert in_line(story) == [(0, 0.0), (1, 0.0), (2, 1.0), (3, 1.0), (4, 2.0)]


def test_nobody_passes_who_would_fit_before_the_first_in_line() -> None:
    async def story(line: Line) -> None:
        await line.join(0, slots=2)
        await line.join(1, slots=1)  # wants to be alone
        await line.join(2, slots=2)

    assert in_line(story) == [(0, 0.0), (1, 1.0), (2, 1.0)]


def test_who_leaves_the_head_of_the_line_lets_the_next_in() -> None:
    async def story(line: Line) -> None:
        await line.join(0, slots=1, works=3.0)
        alone = await line.join(1, slots=1)
        await line.join(2, slots=2)
        await trio.sleep(0.5)
        alone.cancel()

    assert in_line(story) == [(0, 0.0), (2, 0.5)]


def test_who_leaves_while_working_gives_the_turn_back() -> None:
    async def story(line: Line) -> None:
        first = await line.join(0, slots=1, works=100.0)
        await line.join(1, slots=1)
        await trio.sleep(0.5)
        first.cancel()

    assert in_line(story) == [(0, 0.0), (1, 0.5)]


@pytest.mark.parametrize("how", ["cancelled", "ended"])
def test_a_turn_that_comes_as_its_waiter_leaves_is_given_back(how: str) -> None:
    async def main() -> None:
        turns, worker, waiter = Turns(), entry(0), entry(1)
        await turns.take(1, worker)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(turns.take, 1, waiter)
                await trio.sleep(0.01)
                if how == "cancelled":
                    scope.cancel()
                    worker.end(Ended.COMPLETE, 0.0)
                else:
                    worker.end(Ended.COMPLETE, 0.0)
                    waiter.peer_gone(0.0)
        if waiter.is_open:
            waiter.end(Ended.CUT, 0.0)
        await turns.take(1, entry(2))  # else this would be a deadlock

    run_virtual(main)


@settings(max_examples=30)
@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 30)), max_size=12),
)
def test_a_turn_comes_when_the_line_before_it_has_gone(slots: int, people: list[tuple[int, int]]) -> None:
    """*people*: how long after the one before each comes, and how long it works, in tenths of a second."""
    came: list[float] = []

    async def main() -> None:
        turns = Turns()

        async def serve(works: float) -> None:
            mine = entry()
            await turns.take(slots, mine)
            came.append(trio.current_time())
            await trio.sleep(works)
            mine.end(Ended.COMPLETE, trio.current_time())

        async with trio.open_nursery() as nursery:
            for gap, works in people:
                await trio.sleep(gap / 10 + 0.001)  # nobody comes with another
                nursery.start_soon(serve, works / 10)

    run_virtual(main)
    now, ends, expected = 0.0, [0.0] * slots, list[float]()
    for gap, works in people:
        now += gap / 10 + 0.001
        begins = max(now, heapq.heappop(ends))
        heapq.heappush(ends, begins + works / 10)
        expected.append(begins)
    assert came == pytest.approx(expected)


# Behind connections


class Crowd:
    """Clients of one provider in memory, each on a connection of its own."""

    def __init__(self, nursery: trio.Nursery, behaviour: Behaviour) -> None:
        self.journal = Journal()
        self._nursery = nursery
        self._provider = Provider(
            PERSONA, journal=self.journal, now=trio.current_time, wall=lambda: 1.7e9, behaviour=behaviour
        )

    async def ask(self, *, stream: bool = False) -> MemoryStream:
        near, far = memory_connection()
        serve = partial(serve_connection, far, self._provider, now=trio.current_time, reset=reset_memory)
        self._nursery.start_soon(serve)
        await near.send_all(raw(chat(stream=stream), headers={"connection": "close"}))
        await trio.sleep(0.001)
        return near

    async def done(self) -> tuple[Attempt, ...]:
        await trio.sleep(60.0)
        assert not self.journal.open_count
        return tuple(self.journal.attempts)


def crowd(behaviour: Behaviour, story: Callable[[Crowd], Awaitable[None]]) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await story(Crowd(nursery, behaviour))
            nursery.cancel_scope.cancel()

    run_virtual(main)


def seconds(attempts: tuple[Attempt, ...]) -> list[float]:
    return [round(each.ended_at - each.received_at, 1) for each in attempts]


def test_answers_beyond_the_slots_wait_in_line_and_beyond_the_queue_they_fail_at_once() -> None:
    async def story(crowd: Crowd) -> None:
        for _ in range(6):
            await crowd.ask()
        attempts = await crowd.done()
        assert seconds(attempts) == [1.0, 1.0, 2.0, 2.0, 3.0, 0.0]
        assert [each.status for each in attempts] == [200, 200, 200, 200, 200, 503]

    crowd(WORK | capacity(2, queue=3), story)


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_peer_that_leaves_the_line_is_felt_and_frees_its_place(how: str, stream: bool) -> None:
    async def story(crowd: Crowd) -> None:
        await crowd.ask()
        leaving = await crowd.ask(stream=stream)
        await crowd.ask()
        await trio.sleep(0.5 - trio.current_time())
        leaving.close(reset=how == "reset")
        await trio.sleep(0.001)
        _, left, _ = crowd.journal.attempts
        assert (left.ended, left.peer_gone_at, left.status, left.frames) == (Ended.LEFT, 0.5, None, ())
        await crowd.ask()  # the queue of two has room again
        attempts = await crowd.done()
        assert [each.status for each in attempts] == [200, None, 200, 200]
        assert [round(each.ended_at, 1) for each in attempts] == [1.0, 0.5, 2.0, 3.0]

    crowd(WORK | capacity(1, queue=2), story)


def test_a_peer_that_leaves_while_it_is_served_frees_its_slot() -> None:
    async def story(crowd: Crowd) -> None:
        leaving = await crowd.ask()
        await crowd.ask()
        await trio.sleep(0.5 - trio.current_time())
        leaving.close()
        _, other = await crowd.done()
        assert other.ended_at == 1.5

    crowd(WORK | capacity(1, queue=1), story)


def test_a_second_capacity_takes_no_second_turn() -> None:
    async def story(crowd: Crowd) -> None:
        for _ in range(3):
            await crowd.ask()
        assert seconds(await crowd.done()) == [1.0, 2.0, 3.0]

    crowd(WORK | capacity(3, queue=9) | capacity(3, queue=9, share=0.34), story)
