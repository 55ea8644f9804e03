"""Who fails is left alone for a time, and found again. Judged by the providers' journals."""

from __future__ import annotations

import math

import pytest
import trio

from routeproof_conformance.api import (
    FORMS,
    Ask,
    Expect,
    Fact,
    Form,
    Gateway,
    Leave,
    NotApplicable,
    Pools,
    Providers,
    Target,
    Trials,
)
from routeproof_conformance.vocabulary.leaving_alone import Breakers
from routeproof_conformance.vocabulary.strategies import SLOW
from routeproof_simulator.behaviours import chance, fail, latency

pytestmark = pytest.mark.needs("strategy.cost")

#: Seconds that a provider takes while others look whether it is asked.
PROBED = 0.3
#: Requests that come at once when a cool-down is over.
CROWD = 6
#: Seconds after which a client leaves, and far less than its provider would take.
PATIENCE = 0.1
LONG = 5.0
#: Seconds that a check waits for the end of a Retry-After.
WAIT_MAX = 20.0
#: Share of its attempts that a provider fails, and how often it is asked until it has failed once: never in 1e9 tries.
GREY = 0.3
GREY_WITHIN = 60


@pytest.fixture
def breakers(target: Target, pools: Pools, providers: Providers, gateway: Gateway, expect: Expect) -> Breakers:
    """The breakers of the target, ready to be judged."""
    if target.routing.trip is None:
        raise NotApplicable("the target declares no circuit breaker: routing.trip")
    return Breakers(target=target, pools=pools, providers=providers, gateway=gateway, expect=expect)


# Open


@pytest.mark.requirement("health.trip.spared")
@pytest.mark.parametrize("form", FORMS, ids=str)
async def test_open_breaker_admits_no_attempt(breakers: Breakers, form: Form) -> None:
    """A provider that has failed so often in a row as the target declares gets no attempt until it has cooled down."""
    scene = breakers.scene(form)
    failed_at = await breakers.fails(scene, scene.cheap)
    await breakers.spared(scene, until=failed_at + breakers.cooldown)


@pytest.mark.requirement("health.trip.blameless")
@pytest.mark.parametrize("status", [400, 413, 422])
async def test_clients_mistake_opens_no_breaker(breakers: Breakers, providers: Providers, status: int) -> None:
    """A provider that refuses the client's own mistake is asked again, however often it does."""
    scene = breakers.scene()
    await providers.behave(scene.cheap, fail(status))
    for _ in range(breakers.trip + 2):
        breakers.asked(await breakers.gateway.send(scene.ask), scene.cheap)


@pytest.mark.requirement("health.trip.blameless")
async def test_client_that_leaves_opens_no_breaker(breakers: Breakers, providers: Providers, gateway: Gateway) -> None:
    """A provider whose clients leave while they wait is asked again, however many leave."""
    scene = breakers.scene()
    await providers.behave(scene.cheap, latency(LONG))
    leaving = Ask(model=scene.ask.model, strategy="cost", leave=Leave.waiting(PATIENCE))
    for seen in await gateway.together([leaving] * (breakers.trip + 2)):
        breakers.asked(seen, scene.cheap)
    await providers.heal()
    breakers.asked(await gateway.send(scene.ask), scene.cheap)


# Half-open


@pytest.mark.requirement("health.probe.made", "health.probe.bounded", "health.probe.closes")
async def test_half_open_breaker_admits_its_probes_and_then_all(
    breakers: Breakers, providers: Providers, gateway: Gateway, expect: Expect
) -> None:
    """After the cool-down the declared number of probes reaches the provider at a time; once they succeed, all do."""
    scene = breakers.scene()
    await breakers.fails(scene, scene.cheap)
    await providers.behave(scene.cheap, latency(PROBED))
    await breakers.cool_down()
    seen = await gateway.together([scene.ask] * CROWD)
    probes = sum(scene.cheap in each.providers for each in seen)
    told = f"{probes} of {CROWD} requests that came at once"
    expect.of("health.probe.made")(probes, expected=f"a probe at {scene.cheap}", actual=told)
    expect.of("health.probe.bounded")(
        probes <= breakers.probes, expected=f"at most {breakers.probes} under way at {scene.cheap}", actual=told
    )
    for each in seen:
        expect.of("health.probe.bounded").success(each)
    closed = await gateway.together([scene.ask] * CROWD)
    reached = sum(scene.cheap in each.providers for each in closed)
    expect.of("health.probe.closes")(
        reached == CROWD, expected=f"all at {scene.cheap}, as before", actual=f"{reached} of {CROWD}"
    )


