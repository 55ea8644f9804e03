from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_reference_server.routing import Answered, Router, Strategy, Try
from routeproof_reference_server.routing.orders import ORDERS
from routeproof_spec.contract import load_contract
from tests.reference_server.routing.worlds import BAD, GOOD, WRONG, chat, first_tries, lived, new_router

LATENCY = chat(strategy=Strategy.LATENCY)
AVAILABILITY = chat(strategy=Strategy.AVAILABILITY)
TURNS = chat(strategy=Strategy.ROUND_ROBIN)


def answered_in(router: Router, seconds: dict[str, float], times: int, now: float = 0.0) -> list[str]:
    """The providers that *times* requests began with, where each provider answers in so many seconds."""
    return [
        lived(router, LATENCY, lambda each: Answered(latency=seconds[each.provider]), now + step).tried[0].provider
        for step in range(times)
    ]


def test_the_strategies_are_the_contracts() -> None:
    assert tuple(Strategy) == load_contract().strategies
    assert set(ORDERS) == set(Strategy)


def test_cost_takes_the_cheapest_whatever_has_happened() -> None:
    router = new_router()
    lived(router, chat(strategy=Strategy.COST), lambda _: BAD)
    assert first_tries(router, chat(strategy=Strategy.COST), 3) == ["alpha"] * 3


def test_without_a_strategy_the_default_applies() -> None:
    assert first_tries(new_router(Strategy.ROUND_ROBIN), chat(), 4) == ["alpha", "beta", "gamma", "alpha"]


@given(st.lists(st.sampled_from(["big", "small", "economy", "alpha/big"]), max_size=60), st.booleans())
def test_every_window_of_a_rotation_holds_every_provider(names: list[str], asks_fallback: bool) -> None:
    router = new_router()
    firsts: dict[str, list[str]] = {"big": [], "small": [], "alpha/big": []}
    for name in names:
        ask = chat(name, strategy=Strategy.ROUND_ROBIN, fallback=("big",) if asks_fallback and name == "big" else ())
        firsts["small" if name == "economy" else name] += [lived(router, ask, lambda _: GOOD).tried[0].provider]
    for name, providers in (("big", 3), ("small", 2), ("alpha/big", 1)):
        for start in range(len(firsts[name]) - providers + 1):
            assert len(set(firsts[name][start : start + providers])) == providers


def test_a_rotation_goes_on_over_failures() -> None:
    router = new_router()
    tried = [lived(router, TURNS, lambda _: BAD).tried[0].provider for _ in range(6)]
    assert Counter(tried) == {"alpha": 2, "beta": 2, "gamma": 2}


def test_latency_measures_everyone_once_and_then_takes_the_fastest() -> None:
    firsts = answered_in(new_router(), {"alpha": 0.3, "beta": 0.1, "gamma": 0.2}, 8)
    assert firsts == ["alpha", "beta", "gamma", *["beta"] * 5]


def test_latency_follows_when_the_fastest_becomes_slow() -> None:
    router = new_router()
    answered_in(router, {"alpha": 0.3, "beta": 0.1, "gamma": 0.2}, 8)
    later = answered_in(router, {"alpha": 0.3, "beta": 0.9, "gamma": 0.2}, 12, now=8.0)
    assert later[-1] == "gamma"


def test_latency_finds_out_that_the_slow_has_become_fast() -> None:
    router = new_router()
    answered_in(router, {"alpha": 0.3, "beta": 0.1, "gamma": 0.2}, 8)
    later = answered_in(router, {"alpha": 0.01, "beta": 0.1, "gamma": 0.2}, 40, now=8.0)
    assert later[-1] == "alpha"


def test_latency_is_learned_for_each_model() -> None:
    router = new_router()
    answered_in(router, {"alpha": 0.3, "beta": 0.1, "gamma": 0.2}, 4)
    assert first_tries(router, chat("small", strategy=Strategy.LATENCY), 1, 4.0) == ["beta"]
    assert first_tries(router, chat("small", strategy=Strategy.LATENCY), 1, 4.0) == ["gamma"]


def test_a_provider_that_fails_fast_is_not_the_fastest() -> None:
    router = new_router()
    answered_in(router, {"alpha": 0.1, "beta": 0.2, "gamma": 0.3}, 4)
    assert lived(router, LATENCY, lambda _: BAD, 4.0).tried[0].provider == "alpha"
    assert first_tries(router, LATENCY, 2, 5.0) == ["beta", "beta"]


@pytest.mark.parametrize("ask", [LATENCY, AVAILABILITY])
def test_a_provider_that_failed_is_tried_again_after_its_cooldown(ask: object) -> None:
    ask = LATENCY if ask is LATENCY else AVAILABILITY
    router = new_router()
    first_tries(router, ask, 3)
    lived(router, ask, lambda _: BAD, 1.0)
    assert "alpha" not in first_tries(router, ask, 5, 5.9)
    assert first_tries(router, ask, 1, 6.0) == ["alpha"]


def test_availability_prefers_the_lowest_share_of_failures() -> None:
    router = new_router()
    first_tries(router, AVAILABILITY, 3)
    lived(router, AVAILABILITY, lambda _: BAD, 1.0)  # alpha: one of two
    first_tries(router, AVAILABILITY, 1, 6.5)  # alpha is back
    assert first_tries(router, AVAILABILITY, 3, 6.6) == ["beta"] * 3


def test_availability_is_learned_over_all_models_of_a_provider() -> None:
    router = new_router()
    lived(router, chat("beta/other", strategy=Strategy.COST), lambda _: BAD)
    assert first_tries(router, chat("small", strategy=Strategy.AVAILABILITY), 2, 1.0) == ["gamma", "gamma"]


def test_a_clients_mistake_does_not_count_against_the_provider() -> None:
    router = new_router()
    first_tries(router, AVAILABILITY, 3)
    for _ in range(10):
        assert lived(router, AVAILABILITY, lambda _: WRONG, 1.0).tried[0].provider == "alpha"
    assert first_tries(router, AVAILABILITY, 1, 1.0) == ["alpha"]


def test_one_probe_at_a_time_is_enough() -> None:
    router = new_router()
    first_tries(router, LATENCY, 3)
    lived(router, LATENCY, lambda _: BAD, 1.0)
    probe = router.open(LATENCY)
    step = probe.next(7.0)
    assert isinstance(step, Try)
    assert step.deployment.provider == "alpha"
    assert first_tries(router, LATENCY, 3, 7.0) == ["beta"] * 3


def test_the_first_burst_is_spread_over_the_unmeasured() -> None:
    router = new_router()
    routes = [router.open(LATENCY) for _ in range(6)]
    tried = [step.deployment.provider for route in routes if isinstance(step := route.next(0.0), Try)]
    assert Counter(tried) == {"alpha": 2, "beta": 2, "gamma": 2}
