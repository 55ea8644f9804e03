"""What the gateway's own traffic has taught it about the providers, told in the order in which it happens.

Latency is learned for each deployment, availability for each provider over all its models; a breaker belongs to a
deployment, for a provider may be out of one model alone. A failure says nothing of how long an answer takes, and a
client's mistake or departure says nothing at all.
"""

from __future__ import annotations

from random import Random
from typing import TypeAlias, final

from routeproof_reference_server.routing.average import Memory
from routeproof_reference_server.routing.breaker import Breaker
from routeproof_reference_server.routing.catalogue import Deployment
from routeproof_reference_server.routing.policy import BreakerConfig, RoutingConfig
from routeproof_reference_server.routing.standing import Rank, Record

Ticket: TypeAlias = int  # of an attempt at a breaker


@final
class Observed:
    """The observations of one gateway."""

    def __init__(self, routing: RoutingConfig, breaker: BreakerConfig, rng: Random) -> None:
        self._routing = routing
        self._memory = Memory(half_life=routing.half_life, forget_after=routing.forget_after)
        self._breaker = breaker
        self._rng = rng
        self._deployments: dict[Deployment, Record] = {}
        self._providers: dict[str, Record] = {}
        self._breakers: dict[Deployment, Breaker] = {}

    def share(self, other: Observed) -> None:
        """From now on know what *other* knows, and learn together with it; breakers obey the configuration of this."""
        self._deployments, self._providers, self._breakers = other._deployments, other._providers, other._breakers
        for breaker in self._breakers.values():
            breaker.obey(self._breaker, self._memory)

    # What it knows.

    def latency_rank(self, deployment: Deployment, now: float) -> Rank:
        """Return what orders *deployment* by its expected time to a success, the best the smallest."""
        routing = self._routing
        return self._deployment(deployment).by_latency(now, self._memory, routing.cooldown, routing.failure_cost)

    def availability_rank(self, deployment: Deployment, now: float) -> Rank:
        """Return what orders *deployment* by its provider's share of failures, the best the smallest."""
        return self._provider(deployment.provider).by_failures(now, self._memory, self._routing.cooldown)

    def latency_seen_at(self, deployment: Deployment) -> float:
        """Return when *deployment* was last measured, in seconds."""
        return self._deployment(deployment).latency.at

    def availability_seen_at(self, deployment: Deployment) -> float:
        """Return when the provider of *deployment* was last measured, in seconds."""
        return self._provider(deployment.provider).failing.at

    def admits(self, deployment: Deployment, now: float) -> bool:
        """Return whether *deployment* may be asked, by its breaker and by what its provider asked for."""
        return self.breaker(deployment).admits(now) if deployment.breaker else True

    def ready_at(self, deployment: Deployment, now: float) -> float:
        """Return when *deployment* may be asked again, in seconds, as far as the clock decides it."""
        return self.breaker(deployment).ready_at(now) if deployment.breaker else now

    def in_flight(self) -> int:
        """Return how many attempts have begun and were not answered yet."""
        return sum(each.in_flight for each in self._deployments.values())

    # What happens.

    def began(self, deployment: Deployment, now: float) -> Ticket:
        """An attempt begins, and gets its ticket; `heard` and `ended` follow, once each."""
        for record in self._records(deployment):
            record.in_flight += 1
        return self.breaker(deployment).began(now) if deployment.breaker else 0

    def heard(self, deployment: Deployment) -> None:
        """The attempt is answered, or is over: how long that takes is known."""
        for record in self._records(deployment):
            assert record.in_flight > 0
            record.in_flight -= 1

    def ended(self, deployment: Deployment, ticket: Ticket, now: float) -> None:
        """The attempt is over, a stream to its last byte, however it went."""
        if deployment.breaker:
            self.breaker(deployment).ended(ticket, now)

    def answered(self, deployment: Deployment, latency: float, now: float) -> None:
        """The provider answered, after *latency* seconds; what becomes of a stream shows at its end."""
        self._deployment(deployment).latency.add(latency, now, self._memory)

    def finished(self, deployment: Deployment, ticket: Ticket, now: float) -> None:
        """The provider gave what was asked for, to its end."""
        for record in self._records(deployment):
            record.failing.add(0.0, now, self._memory)
            record.failed_at = None
        if deployment.breaker:
            self.breaker(deployment).answered(ticket, now)

    def failed(self, deployment: Deployment, ticket: Ticket, retry_after: float | None, now: float) -> None:
        """The provider failed, and may have asked to be left alone for *retry_after* seconds."""
        for record in self._records(deployment):
            record.failing.add(1.0, now, self._memory)
            record.failed_at = now
        if deployment.breaker:
            self.breaker(deployment).failed(ticket, now, retry_after)

    def breaker(self, deployment: Deployment) -> Breaker:
        """Return the breaker of *deployment*."""
        found = self._breakers.get(deployment)
        if found is None:
            found = self._breakers[deployment] = Breaker(self._breaker, self._memory, self._rng)
        return found

    def _deployment(self, deployment: Deployment) -> Record:
        found = self._deployments.get(deployment)
        if found is None:
            found = self._deployments[deployment] = Record()
        return found

    def _provider(self, provider: str) -> Record:
        found = self._providers.get(provider)
        if found is None:
            found = self._providers[provider] = Record()
        return found

    def _records(self, deployment: Deployment) -> tuple[Record, Record]:
        return self._deployment(deployment), self._provider(deployment.provider)
