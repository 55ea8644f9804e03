"""Many tasks that wait for their times, and one sleeper that wakes them.

`trio.sleep_until` ends each wait by a cancellation, which costs more than all else that a paced frame needs. Here one
task sleeps until the earliest of all times, and whoever is due then just goes on.
"""

from __future__ import annotations

import math
from heapq import heappop, heappush
from itertools import count
from typing import Final, final

import trio
from trio.lowlevel import Abort, RaiseCancelT, RunVar, Task


async def sleep_until(due: float) -> None:
    """Wait until *due* on trio's clock; infinity waits until the task is cancelled."""
    if due == math.inf:
        await trio.sleep_forever()
    elif due <= trio.current_time():
        await trio.lowlevel.checkpoint()
    else:
        await _timers().wait(due)


@final
class _Sleeper:
    """A task that waits, until it is woken or cancelled."""

    __slots__ = ("task",)

    def __init__(self, task: Task) -> None:
        self.task: Task | None = task

    def give_up(self, _: RaiseCancelT) -> Abort:
        self.task = None
        return Abort.SUCCEEDED


@final
class _Timers:
    """The waits of one run of trio."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, _Sleeper]] = []  # as many at most as there are tasks
        self._numbers = count()  # who came first is woken first
        self._nap = trio.CancelScope()

    async def wait(self, due: float) -> None:
        sleeper = _Sleeper(trio.lowlevel.current_task())
        heappush(self._heap, (due, next(self._numbers), sleeper))
        self._nap.deadline = min(self._nap.deadline, due)
        await trio.lowlevel.wait_task_rescheduled(sleeper.give_up)

    async def run(self) -> None:
        while True:
            with trio.CancelScope(deadline=self._heap[0][0] if self._heap else math.inf) as self._nap:
                await trio.sleep_forever()
            now = trio.current_time()
            while self._heap and self._heap[0][0] <= now:
                sleeper = heappop(self._heap)[2]
                if sleeper.task is not None:
                    trio.lowlevel.reschedule(sleeper.task)


_OF_THIS_RUN: Final[RunVar[_Timers]] = RunVar("routeproof_simulator.wire.timers")


def _timers() -> _Timers:
    try:
        return _OF_THIS_RUN.get()
    except LookupError:
        timers = _Timers()
        _OF_THIS_RUN.set(timers)
        # A system task: it belongs to the run, and ends with it.
        trio.lowlevel.spawn_system_task(timers.run)
        return timers
