"""Wrong gateways that leave the wrong ones alone, or the right ones too long; and right ones that do it otherwise."""

# A mutant reaches into what is private.
# pyright: reportPrivateUsage=false, reportUnknownLambdaType=false, reportUnknownArgumentType=false
from __future__ import annotations

from random import Random
from typing import Any, Final

import msgspec

from routeproof_reference_server.routing import Left, Rejected, Route
from routeproof_reference_server.routing.average import Memory
from routeproof_reference_server.routing.breaker import Breaker, Event, State
from routeproof_reference_server.routing.exploration import Exploration
from routeproof_reference_server.routing.policy import BreakerConfig
from routeproof_reference_server.routing.standing import Rank, Record, Standing
from tests.mutants.breaks import Break
from tests.mutants.edge import patch


def _configured(**changes: object) -> None:
    true_init = Breaker.__init__

    def init(self: Breaker, config: BreakerConfig, memory: Memory, rng: Random) -> None:
        true_init(self, msgspec.structs.replace(config, **changes), memory, rng)

    patch(Breaker, "__init__", init)


def _deaf_to(deaf: Event) -> None:
    """Let *deaf* change nothing."""
    true_become = Breaker._become

    def become(self: Breaker, event: Event) -> None:
        if event is not deaf:
            true_become(self, event)

    patch(Breaker, "_become", become)


def never_trips() -> None:
    """No failure opens a breaker."""
    _deaf_to(Event.TRIPPED)


def counts_whatever_ends() -> None:
    """A client's mistake, and its leaving, count against the provider."""
    true_told = Route.told

    def told(self: Route, outcome: Any, now: float) -> None:
        deployment = self.tried[-1]
        true_told(self, outcome, now)
        if isinstance(outcome, Rejected | Left):
            self._router.observed.failed(deployment, self._tried[deployment], None, now)

    patch(Route, "told", told)


def never_looks_again() -> None:
    """An open breaker stays open for an hour."""
    _configured(cooldown=3600.0, cooldown_max=3600.0)


def admits_a_crowd() -> None:
    """When the cool-down is over, all go there at once."""
    _configured(probes=1000)


def never_closes() -> None:
    """A probe that succeeds leaves the breaker half-open: one request at a time goes there for ever."""
    true_answered = Breaker.answered

    def answered(self: Breaker, ticket: int, now: float) -> None:
        if self.state(now) is not State.HALF_OPEN:
            true_answered(self, ticket, now)

    patch(Breaker, "answered", answered)


def probes_without_end() -> None:
    """A probe that fails is followed by the next at once."""
    _deaf_to(Event.PROBE_FAILED)


def keeps_the_place_of_a_probe() -> None:
    """A probe that says nothing counts as under way for ever."""
    patch(Breaker, "ended", lambda *_: None)


def gives_up_where_all_are_out() -> None:
    """With every breaker open nobody is asked."""
    patch(Route, "_soonest", lambda *_: None)


def forgets_a_floor() -> None:
    """A provider's Retry-After keeps nobody away."""
    _configured(retry_after_max=0.001)


def obeys_without_end() -> None:
    """A provider's Retry-After of a day is obeyed for a day."""
    _configured(retry_after_max=1e9)


def loves_the_sinkhole() -> None:
    """Under latency only answers count, so that who fails fast is the fastest."""

    def by_latency(self: Record, now: float, memory: Memory, *_: float) -> Rank:
        latency = self.latency.mean(now, memory)
        return (Standing.UNMEASURED, 0.0) if latency is None else (Standing.MEASURED, latency)

    patch(Record, "by_latency", by_latency)


HEALTH: Final = (
    Break(requirement="health.trip.spared", apply=never_trips),
    Break(requirement="health.trip.blameless", apply=counts_whatever_ends),
    Break(requirement="health.probe.made", apply=never_looks_again),
    Break(requirement="health.probe.bounded", apply=admits_a_crowd),
    Break(requirement="health.probe.closes", apply=never_closes),
    Break(requirement="health.probe.reopens", apply=probes_without_end),
    Break(requirement="health.probe.freed", apply=keeps_the_place_of_a_probe),
    Break(requirement="health.panic.tried", apply=gives_up_where_all_are_out),
    Break(requirement="health.retry_after.floor", apply=forgets_a_floor),
    Break(requirement="health.retry_after.capped", apply=obeys_without_end),
    Break(requirement="health.latency.failing", apply=loves_the_sinkhole),
)


# Right, but different.


def explores_by_chance() -> None:
    """Whether a request explores is drawn; the share is the same."""
    rng = Random(5)

    def is_due(self: Exploration) -> bool:
        return self._every > 0 and rng.random() < 1 / self._every

    patch(Exploration, "is_due", is_due)


def cools_down_without_jitter() -> None:
    """Every cool-down is as long as it is configured to be."""
    _configured(jitter=0.0)


def never_trips_by_share() -> None:
    """Only failures in a row open a breaker."""
    _configured(observations_min=10**9)


VARIANTS: Final = {
    each.__name__: each for each in (explores_by_chance, cools_down_without_jitter, never_trips_by_share)
}
