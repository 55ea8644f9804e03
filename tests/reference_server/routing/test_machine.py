"""Many requests at once, in any order of events: what holds of the router at every step.

The numbers are those of the invariants over a history.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from routeproof_reference_server.routing import (
    Answered,
    Ask,
    Capability,
    Deployment,
    Exhausted,
    Failed,
    Finished,
    Left,
    Outcome,
    Rejected,
    Route,
    Strategy,
    Try,
)
from routeproof_reference_server.routing.breaker import State
from routeproof_reference_server.routing.router import State as Stand
from tests.reference_server.routing.worlds import BREAKER, GOOD, GUARDED, chat, failed, lived, new_router

NAMES: Final = ("guarded", "spare", "alpha/guarded", "beta/guarded", "gamma/spare")
ALL: Final = tuple(each for model in GUARDED for each in model.deployments)
LONGEST: Final = BREAKER.cooldown_max * (1 + BREAKER.jitter) + BREAKER.retry_after_max  #: seconds

Happened: TypeAlias = tuple[int, Outcome | None, float]  # which route; what it was told (None: nothing, it was asked)

asks = st.builds(
    Ask,
    capability=st.just(Capability.CHAT),
    model=st.sampled_from(NAMES),
    strategy=st.sampled_from(Strategy),
    fallback=st.lists(st.sampled_from(NAMES), max_size=2).map(tuple),
)
fates: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Answered, latency=st.floats(0.0, 5.0)),
    st.builds(failed, st.sampled_from([None, 429, 500]), st.none() | st.integers(0, 100_000)),
    st.just(failed()),
    st.just(Rejected(status=400, message="no")),
    st.just(Left()),
)


#: How an answer that has begun ends, by what an attempt would be told; else it breaks.
END: Final[dict[type[Outcome], Outcome]] = {Answered: Finished()}


@dataclass(slots=True)
class Request:
    """A request that is under way."""

    ask: Ask
    route: Route
    panics: bool = False
    probes: float | None = None  # the cool-down after which its attempt is a half-open breaker's; None: it is not


@dataclass(slots=True)
class Rotation:
    """The first attempts of one model under `round-robin`, since the last change of who may be asked."""

    eligible: frozenset[Deployment] = frozenset()
    counts: Counter[Deployment] = field(default_factory=Counter[Deployment])


class Gateway(RuleBasedStateMachine):
    """One router, asked by many at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.router = new_router(models=GUARDED, exploration=0.2)
        self.requests: list[Request] = []
        self.live: list[int] = []
        self.script: list[Happened] = []
        self.decided: list[object] = []
        self.floors: dict[Deployment, float] = {}  # until when a provider asked to be left alone
        self.rotations = {model.name: Rotation() for model in GUARDED}

    @rule(ask=asks)
    def comes(self, ask: Ask) -> None:
        self.requests.append(Request(ask=ask, route=self.router.open(ask)))
        self.live.append(len(self.requests) - 1)
        self._next(len(self.requests) - 1)

    @rule(seconds=st.sampled_from([0.5, 4.0, 10.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(deployment=st.sampled_from(ALL), retry_after=st.none() | st.integers(0, 100))
    def breaks_down(self, deployment: Deployment, retry_after: int | None) -> None:
        """So many fail there that its breaker opens, if it was closed."""
        for _ in range(BREAKER.failures):
            self.comes(chat(deployment.pinned_name))
            self._told(len(self.requests) - 1, failed(429, retry_after))

    @rule(ask=asks, count=st.integers(2, 5))
    def come_at_once(self, ask: Ask, count: int) -> None:
        for _ in range(count):
            self.comes(ask)

    @precondition(lambda self: self.live)
    @rule(which=st.integers(0, 10**6), fate=fates)
    def goes_on(self, which: int, fate: Outcome) -> None:
        index = self.live[which % len(self.live)]
        match self.requests[index].route.state:
            case Stand.READY:
                self._next(index)
            case Stand.TRYING:
                self._told(index, fate)
            case Stand.SERVED:
                self._told(index, fate if isinstance(fate, Left) else END.get(type(fate), failed(None)))
            case Stand.OVER:
                self.live.remove(index)

    # What is asserted.

    def _next(self, index: int) -> None:
        request = self.requests[index]
        ask, before = request.ask, request.route.tried
        chain = [self.router.catalogue.resolve(each, ask.capability) for each in (ask.model, *ask.fallback)]
        names = [[each for each in name if each not in before and self._admits(each)] for name in chain]
        open_names = [name for name in names if name]
        states = {each: self._state(each) for each in ALL}
        self.script.append((index, None, self.now))
        step = request.route.next(self.now)
        self.decided.append(step)
        if not isinstance(step, Try):
            # 14: nothing ends without an attempt; nor, with a fallback list, while somebody may be asked.
            assert isinstance(step, Exhausted)
            assert before
            assert not ask.fallback or request.panics or not open_names
            return
        chosen = step.deployment
        # 8: distinct, and one alone where no list was given.
        assert chosen not in before
        assert ask.fallback or not before
        # The router asks in spite of breakers only where they leave a request without any attempt.
        request.panics = request.panics or not (open_names or before)
        assert request.panics or open_names
        is_probe = not request.panics and states[chosen] is State.HALF_OPEN
        request.probes = self.router.observed.breaker(chosen).open_until if is_probe else None
        if not request.panics:
            self._is_sound(ask, chosen, open_names[0])
        if ask.strategy is Strategy.ROUND_ROBIN and ask.model in self.rotations and not before:
            self._is_even(self.rotations[ask.model], chosen, frozenset(names[0]))

    def _is_sound(self, ask: Ask, chosen: Deployment, name: list[Deployment]) -> None:
        # 9: the names keep their order. 11, 13: only who may be asked is.
        assert chosen in name
        assert self.now >= self.floors.get(chosen, 0.0)
        period = self.router.observed.breaker(chosen).open_until
        probing = sum(
            each.probes == period and each.route.is_under_way and each.route.tried[-1] == chosen
            for each in self.requests
        )
        assert probing <= BREAKER.probes
        if ask.strategy is Strategy.COST:
            # 21: the cheapest who may be asked.
            assert chosen.price == min(each.price for each in name)

    def _is_even(self, rotation: Rotation, chosen: Deployment, eligible: frozenset[Deployment]) -> None:
        if eligible != rotation.eligible:
            rotation.eligible, rotation.counts = eligible, Counter(dict.fromkeys(eligible, 0))
        if chosen in eligible:
            # 21: a rotation is even among those who may be asked.
            rotation.counts[chosen] += 1
            assert max(rotation.counts.values()) - min(rotation.counts.values()) <= 1

    def _told(self, index: int, outcome: Outcome) -> None:
        route = self.requests[index].route
        before = [(self._state(each), self._admits(each)) for each in ALL]
        self.script.append((index, outcome, self.now))
        route.told(outcome, self.now)
        match outcome:
            case Rejected() | Left():
                # 10: it counts against nobody; at most a place becomes free.
                for each, (state, admits) in zip(ALL, before, strict=True):
                    assert self._state(each) is state
                    assert self._admits(each) >= admits
            case Failed(retry_after=wait) if wait is not None:
                until = self.now + min(wait, BREAKER.retry_after_max)
                self.floors[route.tried[-1]] = max(self.floors.get(route.tried[-1], 0.0), until)
            case _:
                pass

    def teardown(self) -> None:
        self._is_lived_again()
        for index in self.live:
            if self.requests[index].route.is_under_way:
                self._told(index, Left())
        assert self.router.observed.in_flight() == 0
        # 30: once all are healed and asked, every breaker closes.
        self.now += LONGEST
        for deployment in ALL:
            assert self._admits(deployment)
            for _ in range(BREAKER.probes):
                lived(self.router, chat(deployment.pinned_name), lambda _: GOOD, self.now)
            assert self._state(deployment) is State.CLOSED

    def _is_lived_again(self) -> None:
        # 24: the same history gives the same decisions.
        router = new_router(models=GUARDED, exploration=0.2)
        routes = [router.open(each.ask) for each in self.requests]
        decided: list[object] = []
        for index, outcome, now in self.script:
            if outcome is None:
                decided.append(routes[index].next(now))
            else:
                routes[index].told(outcome, now)
        assert decided == self.decided

    def _state(self, deployment: Deployment) -> State:
        return self.router.observed.breaker(deployment).state(self.now)

    def _admits(self, deployment: Deployment) -> bool:
        return self.router.observed.admits(deployment, self.now)


TestGateway = Gateway.TestCase
