"""Catalogues, requests and outcomes for the tests of the pure core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import msgspec
from hypothesis import strategies as st

from routeproof_reference_server.routing import (
    AUTO,
    Answered,
    Ask,
    BreakerConfig,
    Capability,
    Catalogue,
    Cause,
    Deployment,
    Failed,
    Finished,
    Model,
    Outcome,
    Rejected,
    Restriction,
    Route,
    Router,
    RoutingConfig,
    Strategy,
    Try,
)
from routeproof_reference_server.routing.average import Memory
from routeproof_reference_server.routing.router import End

PROVIDERS = ("alpha", "beta", "gamma")
MEMORY = Memory(half_life=10.0, forget_after=30.0)
ROUTING = RoutingConfig(half_life=10.0, forget_after=30.0, cooldown=5.0, exploration=0.0)
BREAKER = BreakerConfig(cooldown=8.0, cooldown_max=32.0, failures=3)


def model(
    name: str,
    providers: str = "abg",
    *,
    tier: str | None = None,
    can: Capability = Capability.CHAT,
    breaker: bool = False,
) -> Model:
    """A model at the providers of these initials; its price rises with their order."""
    return Model(
        name=name,
        owned_by="somebody",
        context_window=1000,
        capabilities=frozenset({can}),
        deployments=tuple(
            Deployment(model=name, provider=each, upstream_model=f"{name}@{each}", price=float(price), breaker=breaker)
            for price, each in enumerate(PROVIDERS)
            if each[0] in providers
        ),
        tier=tier,
    )


GUARDED = (model("guarded", breaker=True), model("spare", "bg", breaker=True))
MODELS = (
    model("big", tier="premium"),
    model("small", "bg", tier="economy"),
    model("other", "b", tier="economy"),
    model("vectors", can=Capability.EMBEDDINGS),
)
NAMES = [AUTO, "big", "small", "other", "premium", "economy", "alpha/big", "gamma/small"]


def new_router(
    default_strategy: Strategy = Strategy.COST,
    models: tuple[Model, ...] = MODELS,
    *,
    breaker: BreakerConfig = BREAKER,
    **routing: object,
) -> Router:
    """A router of *models*, over which no breaker watches unless they say so; it explores only where it is told to."""
    changed = msgspec.structs.replace(ROUTING, default_strategy=default_strategy, **routing)
    return Router(Catalogue(models), changed, breaker, Random(1))


def failed(status: int | None = 500, retry_after: int | None = None) -> Failed:
    return Failed(cause=Cause.STATUS, message="no", status=status, retry_after=retry_after)


GOOD = Answered(latency=0.1)
BAD = failed()
WRONG = Rejected(status=422, message="no")

asks = st.builds(
    Ask,
    capability=st.just(Capability.CHAT),
    model=st.sampled_from([*NAMES, "unknown"]),
    strategy=st.none() | st.sampled_from(Strategy),
    fallback=st.lists(st.sampled_from(NAMES), max_size=4).map(tuple),
    restriction=st.builds(
        Restriction,
        models=st.none() | st.frozensets(st.sampled_from(["big", "small", "other"])),
        providers=st.none() | st.frozensets(st.sampled_from(PROVIDERS)),
    ),
)

outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Answered, latency=st.floats(0.0, 10.0)),
    st.just(WRONG),
    st.builds(failed, st.sampled_from([None, 429, 500]), st.none() | st.integers(0, 100)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One request, from its first attempt to its end."""

    ask: Ask
    tried: tuple[Deployment, ...]
    outcomes: tuple[Outcome, ...]
    end: End | None  # None: it was served


def lived(router: Router, ask: Ask, fate: Callable[[Deployment], Outcome], now: float = 0.0) -> Story:
    """Drive one request to its end."""
    route: Route = router.open(ask)
    told: list[Outcome] = []
    while True:
        step = route.next(now)
        if not isinstance(step, Try):
            return Story(ask=ask, tried=route.tried, outcomes=tuple(told), end=step)
        told.append(fate(step.deployment))
        route.told(told[-1], now)
        if isinstance(told[-1], Answered):
            route.told(Finished(), now)
            return Story(ask=ask, tried=route.tried, outcomes=tuple(told), end=None)


def first_tries(router: Router, ask: Ask, times: int, now: float = 0.0) -> list[str]:
    """The providers that *times* requests, one after the other, begin with; all are served."""
    return [lived(router, ask, lambda _: GOOD, now).tried[0].provider for _ in range(times)]


def chat(name: str = "big", **rest: object) -> Ask:
    return Ask(capability=Capability.CHAT, model=name, **rest)  # type: ignore[arg-type]  # checked where it is built
