from __future__ import annotations

import gc
import random
from types import ModuleType

import pytest
import trio

from routeproof_simulator.world import determinism
from routeproof_simulator.world.clock import Deadlock, HorizonPassed, VirtualClock, run_virtual


async def order_of(tasks: int, steps: int) -> list[tuple[float, int]]:
    """Return in which order *tasks* equal tasks came to run."""
    ran: list[tuple[float, int]] = []

    async def run(number: int) -> None:
        for _ in range(steps):
            ran.append((trio.current_time(), number))
            await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        for number in range(tasks):
            nursery.start_soon(run, number)
    return ran


def run_order(seed: int) -> list[tuple[float, int]]:
    async def main() -> list[tuple[float, int]]:
        return await order_of(tasks=5, steps=4)

    return run_virtual(main, seed=seed)


def test_a_year_passes_at_once_and_to_the_exact_deadline() -> None:
    clock = VirtualClock(start=0.1)
    year = 365 * 24 * 3600.0

    async def main() -> float:
        await trio.sleep_until(year)
        return trio.current_time()

    assert run_virtual(main, clock=clock) == year
    assert clock.jumps == 1


def test_deadlines_pass_in_order_and_cancel_what_is_late() -> None:
    async def main() -> tuple[bool, float]:
        with trio.move_on_after(2.5) as scope:
            await trio.sleep_forever()
        return scope.cancelled_caught, trio.current_time()

    assert run_virtual(main, start=10.0) == (True, 12.5)


def test_the_same_seed_schedules_alike_and_another_seed_does_not() -> None:
    assert run_order(1) == run_order(1)
    assert any(run_order(seed) != run_order(1) for seed in range(2, 6))


def test_a_deadlock_is_named_with_its_time_and_place() -> None:
    async def stuck_task() -> None:
        await trio.sleep(3)
        await trio.Event().wait()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stuck_task, name="stuck")

    with pytest.raises(Deadlock, match=r"deadlock at 3 s: every task waits(.|\n)*stuck at .*test_clock:\d+"):
        run_virtual(main)


def test_a_run_beyond_its_horizon_is_ended() -> None:
    async def main() -> None:
        for _ in range(1000):
            await trio.sleep(60)

    with pytest.raises(HorizonPassed, match=r"did not finish within 3600 s of virtual time(.|\n)*main"):
        run_virtual(main, horizon=3600)


def test_an_error_of_the_run_comes_out_as_it_is() -> None:
    async def main() -> None:
        await trio.sleep(1)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        run_virtual(main)


def test_the_installed_trio_has_what_determinism_needs() -> None:
    determinism.check_supported()


@pytest.mark.parametrize("name", [determinism.SWITCH, determinism.SOURCE])
def test_a_trio_that_moved_a_private_name_is_refused_loudly(name: str) -> None:
    moved = ModuleType("trio._core._run")
    setattr(moved, determinism.SWITCH, False)
    setattr(moved, determinism.SOURCE, random.Random())
    determinism.check_supported(moved)
    delattr(moved, name)
    with pytest.raises(RuntimeError, match="would no longer repeat"):
        determinism.check_supported(moved)


def test_what_was_before_is_restored() -> None:
    source: random.Random = getattr(determinism.RUN_MODULE, determinism.SOURCE)
    before = (source.getstate(), getattr(determinism.RUN_MODULE, determinism.SWITCH), gc.isenabled())
    run_order(7)
    assert (source.getstate(), getattr(determinism.RUN_MODULE, determinism.SWITCH), gc.isenabled()) == before