@pytest.mark.requirement("health.probe.reopens")
async def test_failed_probe_opens_the_breaker_again(breakers: Breakers, gateway: Gateway) -> None:
    """A provider whose probe fails gets no attempt for another cool-down."""
    scene = breakers.scene()
    await breakers.fails(scene, scene.cheap)
    await breakers.cool_down()
    seen = await gateway.send(scene.ask)
    breakers.asked(seen, scene.cheap)
    await breakers.spared(scene, until=seen.attempts[-1].received_at + breakers.cooldown)


@pytest.mark.requirement("health.probe.freed")
@pytest.mark.parametrize("says_nothing", ["left", "mistaken"])
async def test_probe_that_says_nothing_frees_its_place(
    breakers: Breakers, providers: Providers, gateway: Gateway, says_nothing: str
) -> None:
    """A probe whose client leaves, or was mistaken, does not keep the provider from being asked again."""
    scene = breakers.scene()
    await breakers.fails(scene, scene.cheap)
    await providers.behave(scene.cheap, latency(LONG) if says_nothing == "left" else fail(400))
    await breakers.cool_down()
    leave = Leave.waiting(PATIENCE) if says_nothing == "left" else None
    probes = [Ask(model=scene.ask.model, strategy="cost", leave=leave)] * breakers.probes
    for seen in await gateway.together(probes):
        breakers.asked(seen, scene.cheap)
    await providers.heal()
    await breakers.returns(scene)


# All of them


@pytest.mark.requirement("health.panic.tried")
async def test_where_all_are_out_one_is_asked_all_the_same(
    breakers: Breakers, providers: Providers, gateway: Gateway, expect: Expect
) -> None:
    """With every breaker open a request still causes one attempt, and is served when its provider has healed."""
    scene = breakers.scene()
    for name in (scene.cheap, scene.dear):
        await breakers.fails(scene, name)
    expect.attempt_count(await gateway.send(scene.ask), 1)
    await providers.heal()
    seen = await gateway.send(scene.ask)
    expect.attempt_count(seen, 1)
    expect.success(seen)


# Retry-After


@pytest.mark.requirement("health.retry_after.floor", "health.retry_after.capped")
@pytest.mark.parametrize("seconds", [1, 86_400])
async def test_retry_after_is_a_floor_up_to_its_cap(
    breakers: Breakers, target: Target, providers: Providers, gateway: Gateway, expect: Expect, seconds: int
) -> None:
    """A provider that said `Retry-After` gets no attempt before that time or the cap has passed, and then is asked."""
    cap = target.routing.retry_after_max
    if cap is None:
        raise NotApplicable("the target declares that it obeys no Retry-After: routing.retry_after_max")
    floor = min(float(seconds), cap)
    if floor > WAIT_MAX:
        raise Fact(f"a check waits for {WAIT_MAX:g} s at most, and the cap is {cap:g} s")
    scene = breakers.scene()
    await providers.behave(scene.cheap, fail(429, retry_after=seconds))
    seen = await gateway.send(scene.ask)
    breakers.asked(seen, scene.cheap)
    await providers.heal()
    until = seen.attempts[-1].received_at + floor
    await breakers.spared(scene, until=until, times=5, pause=floor / 6)
    await trio.sleep(floor)
    of_cap = Breakers(
        target=target,
        pools=breakers.pools,
        providers=providers,
        gateway=gateway,
        expect=expect.of("health.retry_after.capped"),
    )
    await of_cap.returns(scene)


# What fails fast


@pytest.mark.requirement("health.latency.failing")
@pytest.mark.needs("strategy.latency")
async def test_provider_that_fails_fast_is_not_the_fastest(
    target: Target, pools: Pools, providers: Providers, gateway: Gateway, trials: Trials
) -> None:
    """Under `latency` a provider that fails three times in ten at once is not preferred to one that is slower."""
    pool = pools.take(strategy="latency")
    grey, sound = pool.providers[:2]
    for name in pool.providers:
        await providers.behave(name, chance(GREY, fail(503)) if name == grey else latency(SLOW))
    ask = Ask(model=pool.model, strategy="latency")
    for _ in range(GREY_WITHIN):
        seen = await gateway.send(ask)
        if any(each.provider == grey and each.status == 503 for each in seen.attempts):
            break
    await trials.warm_up(ask)
    cooldown = target.routing.cooldown
    retried_after = math.inf if cooldown is None else cooldown
    await trials.prefers(ask, sound, among=(grey, sound), retried_after=retried_after)
