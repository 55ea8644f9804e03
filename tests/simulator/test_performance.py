"""A schedule as it is played: at its times, at its speed, and replaced as a whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import pytest
import trio

from routeproof_simulator.behaviours import fail, latency, ok, pace
from routeproof_simulator.door_states import Door
from routeproof_simulator.fleet import Fleet, FleetConfig, ProviderConfig
from routeproof_simulator.schedules.performance import Performance, StepView, play
from routeproof_simulator.schedules.schedule import Schedule, parse
from routeproof_simulator.world.clock import run_virtual
from routeproof_spec.errors import ConfigError
from routeproof_spec.history import FaultChange

T = TypeVar("T")

FLEET = FleetConfig(
    providers=(
        ProviderConfig(name="alpha", key="a", behaviour=[{"pace": {"tokens_per_second": 50.0}}]),
        ProviderConfig(name="beta", key="b", door=Door.SILENT),
    )
)
GONE: list[dict[str, Any]] = [{"fail": {"status": 503}}]


def fault(at: float, lasts: float, *providers: str, **more: Any) -> dict[str, Any]:
    what = {} if "door" in more else {"behaviour": GONE}
    return {"at": at, "for": lasts, "providers": providers or ["alpha"]} | what | more


def schedule(*faults: dict[str, Any]) -> Schedule:
    return parse(list(faults), file="a file", providers=("alpha", "beta"))


def changed(at: float, behaviour: str, provider: str = "alpha") -> FaultChange:
    return FaultChange(at=at, provider=provider, behaviour=behaviour)


def on_stage(story: Callable[[Fleet, Performance], Awaitable[T]], *, start: float = 1000.0) -> T:
    """Run *story* with a fleet and its performance, in virtual time that begins at *start*."""

    async def main() -> T:
        fleet = Fleet(FLEET, now=trio.current_time, wall=trio.current_time)
        async with trio.open_nursery() as nursery:
            told = await story(fleet, Performance(fleet.providers, nursery, now=trio.current_time))
            nursery.cancel_scope.cancel()
        return told

    return run_virtual(main, start=start)


@pytest.mark.parametrize("scale", [1.0, 2.0, 0.5])
def test_every_change_happens_at_its_time_and_is_told(scale: float) -> None:
    async def story(fleet: Fleet, _: Performance) -> list[FaultChange]:
        told: list[FaultChange] = []
        one = schedule(fault(0, 10), fault(4, 2, "beta", door="refused"))
        await play(one, fleet.providers, seed=1, scale=scale, tell=told.append)
        return told

    assert on_stage(story) == [
        changed(1000.0, "pace(tokens_per_second=50.0) | fail(status=503)"),
        changed(1000 + 4 / scale, "refused", "beta"),
        changed(1000 + 6 / scale, "silent", "beta"),  # as configured: it is not healthy by itself
        changed(1000 + 10 / scale, "ok"),
    ]


def test_a_fault_is_added_to_what_the_provider_does_anyway() -> None:
    async def story(fleet: Fleet, performance: Performance) -> None:
        alpha, beta = fleet.providers.values()
        performance.play(schedule(fault(1, 2, behaviour=[{"latency": {"seconds": 3.0}}]), fault(1, 2, "beta")), seed=1)
        assert alpha.behaviour == pace(50.0)
        await trio.sleep(1.5)
        assert (alpha.behaviour, beta.behaviour) == (pace(50.0) | latency(3.0), fail(503))
        await trio.sleep(2)
        assert (alpha.behaviour, beta.behaviour, beta.door) == (pace(50.0), ok, Door.SILENT)

    on_stage(story)


def test_a_step_that_changes_nothing_is_told_as_healthy() -> None:
    async def story(_: Fleet, performance: Performance) -> tuple[FaultChange, ...]:
        share = [{"chance": {"p": 0.0, "behaviour": GONE}}]
        ramp = {"attribute": "chance.p", "to": 1.0, "steps": 2}
        performance.play(schedule(fault(0, 10, behaviour=share, ramp=ramp)), seed=1)
        await trio.sleep(20)
        return performance.changes

    words = "pace(tokens_per_second=50.0) | fail(status=503)"
    assert on_stage(story) == (changed(1000, "ok"), changed(1005, words), changed(1010, "ok"))


def test_what_is_to_be_there_from_the_start_is_there_at_once_and_told_of() -> None:
    async def story(fleet: Fleet, performance: Performance) -> None:
        assert performance.view() is None
        performance.play(schedule(fault(0, 8), fault(2, 4, "beta", door="open")), seed=7, scale=4.0)
        assert fleet.providers["alpha"].behaviour == pace(50.0) | fail(503)
        await trio.sleep(1)
        view = performance.view()
        assert view is not None
        assert (view.seed, view.scale, view.elapsed, view.remaining) == (7, 4.0, 4.0, 2)
        assert view.standing == (
            StepView(at=0.0, provider="alpha", behaviour=[{"fail": {"status": 503}}]),
            StepView(at=2.0, provider="beta", door=Door.OPEN),
        )
        assert view.next == StepView(at=6.0, provider="beta")
        await trio.sleep(2)
        view = performance.view()
        assert view is not None
        assert (view.standing, view.next, view.remaining) == ((), None, 0)

    on_stage(story)


def test_another_schedule_replaces_the_one_that_plays_and_what_it_did_is_healed() -> None:
    async def story(fleet: Fleet, performance: Performance) -> None:
        alpha, beta = fleet.providers.values()
        performance.play(schedule(fault(1, 9), fault(5, 9, "beta")), seed=1)
        await trio.sleep(2)
        performance.play(schedule(fault(1, 1, "beta", door="refused")), seed=1)
        assert alpha.behaviour == pace(50.0)
        await trio.sleep(1.5)
        assert beta.door is Door.REFUSED
        await trio.sleep(20)
        assert (beta.behaviour, beta.door) == (ok, Door.SILENT)
        assert performance.changes == (changed(1003, "refused", "beta"), changed(1004, "silent", "beta"))

    on_stage(story)


def test_a_schedule_that_cannot_be_played_leaves_the_one_that_plays_as_it_is() -> None:
    async def story(fleet: Fleet, performance: Performance) -> None:
        performance.play(schedule(fault(0, 10)), seed=1)
        before = performance.view()
        with pytest.raises(ConfigError, match=r"the schedule: fault\[0\].door: found 'tls_expired'"):
            performance.play(schedule(fault(0, 1, door="tls_expired")), seed=1)
        assert performance.view() == before
        assert fleet.providers["alpha"].behaviour == pace(50.0) | fail(503)
        await trio.sleep(11)
        assert fleet.providers["alpha"].behaviour == pace(50.0)

    on_stage(story)


def test_stopping_heals_what_the_schedule_did_and_nothing_else() -> None:
    async def story(fleet: Fleet, performance: Performance) -> None:
        alpha, beta = fleet.providers.values()
        beta.set_behaviour(fail(500))
        performance.play(schedule(fault(0, 10), fault(5, 5, "beta")), seed=1)
        await trio.sleep(1)
        performance.stop()
        assert performance.view() is None
        await trio.sleep(20)
        assert (alpha.behaviour, beta.behaviour) == (pace(50.0), fail(500))
        assert [each.behaviour for each in performance.changes][-1] == "ok"
        performance.stop()  # again: nothing is left to stop

    on_stage(story)


@pytest.mark.parametrize("seed", range(8))
def test_a_schedule_that_is_stopped_in_the_instant_of_its_next_change_does_not_make_it(seed: int) -> None:
    async def main() -> None:
        fleet = Fleet(FLEET, now=trio.current_time)
        async with trio.open_nursery() as nursery:
            performance = Performance(fleet.providers, nursery, now=trio.current_time)
            performance.play(schedule(fault(1, 9)), seed=1)
            await trio.sleep_until(1)  # both wake at once, in an order that the seed draws
            performance.stop()
            await trio.sleep(5)
            assert fleet.providers["alpha"].behaviour == pace(50.0)

    run_virtual(main, seed=seed)


def test_a_performance_is_a_function_of_its_seed() -> None:
    async def story(_: Fleet, performance: Performance, seed: int) -> tuple[FaultChange, ...]:
        performance.play(schedule(fault(5, 30, jitter=4, flap={"up": 3, "down": 2, "jitter": 1})), seed=seed)
        await trio.sleep(60)
        return performance.changes

    one, again, other = (on_stage(partial(story, seed=seed)) for seed in (1, 1, 2))
    assert one == again != other
