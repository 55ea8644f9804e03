"""A day in the life of three providers, in virtual time: warm, dead, healed, faster again; the same every time.

Each strategy is held to what a perfect router, which knows at every moment who is up and how fast, would have done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pytest

from routeproof_reference_server.routing import (
    Answered,
    BreakerConfig,
    Deployment,
    Finished,
    Outcome,
    Router,
    Strategy,
    Try,
)
from tests.reference_server.routing.worlds import chat, failed, model, new_router

RATE: Final = 10.0  # requests a second
FAST: Final = {"alpha": 0.05, "beta": 0.2, "gamma": 0.4}  #: seconds to an answer
FALLBACK: Final = ("daily",)  # the others of the same model
BREAKER: Final = BreakerConfig()  # the defaults are what is judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What holds for a while."""

    name: str
    seconds: float
    latency: Mapping[str, float]
    dead: frozenset[str] = frozenset()


WARM: Final = Phase(name="warm", seconds=60.0, latency=FAST)
DEAD: Final = Phase(name="dead", seconds=60.0, latency=FAST, dead=frozenset({"alpha"}))
# A minute, for a breaker that has grown for a minute may be open for so long.
HEALED: Final = Phase(name="healed", seconds=150.0, latency=FAST)
FASTER: Final = Phase(name="faster", seconds=120.0, latency={**FAST, "gamma": 0.01})
DAY: Final = (WARM, DEAD, HEALED, FASTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """What became of one request."""

    at: float  #: seconds since its phase began
    asked: tuple[str, ...]
    served: str | None
    regret: float  #: seconds that its answer took longer than the best provider's would have


def day(strategy: Strategy, *, fallback: bool) -> dict[str, list[Lived]]:
    """Live through the day, one request after the other."""
    router = new_router(models=(model("daily", breaker=True),), breaker=BREAKER, exploration=0.05, cooldown=5.0)
    began, lived = 0.0, dict[str, list[Lived]]()
    for phase in DAY:
        lived[phase.name] = []
        for step in range(int(phase.seconds * RATE)):
            lived[phase.name].append(_one(router, strategy, phase, began, step / RATE, fallback=fallback))
        began += phase.seconds
    return lived


def _one(router: Router, strategy: Strategy, phase: Phase, began: float, at: float, *, fallback: bool) -> Lived:
    route = router.open(chat("daily", strategy=strategy, fallback=FALLBACK if fallback else ()))
    now, served, spent = began + at, None, 0.0
    while served is None:
        step = route.next(now)
        if not isinstance(step, Try):
            break
        outcome = fate(phase, step.deployment)
        spent += outcome.latency if isinstance(outcome, Answered) else 0.0
        route.told(outcome, now)
        if isinstance(outcome, Answered):
            route.told(Finished(), now)
            served = step.deployment.provider
    best = min(each for name, each in phase.latency.items() if name not in phase.dead)
    return Lived(
        at=at, asked=tuple(each.provider for each in route.tried), served=served, regret=max(0.0, spent - best)
    )


def fate(phase: Phase, deployment: Deployment) -> Outcome:
    if deployment.provider in phase.dead:
        return failed()
    return Answered(latency=phase.latency[deployment.provider])


#: The row of failures that opens a breaker, and a probe after 5, 15 and 35 seconds: 75 is beyond the phase.
WASTED_MAX: Final = BREAKER.failures + 3
BACK_WITHIN: Final = BREAKER.cooldown_max * (1 + BREAKER.jitter)  #: seconds
SETTLED: Final = 30.0  #: seconds at the end of a phase in which everything has been learned
EXPLORED: Final = 0.05

each_strategy = pytest.mark.parametrize("strategy", Strategy)


def settled(lived: list[Lived]) -> Counter[str]:
    """Whom the requests at the end of a phase asked first."""
    return Counter(each.asked[0] for each in lived[-int(SETTLED * RATE) :])


@each_strategy
def test_with_a_fallback_list_nobody_sees_an_error(strategy: Strategy) -> None:
    assert all(each.served for lived in day(strategy, fallback=True).values() for each in lived)


@each_strategy
def test_without_one_no_more_see_one_than_it_takes_to_find_out(strategy: Strategy) -> None:
    errors = {name: sum(not each.served for each in lived) for name, lived in day(strategy, fallback=False).items()}
    assert errors.pop("dead") <= WASTED_MAX
    assert set(errors.values()) == {0}


@each_strategy
def test_an_outage_costs_few_further_attempts(strategy: Strategy) -> None:
    for name, lived in day(strategy, fallback=True).items():
        wasted = sum(len(each.asked) - 1 for each in lived)
        assert wasted <= (WASTED_MAX if name == "dead" else 0)


@each_strategy
def test_who_has_healed_has_traffic_again(strategy: Strategy) -> None:
    healed = day(strategy, fallback=False)["healed"]
    assert next(each.at for each in healed if each.asked[0] == "alpha") <= BACK_WITHIN


@each_strategy
def test_the_same_day_is_lived_the_same(strategy: Strategy) -> None:
    assert day(strategy, fallback=True) == day(strategy, fallback=True)


def test_latency_ends_every_phase_with_the_fastest_who_is_up() -> None:
    lived = day(Strategy.LATENCY, fallback=False)
    for phase in DAY:
        best = min(phase.latency.keys() - phase.dead, key=phase.latency.__getitem__)
        asked = settled(lived[phase.name])
        # Beside the share that is explored, a probe may fall into it.
        assert asked[best] >= (1 - EXPLORED) * asked.total() - 1, phase.name


def test_latency_regrets_no_more_than_it_explores() -> None:
    warm = day(Strategy.LATENCY, fallback=False)["warm"]
    worst = FAST["gamma"] - FAST["alpha"]
    measuring = (FAST["beta"] + FAST["gamma"] - 2 * FAST["alpha"]) / len(warm)
    assert sum(each.regret for each in warm) / len(warm) <= EXPLORED * worst + measuring


def test_cost_takes_the_cheapest_whenever_it_may() -> None:
    lived = day(Strategy.COST, fallback=False)
    for phase in DAY:
        asked = settled(lived[phase.name])
        cheapest = "beta" if phase.dead else "alpha"
        assert asked[cheapest] >= asked.total() - 1, phase.name


def test_availability_leaves_the_dead_and_stays_with_the_sound() -> None:
    lived = day(Strategy.AVAILABILITY, fallback=False)
    assert settled(lived["dead"])["alpha"] <= 1
    for phase in DAY:
        most = settled(lived[phase.name]).most_common(1)[0][1]
        assert most >= (1 - EXPLORED) * SETTLED * RATE - 1, phase.name


def test_a_rotation_is_even_at_the_end_of_every_phase() -> None:
    lived = day(Strategy.ROUND_ROBIN, fallback=False)
    for phase in DAY:
        asked = settled(lived[phase.name])
        counts = [asked[name] for name in phase.latency if name not in phase.dead]
        assert max(counts) - min(counts) <= 1, phase.name
