"""Whom a strategy chooses. Judged by the providers' journals, first attempts only."""

from __future__ import annotations

import pytest

from routeproof_conformance.api import Ask, Pools, Providers, Trials
from routeproof_simulator.behaviours import ttft

FAST = 0.03  #: seconds
#: Seconds of the slower one. It grows from turn to turn: a provider that slows down to what is remembered of the other
#: gives no gateway a reason to look there again.
SLOW = (0.12, 0.36, 0.72)


@pytest.mark.requirement("routing.latency.fastest", "routing.latency.follows")
@pytest.mark.needs("strategy.latency")
async def test_latency_prefers_the_fastest_and_follows_it(pools: Pools, providers: Providers, trials: Trials) -> None:
    """`latency` prefers the provider with the lowest measured response time; when that one slows down, the other."""
    pool = pools.take(strategy="latency", size=2)
    one, other = pool.providers[:2]
    ask = Ask(model=pool.model, strategy="latency")
    turns = zip((one, other, one), SLOW, ("fastest", "follows", "follows"), strict=True)
    for fast, slow, requirement in turns:
        for name in pool.providers:
            await providers.behave(name, ttft(FAST if name == fast else slow))
        await trials.warm_up(ask)
        await trials.prefers(ask, fast, among=pool.providers, requirement=f"routing.latency.{requirement}")


@pytest.mark.requirement("routing.round_robin.window")
@pytest.mark.needs("strategy.round-robin")
async def test_round_robin_reaches_every_provider_in_turn(pools: Pools, trials: Trials) -> None:
    """Every run of k successive requests for a model with k providers reaches k different providers."""
    pool = pools.take(strategy="round-robin", size=3)
    await trials.rotates(Ask(model=pool.model, strategy="round-robin"), pool)
