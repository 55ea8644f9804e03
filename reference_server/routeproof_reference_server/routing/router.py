"""Which attempt is next. Owns no clock, no socket, no chance: the same history gives the same decisions.

Rule 1. Every name of the chain, the primary first, is looked up before anything is sent; an unknown one ends the route.
        Whoever cannot be told what is asked is not there; where that leaves nobody, the route ends unsent.
Rule 2. The strategy orders the deployments of one name when its turn comes; all are tried before the next name's.
        Next is always the first in this order who may be asked at that moment and was not.
Rule 3. No deployment is tried twice. Without a fallback list exactly one is tried.
Rule 4. Who may not be asked, by its breaker or by its own Retry-After, is passed over as if it were not there. Only
        where that leaves a request with no attempt at all they are asked none the less (panic): the names in their
        order, and of each name first who may be asked soonest.
Rule 5. A client's mistake ends the route, and so does an answer: from then on nothing can be tried again.
Rule 6. Where all that was tried failed, the answer is 503, or 429 where every one of them said 429, with the smallest
        Retry-After that any of them named.

    state      told           becomes
    READY      next()         TRYING, or OVER where nothing is left
    TRYING     Answered       SERVED
    TRYING     Rejected       OVER
    TRYING     Failed         READY
    TRYING     Left           OVER
    SERVED     Finished       OVER
    SERVED     Failed, Left   OVER      a stream that broke, or was left, after its first byte
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from random import Random
from types import MappingProxyType
from typing import Final, TypeAlias, final

from routeproof_reference_server.routing.catalogue import (
    AUTO,
    UNRESTRICTED,
    Capability,
    Catalogue,
    Deployment,
    Restriction,
)
from routeproof_reference_server.routing.choice import Choice
from routeproof_reference_server.routing.observed import Observed, Ticket
from routeproof_reference_server.routing.outcome import Answered, Failed, Finished, Left, Outcome, Rejected
from routeproof_reference_server.routing.policy import BreakerConfig, RoutingConfig
from routeproof_reference_server.routing.strategy import Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a request says that matters for routing."""

    capability: Capability
    model: str = AUTO
    strategy: Strategy | None = None  # None: the configured default
    fallback: tuple[str, ...] = ()  # in order; empty: fallback was not asked for
    restriction: Restriction = UNRESTRICTED
    fits: Callable[[Deployment], bool] | None = None  # whether a deployment's API can be told all of it; None: all can


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """Make one attempt there; `Route.told` follows."""

    deployment: Deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Nothing was tried: *name* is no model, not for this operation, or not for this key."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """Nothing was tried: nobody of the chain can be told all that is asked, *deployment* to begin with."""

    deployment: Deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhausted:
    """All that could be tried failed."""

    status: int  # 503 or 429
    attempts: tuple[Failed, ...]  # in the order in which they were made; at least one
    retry_after: int | None  #: seconds


End: TypeAlias = Unknown | Unfit | Rejected | Exhausted


class State(Enum):
    """Where a route stands."""

    READY = auto()
    TRYING = auto()
    SERVED = auto()
    OVER = auto()


# What is absent cannot happen.
AFTER: Final[Mapping[tuple[State, type[Outcome]], State]] = MappingProxyType(
    {
        (State.TRYING, Answered): State.SERVED,
        (State.TRYING, Rejected): State.OVER,
        (State.TRYING, Failed): State.READY,
        (State.TRYING, Left): State.OVER,
        (State.SERVED, Finished): State.OVER,
        (State.SERVED, Failed): State.OVER,
        (State.SERVED, Left): State.OVER,
    }
)


@final
class Router:
    """Opens a route for each request; what one request teaches, the next one profits from."""

    def __init__(self, catalogue: Catalogue, routing: RoutingConfig, breaker: BreakerConfig, rng: Random) -> None:
        self.catalogue = catalogue
        self.observed = Observed(routing, breaker, rng)
        self._choice = Choice(self.observed, routing.exploration)
        self._default_strategy = routing.default_strategy

    def open(self, ask: Ask) -> Route:
        """Return the route of one request; nothing is decided before its first `next`."""
        return Route(self, ask)

    def ordered(self, deployments: tuple[Deployment, ...], strategy: Strategy | None, now: float) -> list[Deployment]:
        """Return *deployments* in the order in which a request under *strategy* tries them; counts as one request."""
        return self._choice.ordered(deployments, strategy or self._default_strategy, now)


@final
class Route:
    """The way of one request: `next` says what to do, `told` takes in what became of it."""

    def __init__(self, router: Router, ask: Ask) -> None:
        self._router = router
        self._ask = ask
        self._chain: list[tuple[Deployment, ...]] = []  # of each name; empty until they are looked up
        self._orders: list[list[Deployment]] = []  # of the names whose turn has come
        self._panics = False
        self._tried: dict[Deployment, Ticket] = {}
        self._failures: list[Failed] = []
        self._end: End | None = None
        self.state = State.READY

    @property
    def tried(self) -> tuple[Deployment, ...]:
        """Every deployment that an attempt was made at, in order."""
        return tuple(self._tried)

    @property
    def is_under_way(self) -> bool:
        """Whether an attempt has begun, and its answer has not come to an end."""
        return self.state in {State.TRYING, State.SERVED}

    def next(self, now: float) -> Try | End:
        """Return the next attempt to make, or how the request ends."""
        assert self.state in {State.READY, State.OVER}, f"the route is {self.state.name}"
        if self._end is not None:
            return self._end
        step = self._unknown() or self._attempt(now) or self._exhausted()
        if isinstance(step, Try):
            self._tried[step.deployment] = self._router.observed.began(step.deployment, now)
            self.state = State.TRYING
        else:
            self._end = step
            self.state = State.OVER
        return step

    def told(self, outcome: Outcome, now: float) -> None:
        """Take in what became of the attempt that `next` named, or of the answer that had begun."""
        (deployment, ticket), observed = next(reversed(self._tried.items())), self._router.observed
        was, self.state = self.state, AFTER[self.state, type(outcome)]
        if was is State.TRYING:
            observed.heard(deployment)
        if self.state is not State.SERVED:
            observed.ended(deployment, ticket, now)
        match outcome:
            case Answered(latency=latency):
                observed.answered(deployment, latency, now)
            case Finished():
                observed.finished(deployment, ticket, now)
            case Failed(retry_after=retry_after):
                observed.failed(deployment, ticket, retry_after, now)
                self._failures.append(outcome)
            case Rejected():
                self._end = outcome
            case Left():
                pass

    def _unknown(self) -> Unknown | Unfit | None:
        ask = self._ask
        if self._chain:
            return None
        named: list[tuple[Deployment, ...]] = []
        for name in dict.fromkeys((ask.model, *ask.fallback)):
            deployments = self._router.catalogue.resolve(name, ask.capability, ask.restriction)
            if not deployments:
                return Unknown(name=name)
            named.append(deployments)
        fits = ask.fits
        fitting = named if fits is None else [tuple(filter(fits, deployments)) for deployments in named]
        self._chain = list(filter(None, fitting))
        return None if self._chain else Unfit(deployment=named[0][0])

    def _attempt(self, now: float) -> Try | None:
        if self._tried and not self._ask.fallback:
            return None
        found = None if self._panics else self._admitted(now)
        if found is None:
            self._panics = self._panics or not self._tried
            found = self._soonest(now) if self._panics else None
        return None if found is None else Try(deployment=found)

    def _admitted(self, now: float) -> Deployment | None:
        observed, ask = self._router.observed, self._ask
        for place, deployments in enumerate(self._chain):
            if place == len(self._orders):
                self._orders.append(self._router.ordered(deployments, ask.strategy, now))
            for deployment in self._orders[place]:
                if deployment not in self._tried and observed.admits(deployment, now):
                    return deployment
        return None

    def _soonest(self, now: float) -> Deployment | None:
        observed = self._router.observed
        for deployments in self._chain:
            left = [each for each in deployments if each not in self._tried]
            if left:
                return min(left, key=lambda each: observed.ready_at(each, now))
        return None

    def _exhausted(self) -> Exhausted:
        failures = self._failures
        assert failures, "a chain without a deployment is unknown, not exhausted"
        named = [each.retry_after for each in failures if each.retry_after is not None]
        return Exhausted(
            status=429 if all(each.status == 429 for each in failures) else 503,
            attempts=tuple(failures),
            retry_after=min(named, default=None),
        )
