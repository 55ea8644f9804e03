"""What the gateway's own traffic has taught it about the providers.

Rule 1. The newest counts most: the weight of an observation halves with every `half_life`; after `forget_after` without
        a new one it is none at all, so that no verdict outlives its grounds.
Rule 2. What is unmeasured is tried before what is measured, so that it gets measured; one attempt at a time is enough
        for that, however many requests wait.
Rule 3. What failed is tried last until `cooldown` has passed since; from then on it counts as unmeasured.
Rule 4. A failure says nothing of speed, and a client's mistake or departure says nothing at all.

Latency is learned for each deployment, availability for each provider over all its models.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

from routeproof_reference_server.routing.catalogue import Deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """How long an observation counts."""

    half_life: float  #: seconds
    forget_after: float  #: seconds
    cooldown: float  #: seconds


class Standing(IntEnum):
    """The first thing by which deployments are ordered."""

    UNMEASURED = 0
    MEASURED = 1
    BEING_MEASURED = 2
    COOLING = 3


Rank: TypeAlias = tuple[Standing, float]


class Average:
    """A mean in which older values weigh less (EWMA over time)."""

    __slots__ = ("_mean", "_weight", "at")

    def __init__(self) -> None:
        self._mean = 0.0
        self._weight = 0.0
        self.at = float("-inf")  #: seconds; of the newest value

    def add(self, value: float, now: float, memory: Memory) -> None:
        """Take *value* in."""
        age = now - self.at
        kept = 2.0 ** (-age / memory.half_life) if age < memory.forget_after else 0.0
        self._weight = self._weight * kept + 1.0
        # In steps, so that equal values give exactly their own mean, and equals stay equal.
        self._mean = self._mean + (value - self._mean) / self._weight if kept else value
        self.at = now

    def mean(self, now: float, memory: Memory) -> float | None:
        """Return the mean, or None where nothing is remembered."""
        return self._mean if now - self.at < memory.forget_after else None


@dataclass(slots=True)
class _Record:
    average: Average = field(default_factory=Average)
    failed_at: float | None = None  #: seconds; None: the last answer was good
    in_flight: int = 0

    def rank(self, now: float, memory: Memory) -> Rank:
        if self.failed_at is not None and now - self.failed_at < memory.cooldown:
            return Standing.COOLING, self.failed_at
        mean = None if self.failed_at is not None else self.average.mean(now, memory)
        if mean is not None:
            return Standing.MEASURED, mean
        return (Standing.BEING_MEASURED, self.in_flight) if self.in_flight else (Standing.UNMEASURED, 0.0)


class Observed:
    """The observations of one gateway, told in the order in which they happen."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._latency: dict[Deployment, _Record] = {}
        self._availability: dict[str, _Record] = {}

    def share(self, other: Observed) -> None:
        """From now on know what *other* knows, and learn together with it."""
        self._latency, self._availability = other._latency, other._availability

    def latency_rank(self, deployment: Deployment, now: float) -> Rank:
        """Return what orders *deployment* by its speed, the best the smallest."""
        return self._latency.setdefault(deployment, _Record()).rank(now, self._memory)

    def availability_rank(self, deployment: Deployment, now: float) -> Rank:
        """Return what orders *deployment* by its provider's share of failures, the best the smallest."""
        return self._availability.setdefault(deployment.provider, _Record()).rank(now, self._memory)

    def in_flight(self) -> int:
        """Return how many attempts have begun and not ended."""
        return sum(each.in_flight for each in self._latency.values())

    def began(self, deployment: Deployment) -> None:
        """An attempt begins; `ended` follows exactly once."""
        for record in self._records(deployment):
            record.in_flight += 1

    def ended(self, deployment: Deployment) -> None:
        """The attempt is over, however it went."""
        for record in self._records(deployment):
            assert record.in_flight > 0
            record.in_flight -= 1

    def answered(self, deployment: Deployment, latency: float, now: float) -> None:
        """The provider answered as promised, after *latency* seconds."""
        speed, uptime = self._records(deployment)
        speed.average.add(latency, now, self._memory)
        uptime.average.add(0.0, now, self._memory)
        speed.failed_at = uptime.failed_at = None

    def failed(self, deployment: Deployment, now: float) -> None:
        """The provider failed."""
        speed, uptime = self._records(deployment)
        uptime.average.add(1.0, now, self._memory)
        speed.failed_at = uptime.failed_at = now

    def _records(self, deployment: Deployment) -> tuple[_Record, _Record]:
        return (
            self._latency.setdefault(deployment, _Record()),
            self._availability.setdefault(deployment.provider, _Record()),
        )
