from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from routeproof_reference_server.routing import Answered, Deployment, Outcome, Router, Strategy
from routeproof_reference_server.routing.exploration import Exploration
from routeproof_reference_server.routing.rotation import Rotation
from routeproof_reference_server.routing.standing import time_to_success
from tests.reference_server.routing.worlds import BAD, MODELS, chat, failed, lived, new_router

LATENCY = chat(strategy=Strategy.LATENCY)
FAST = {"alpha": 0.3, "beta": 0.1, "gamma": 0.2}


def firsts(router: Router, seconds: dict[str, float], times: int, *, now: float = 0.0, gap: float = 0.1) -> list[str]:
    """The providers that *times* requests under `latency` began with."""

    def fate(deployment: Deployment) -> Outcome:
        return Answered(latency=seconds[deployment.provider])

    return [lived(router, LATENCY, fate, now + gap * step).tried[0].provider for step in range(times)]


@given(st.floats(0.0, 0.5), st.integers(0, 500))
def test_no_more_is_explored_than_declared_and_not_much_less(share: float, requests: int) -> None:
    exploration = Exploration(share)
    explored = sum(exploration.is_due() for _ in range(requests))
    assert explored <= share * requests
    if share:
        assert explored >= requests * share / (1 + share) - 1


def test_nobody_is_starved_each_is_looked_at_in_turn() -> None:
    router = new_router(exploration=0.1)
    chosen = firsts(router, FAST, 63)
    assert chosen[:3] == ["alpha", "beta", "gamma"]
    assert [each for each in chosen[3:] if each != "beta"] == ["alpha", "gamma"] * 3
    assert chosen[9::10] == ["alpha", "gamma"] * 3


def test_who_became_the_fastest_is_found_though_the_preferred_stays_as_it_is() -> None:
    router = new_router(exploration=0.1)
    firsts(router, FAST, 40)
    later = firsts(router, {**FAST, "gamma": 0.01}, 200, now=4.0)
    assert "gamma" in later[:20]
    assert later[-90:].count("gamma") == 81


def test_who_is_left_alone_is_not_explored() -> None:
    router = new_router(exploration=0.5)
    firsts(router, FAST, 3)
    pinned = chat("alpha/big", strategy=Strategy.LATENCY)
    lived(router, pinned, lambda _: BAD, 0.5)
    assert "alpha" not in firsts(router, FAST, 20, now=0.6)


def test_a_failure_counts_as_the_time_that_it_costs() -> None:
    assert time_to_success(0.2, 0.0, 8.0) == 0.2
    assert time_to_success(0.2, 0.5, 8.0) == 8.2
    assert time_to_success(0.2, 1.0, 8.0) == float("inf")


def test_a_provider_that_fails_fast_now_and_then_never_wins_by_it() -> None:
    """Grey failure: alpha fails three times in ten, in no time, and answers fast in between."""
    router = new_router(exploration=0.05)
    asked = 0

    def fate(deployment: Deployment) -> Outcome:
        nonlocal asked
        if deployment.provider != "alpha":
            return Answered(latency=0.5)
        asked += 1
        return failed() if asked % 10 in (2, 5, 8) else Answered(latency=0.01)

    chosen = [lived(router, LATENCY, fate, 0.1 * step).tried[0].provider for step in range(600)]
    # Without failures it would get all but the explored; with them it gets a look now and then.
    assert chosen[20:].count("alpha") <= 0.1 * 580


@given(st.lists(st.frozensets(st.integers(0, 3), min_size=1), max_size=60))
def test_a_rotation_is_even_among_those_who_can_be_asked(eligible: list[frozenset[int]]) -> None:
    deployments = [Deployment(model=str(index), provider="p", upstream_model="m") for index in range(4)]
    rotation, counts, before = Rotation(), dict.fromkeys(deployments, 0), frozenset[int]()
    for now in eligible:
        if now != before:
            counts, before = {deployments[index]: 0 for index in now}, now
        chosen = next(each for each in rotation.order(deployments) if each in counts)
        rotation.took(chosen)
        counts[chosen] += 1
        assert max(counts.values()) - min(counts.values()) <= 1


def test_a_rotation_of_all_is_the_configured_order() -> None:
    rotation, big = Rotation(), MODELS[0].deployments
    chosen: list[str] = []
    for _ in range(6):
        first = rotation.order(big)[0]
        rotation.took(first)
        chosen.append(first.provider)
    assert chosen == ["alpha", "beta", "gamma"] * 2
