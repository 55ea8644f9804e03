"""Whom a strategy chooses. Judged by the providers' journals, first attempts only."""

from __future__ import annotations

import math

import pytest
import trio

from routeproof_conformance.api import (
    CHAT,
    FORMS,
    STREAMS,
    WHOLE,
    Ask,
    Evidence,
    Expect,
    Form,
    Gateway,
    NotApplicable,
    Pools,
    Providers,
    Target,
    Trials,
)
from routeproof_conformance.vocabulary.strategies import SLOW, STRATEGIES, Strategies
from routeproof_simulator.behaviours import fail, latency, pace

#: Seconds of the slower one. It grows from turn to turn: a provider that slows down to what is remembered of the other
#: gives no gateway a reason to look there again.
SLOWER = (SLOW, 3 * SLOW, 9 * SLOW)

#: So often may a gateway that holds all providers for equal pass one over: by chance alone 1 in 2^40.
RETURNED_WITHIN = 40

each_strategy = pytest.mark.parametrize(
    "strategy", [pytest.param(each, marks=pytest.mark.needs(f"strategy.{each}")) for each in STRATEGIES]
)


@pytest.fixture
def strategies(target: Target, pools: Pools, providers: Providers, trials: Trials, expect: Expect) -> Strategies:
    """The promises of the strategies, ready to be judged."""
    return Strategies(target=target, pools=pools, providers=providers, trials=trials, expect=expect)


# Which strategy applies


@pytest.mark.requirement("routing.strategy.invalid")
@pytest.mark.needs("strategy.cost")
@pytest.mark.parametrize("strategy", ["fastest", "cost,latency"])
@pytest.mark.parametrize("form", FORMS, ids=str)
async def test_unknown_strategy_is_refused(
    gateway: Gateway, target: Target, expect: Expect, form: Form, strategy: str
) -> None:
    """A strategy outside the four is answered with 400, and no provider is asked; with one of the four it is served."""
    if target.dialect.strategy.by not in ("header", "body"):
        raise NotApplicable(f"a client asks for a strategy by {target.dialect.strategy.by}, so none can be unknown")
    expect.success(await gateway.send(Ask(form=form, strategy="cost")))
    seen = await gateway.send(Ask(form=form, strategy=strategy))
    expect.status(seen, 400)
    expect.unsent(seen)


@pytest.mark.requirement("routing.strategy.default")
async def test_default_strategy_applies(target: Target, strategies: Strategies) -> None:
    """Without a strategy in the request the configured default strategy applies."""
    default = target.need(target.routing.default_strategy, "routing.default_strategy")
    await strategies.hold(default, CHAT, asked=False)


@pytest.mark.requirement("routing.strategy.parity")
@each_strategy
@pytest.mark.parametrize("form", STREAMS, ids=str)
async def test_strategy_chooses_alike_for_streams(strategies: Strategies, form: Form, strategy: str) -> None:
    """A strategy chooses for streams as it chooses for whole answers."""
    await strategies.hold(strategy, form)


# Exact strategies


@pytest.mark.requirement("routing.cost.cheapest")
@pytest.mark.needs("strategy.cost")
@pytest.mark.parametrize("form", WHOLE, ids=str)
async def test_cost_chooses_the_cheapest(strategies: Strategies, form: Form) -> None:
    """`cost` chooses the provider with the lowest sum of prompt and completion price, every time."""
    await strategies.hold("cost", form)


@pytest.mark.requirement("routing.round_robin.window")
@pytest.mark.needs("strategy.round-robin")
@pytest.mark.parametrize("form", WHOLE, ids=str)
async def test_round_robin_reaches_every_provider_in_turn(strategies: Strategies, form: Form) -> None:
    """Every run of k successive requests for a model with k providers reaches k different providers."""
    await strategies.hold("round-robin", form)


@pytest.mark.requirement("routing.round_robin.per_model")
@pytest.mark.needs("strategy.round-robin")
async def test_rotation_of_one_model_does_not_move_another(target: Target, pools: Pools, trials: Trials) -> None:
    """Requests for one model do not move the rotation of another: so many go between that a shared one stands still."""
    if target.routing.rotation == "random":
        raise NotApplicable("the target declares a random rotation, which has no place to be moved from")
    pool, neighbour = pools.take(strategy="round-robin"), pools.take(strategy="round-robin")
    beside = [Ask(model=neighbour.model, strategy="round-robin")] * (len(pool.providers) - 1)
    await trials.rotates(Ask(model=pool.model, strategy="round-robin"), pool, beside=beside)


# Latency


@pytest.mark.requirement("routing.latency.fastest")
@pytest.mark.needs("strategy.latency")
@pytest.mark.parametrize("form", WHOLE, ids=str)
async def test_latency_prefers_the_fastest(strategies: Strategies, form: Form) -> None:
    """`latency` prefers the provider with the lowest measured response time."""
    await strategies.hold("latency", form)


