"""Which attempt is next. Owns no clock, no socket, no chance: the same history gives the same decisions.

Rule 1. Every name of the chain, the primary first, is looked up before anything is sent; an unknown one ends the route.
Rule 2. The strategy orders the deployments of one name when its turn comes; all are tried before the next name's.
Rule 3. No deployment is tried twice. Without a fallback list exactly one is tried.
Rule 4. A client's mistake ends the route, and so does an answer: from then on nothing can be tried again.
Rule 5. Where all that was tried failed, the answer is 503, or 429 where every one of them said 429, with the smallest
        Retry-After that any of them named.

    state      told           becomes
    READY      next()         TRYING, or OVER where nothing is left
    TRYING     Answered       SERVED
    TRYING     Rejected       OVER
    TRYING     Failed         READY
    TRYING     Left           OVER
    SERVED     Failed, Left   OVER      a stream that broke, or was left, after its first byte
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
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
from routeproof_reference_server.routing.observed import Memory, Observed
from routeproof_reference_server.routing.outcome import Answered, Failed, Left, Outcome, Rejected
from routeproof_reference_server.routing.strategy import ORDERS, Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a request says that matters for routing."""

    capability: Capability
    model: str = AUTO
    strategy: Strategy | None = None  # None: the configured default
    fallback: tuple[str, ...] = ()  # in order; empty: fallback was not asked for
    restriction: Restriction = UNRESTRICTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """Make one attempt there; `Route.told` follows."""

    deployment: Deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Nothing was tried: *name* is no model, not for this operation, or not for this key."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhausted:
    """All that could be tried failed."""

    status: int  # 503 or 429
    attempts: tuple[Failed, ...]  # in the order in which they were made; at least one
    retry_after: int | None  #: seconds


End: TypeAlias = Unknown | Rejected | Exhausted


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
        (State.SERVED, Failed): State.OVER,
        (State.SERVED, Left): State.OVER,
    }
)


@final
class Router:
    """Opens a route for each request; what one request teaches, the next one profits from."""

    def __init__(self, catalogue: Catalogue, memory: Memory, *, default_strategy: Strategy) -> None:
        self.catalogue = catalogue
        self.observed = Observed(memory)
        self._default_strategy = default_strategy
        self._turns: Counter[tuple[Deployment, ...]] = Counter()

    def open(self, ask: Ask) -> Route:
        """Return the route of one request; nothing is decided before its first `next`."""
        return Route(self, ask)

    def ordered(self, deployments: tuple[Deployment, ...], strategy: Strategy | None, now: float) -> list[Deployment]:
        """Return *deployments* in the order of *strategy*, and move their rotation on where that is the strategy."""
        chosen = strategy or self._default_strategy
        turn = self._turns[deployments]
        if chosen is Strategy.ROUND_ROBIN:
            self._turns[deployments] = (turn + 1) % len(deployments)
        return ORDERS[chosen](deployments, self.observed, turn, now)


@final
class Route:
    """The way of one request: `next` says what to do, `told` takes in what became of it."""

    def __init__(self, router: Router, ask: Ask) -> None:
        self._router = router
        self._ask = ask
        self._now = 0.0
        self._plan = self._planned()
        self._tried: dict[Deployment, None] = {}
        self._failures: list[Failed] = []
        self._end: End | None = None
        self.state = State.READY

    @property
    def tried(self) -> tuple[Deployment, ...]:
        """Every deployment that an attempt was made at, in order."""
        return tuple(self._tried)

    @property
    def is_trying(self) -> bool:
        """Whether an attempt is under way."""
        return self.state is State.TRYING

    def next(self, now: float) -> Try | End:
        """Return the next attempt to make, or how the request ends."""
        assert self.state in {State.READY, State.OVER}, f"the route is {self.state.name}"
        if self._end is not None:
            return self._end
        self._now = now
        step = next(self._plan, None) or self._exhausted()
        if isinstance(step, Try):
            self._tried[step.deployment] = None
            self._router.observed.began(step.deployment)
            self.state = State.TRYING
        else:
            self._end = step
            self.state = State.OVER
        return step

    def told(self, outcome: Outcome, now: float) -> None:
        """Take in what became of the attempt that `next` named, or of the answer that had begun."""
        deployment, observed = next(reversed(self._tried)), self._router.observed
        was, self.state = self.state, AFTER[self.state, type(outcome)]
        if was is State.TRYING:
            observed.ended(deployment)
        match outcome:
            case Answered(latency=latency):
                observed.answered(deployment, latency, now)
            case Failed():
                observed.failed(deployment, now)
                self._failures.append(outcome)
            case Rejected():
                self._end = outcome
            case Left():
                pass

    def _planned(self) -> Iterator[Try | Unknown]:
        ask = self._ask
        chain = [
            (name, self._router.catalogue.resolve(name, ask.capability, ask.restriction))
            for name in dict.fromkeys((ask.model, *ask.fallback))
        ]
        for name, deployments in chain:
            if not deployments:
                yield Unknown(name=name)
                return
        for _, deployments in chain:
            for deployment in self._router.ordered(deployments, ask.strategy, self._now):
                if deployment not in self._tried:
                    yield Try(deployment=deployment)
                    if not ask.fallback:
                        return

    def _exhausted(self) -> Exhausted:
        failures = self._failures
        assert failures, "a chain without a deployment is unknown, not exhausted"
        named = [each.retry_after for each in failures if each.retry_after is not None]
        return Exhausted(
            status=429 if all(each.status == 429 for each in failures) else 503,
            attempts=tuple(failures),
            retry_after=min(named, default=None),
        )
