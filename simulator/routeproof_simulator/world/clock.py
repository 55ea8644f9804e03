"""Virtual time: nobody waits, the clock jumps to the next deadline whenever every task is blocked."""

from __future__ import annotations

import gc
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar, final

import trio
from trio.testing import wait_all_tasks_blocked

from routeproof_simulator.world.determinism import deterministic_scheduling
from routeproof_spec.errors import RouteproofError

T = TypeVar("T")

TASKS_NAMED_MAX = 20  # of the blocked tasks that an error names
JUMPS_PER_COLLECTION = 5_000  # often enough to bound memory, seldom enough not to be felt


@final
class Deadlock(RouteproofError):
    """Every task is blocked and no deadline is left: nothing can happen any more."""

    def __init__(self, *, at: float, blocked: tuple[str, ...]) -> None:
        super().__init__(at, blocked)
        self.at = at
        self.blocked = blocked

    def __str__(self) -> str:
        return _waiting(f"deadlock at {self.at:g} s: every task waits and no deadline is left", self.blocked)


@final
class HorizonPassed(RouteproofError):
    """The run did not finish before the horizon of its virtual clock."""

    def __init__(self, *, horizon: float, blocked: tuple[str, ...]) -> None:
        super().__init__(horizon, blocked)
        self.horizon = horizon
        self.blocked = blocked

    def __str__(self) -> str:
        return _waiting(f"the run did not finish within {self.horizon:g} s of virtual time", self.blocked)


@final
class VirtualClock(trio.abc.Clock):
    """A clock that moves only when `jump` is called, to the deadline that trio would sleep for."""

    def __init__(self, *, start: float = 0.0) -> None:
        self._now = start
        self._next_deadline = math.inf
        self.jumps = 0  # how often time moved: the cost of a run

    def start_clock(self) -> None:
        """Nothing to start: time stands still."""

    def current_time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Note the next deadline and let trio wait for it in vain; the driver jumps when all is quiet."""
        self._next_deadline = deadline
        return math.inf if deadline > self._now else 0.0

    @property
    def next_deadline(self) -> float:
        """The earliest deadline when trio last had nothing to run; infinite: none."""
        return self._next_deadline

    def jump(self) -> None:
        """Move to the next deadline, exactly."""
        assert self._now <= self._next_deadline < math.inf
        self._now = self._next_deadline
        self.jumps += 1


def run_virtual(
    async_fn: Callable[[], Awaitable[T]],
    *,
    seed: int | str = 0,
    start: float = 0.0,
    horizon: float = math.inf,
    clock: VirtualClock | None = None,
) -> T:
    """Run *async_fn* in virtual time, its tasks scheduled by *seed*; return what it returns.

    Raises `Deadlock` when nothing can happen any more, `HorizonPassed` when it would have to wait beyond *horizon*
    seconds. Give a *clock* to read its jumps afterwards (*start* is then unused). Nothing within may wait for the real
    world (threads, sockets): time would not wait for it. `wait_all_tasks_blocked` belongs to the driver here; a sleep
    does as well.
    """
    clock = VirtualClock(start=start) if clock is None else clock

    async def main() -> T:
        driver = _Driver(clock=clock, horizon=horizon, main=trio.lowlevel.current_task())
        trio.lowlevel.spawn_system_task(driver.run, name="virtual clock")
        with driver.scope:
            result = await async_fn()
            if driver.stopped is None:
                return result
        assert driver.stopped is not None
        raise driver.stopped

    with deterministic_scheduling(seed):
        return trio.run(main, clock=clock)


@dataclass(kw_only=True)
class _Driver:
    """The task that moves the clock, and stops the run where the clock cannot help."""

    clock: VirtualClock
    horizon: float
    main: trio.lowlevel.Task
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    stopped: Deadlock | HorizonPassed | None = None

    async def run(self) -> None:
        while True:
            await wait_all_tasks_blocked()
            if self.clock.next_deadline == math.inf:
                self._stop(Deadlock(at=self.clock.current_time(), blocked=_blocked(self.main)))
            elif self.clock.next_deadline > self.horizon and self.stopped is None:
                self._stop(HorizonPassed(horizon=self.horizon, blocked=_blocked(self.main)))
            else:
                self.clock.jump()
                if self.clock.jumps % JUMPS_PER_COLLECTION == 0:
                    gc.collect()

    def _stop(self, error: Deadlock | HorizonPassed) -> None:
        if self.stopped is not None:
            raise error  # the run is shielded from its cancellation: trio ends it as an internal error
        self.stopped = error
        self.scope.cancel()


def _blocked(main: trio.lowlevel.Task) -> tuple[str, ...]:
    """Return *main* and every task below it, each with the place where it waits."""
    found: list[str] = []
    pending = [main]
    while pending:
        task = pending.pop()
        pending += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
        found.append(f"{task.name} at {_place(task)}")
    return tuple(sorted(found))


def _place(task: trio.lowlevel.Task) -> str:
    """Return the innermost place outside trio where *task* waits."""
    frames = [(frame.f_globals.get("__name__", ""), line) for frame, line in task.iter_await_frames()]
    outside = [f"{module}:{line}" for module, line in frames if module.partition(".")[0] != "trio"]
    return outside[-1] if outside else "trio"


def _waiting(sentence: str, blocked: tuple[str, ...]) -> str:
    lines = [sentence, *(f"  waiting: {each}" for each in blocked[:TASKS_NAMED_MAX])]
    if len(blocked) > TASKS_NAMED_MAX:
        lines.append(f"  and {len(blocked) - TASKS_NAMED_MAX} more")
    return "\n".join(lines)