@pytest.mark.requirement("routing.latency.fastest", "routing.latency.follows")
@pytest.mark.needs("strategy.latency")
async def test_latency_follows_the_fastest(pools: Pools, providers: Providers, trials: Trials) -> None:
    """When the fastest provider becomes the slower one, `latency` prefers the other; and so again when they turn."""
    pool = pools.take(strategy="latency")
    one, other = pool.providers[:2]
    ask = Ask(model=pool.model, strategy="latency")
    turns = zip((one, other, one), SLOWER, ("fastest", "follows", "follows"), strict=True)
    for fast, slow, requirement in turns:
        for name in pool.providers:
            await providers.behave(name, latency(0.0 if name == fast else slow))
        await trials.warm_up(ask)
        await trials.prefers(ask, fast, among=pool.providers, requirement=f"routing.latency.{requirement}")


@pytest.mark.requirement("routing.latency.per_model")
@pytest.mark.needs("strategy.latency")
async def test_latency_is_weighed_for_each_model(pools: Pools, providers: Providers, trials: Trials) -> None:
    """`latency` weighs what was measured for the requested model, though another model of the provider is slow."""
    short, long = pools.take(strategy="latency"), pools.take(strategy="latency")
    # One provider is slow to begin and the other slow to go on: the first is faster for long answers alone.
    late, slow = short.providers[:2]
    await providers.behave(late, latency(SLOW))
    await providers.behave(slow, pace(2 / SLOW))
    for name in short.providers[2:]:
        await providers.behave(name, latency(SLOW) | pace(2 / SLOW))
    asks = [
        Ask(model=pool.model, strategy="latency", body={"max_tokens": tokens})
        for pool, tokens in ((short, 1), (long, 7))
    ]
    for ask in asks:
        await trials.warm_up(ask)
    await trials.prefers(asks[0], slow, among=short.providers, beside=asks[1:])


@pytest.mark.requirement("routing.learning.unmeasured")
@pytest.mark.needs("strategy.latency")
async def test_unmeasured_provider_is_tried_before_a_measured_one(
    target: Target, pools: Pools, trials: Trials, expect: Expect, evidence: Evidence
) -> None:
    """Under `latency` an unmeasured provider is tried before a measured one.

    What was measured for `availability` before a check begins cannot be known, so that it is judged by its return to a
    provider that has failed.
    """
    pool = pools.take(strategy="latency", size=3)
    exploration, alpha = target.routing.exploration, target.stats.alpha
    # So often in a row a gateway that explores may come upon a measured one by chance.
    strays_max = math.ceil(math.log(alpha) / math.log(exploration)) if exploration else 0
    evidence.note(f"alpha {alpha:g}: at most {strays_max} choices of a measured provider while one is unmeasured")
    asked: list[str] = []
    while len(set(asked)) < len(pool.providers) and len(asked) <= len(set(asked)) + strays_max:
        asked += await trials.choices(Ask(model=pool.model, strategy="latency"), 1)
    expected = ", ".join(pool.providers) + " each once before any of them again"
    expect(set(asked) == set(pool.providers), expected=expected, actual=", ".join(asked))


# Availability


@pytest.mark.requirement("routing.availability.avoids")
@pytest.mark.needs("strategy.availability")
@pytest.mark.parametrize("form", WHOLE, ids=str)
async def test_availability_prefers_the_soundest(strategies: Strategies, form: Form) -> None:
    """`availability` prefers the provider with the lowest observed error rate."""
    await strategies.hold("availability", form)


@pytest.mark.requirement("routing.availability.returns", "routing.availability.avoids")
@pytest.mark.needs("strategy.availability")
async def test_availability_leaves_the_failing_and_returns_to_the_healed(
    pools: Pools, providers: Providers, trials: Trials, expect: Expect, strategies: Strategies
) -> None:
    """Under `availability` who fails is avoided, and tried again once the time that the operator set has passed."""
    cooldown = strategies.cooldown
    pool = pools.take(strategy="availability")
    ask = Ask(model=pool.model, strategy="availability")
    await strategies.rest()
    await trials.warm_up(ask)
    for _ in range(2):
        # Who is chosen at this moment is sure to be asked while it fails; another might never be, and so never return.
        [failing] = await trials.choices(ask, 1)
        sound = next(name for name in pool.providers if name != failing)
        await providers.behave(failing, fail(503))
        await trials.warm_up(ask)
        await trials.prefers(
            ask,
            sound,
            among=pool.providers,
            retried_after=cooldown,
            requirement="routing.availability.avoids",
        )
        await providers.heal()
        await trio.sleep(cooldown)
        asked: list[str] = []
        while failing not in asked and len(asked) < RETURNED_WITHIN:
            asked += await trials.choices(ask, 1)
        actual = f"{len(asked)} requests, none of them at {failing}"
        expect(failing in asked, expected=f"{failing} tried again after {cooldown:g} s", actual=actual)


@pytest.mark.requirement("routing.availability.blameless")
@pytest.mark.needs("strategy.availability")
async def test_client_mistake_does_not_count_against_a_provider(
    pools: Pools, providers: Providers, trials: Trials, strategies: Strategies
) -> None:
    """A provider that refuses the client's own mistake (400, 413, 422) is not avoided for it."""
    pool = pools.take(strategy="availability")
    ask = Ask(model=pool.model, strategy="availability")
    await strategies.rest()
    await trials.warm_up(ask)
    for status in (400, 413, 422):
        [chosen] = await trials.choices(ask, 1)
        await providers.behave(chosen, fail(status))
        await trials.spares(ask, chosen, among=pool.providers)
