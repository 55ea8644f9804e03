from __future__ import annotations

import math

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from routeproof_simulator.wire.timers import sleep_until


def woken_at(dues: list[float], *, given_up: frozenset[int] = frozenset()) -> list[tuple[int, float]]:
    """Return who woke when, of as many tasks as there are *dues*; those *given_up* are cancelled at second 1."""
    woken: list[tuple[int, float]] = []

    async def wait(number: int, due: float) -> None:
        with trio.move_on_after(1.0 if number in given_up else math.inf) as scope:
            await sleep_until(due)
        if not scope.cancelled_caught:
            woken.append((number, trio.current_time()))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number, due in enumerate(dues):
                nursery.start_soon(wait, number, due)

    trio.run(main, clock=MockClock(autojump_threshold=0))
    return woken


@settings(max_examples=60)
@given(st.lists(st.sampled_from([0.0, 0.5, 2.0, 2.5, 7.0]), max_size=12))
def test_everybody_wakes_at_the_time_that_is_due(dues: list[float]) -> None:
    assert sorted(woken_at(dues)) == [(number, due) for number, due in enumerate(dues)]


@settings(max_examples=60)
@given(st.lists(st.sampled_from([2.0, 2.5, 7.0, math.inf]), min_size=1, max_size=12), st.data())
def test_who_gives_up_is_not_woken_and_keeps_nobody_waiting(dues: list[float], data: st.DataObject) -> None:
    endless = {number for number, due in enumerate(dues) if due == math.inf}
    given_up = endless | set(data.draw(st.lists(st.sampled_from(range(len(dues))))))
    kept = [(number, due) for number, due in enumerate(dues) if number not in given_up]
    assert sorted(woken_at(dues, given_up=frozenset(given_up))) == kept


def test_a_time_that_has_passed_is_a_checkpoint() -> None:
    async def main() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await sleep_until(-1.0)
        assert scope.cancelled_caught

    trio.run(main)


def test_a_wait_of_another_run_is_none_of_this_one() -> None:
    for _ in range(2):
        assert woken_at([3.0, 2.0]) == [(1, 2.0), (0, 3.0)]


@pytest.mark.parametrize("due", [1.0, math.inf])
def test_a_wait_can_be_cancelled(due: float) -> None:
    async def main() -> float:
        with trio.move_on_after(0.25):
            await sleep_until(due)
        return trio.current_time()

    assert trio.run(main, clock=MockClock(autojump_threshold=0)) == 0.25
