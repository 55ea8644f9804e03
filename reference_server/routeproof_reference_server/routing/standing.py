"""What orders deployments under a strategy that learns, the best the smallest.

Rule 1. What is unmeasured is tried before what is measured, so that it gets measured; one attempt at a time is enough
        for that, however many requests wait.
Rule 2. What failed is tried last until `cooldown` has passed since; from then on it counts as unmeasured.
Rule 3. Among the measured the value decides: a share of failures, or the expected time to a success.
Rule 4. A failure costs time. What fails one time out of four is tried 4/3 times until it succeeds, and each failure
        on the way costs `failure_cost`: so a provider that fails fast is not the fastest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias, final

from routeproof_reference_server.routing.average import Average, Memory


class Standing(IntEnum):
    """The first thing by which deployments are ordered."""

    UNMEASURED = 0
    MEASURED = 1
    BEING_MEASURED = 2
    COOLING = 3


Rank: TypeAlias = tuple[Standing, float]


def time_to_success(latency: float, failing: float, failure_cost: float) -> float:
    """Return the expected seconds until an answer, where the share *failing* of the attempts fails."""
    return latency + failure_cost * failing / (1.0 - failing) if failing < 1.0 else math.inf


@final
@dataclass(slots=True)
class Record:
    """What is known of one deployment, or of one provider over all its models."""

    latency: Average = field(default_factory=Average)  #: seconds, of answers alone
    failing: Average = field(default_factory=Average)  # 1 for a failure, 0 for an answer
    failed_at: float | None = None  #: seconds; None: the last answer was good
    in_flight: int = 0

    def by_latency(self, now: float, memory: Memory, cooldown: float, failure_cost: float) -> Rank:
        """Return the rank by the expected time to a success."""
        latency, failing = self.latency.mean(now, memory), self.failing.mean(now, memory)
        known = None if latency is None or failing is None else time_to_success(latency, failing, failure_cost)
        return self._rank(known, now, cooldown)

    def by_failures(self, now: float, memory: Memory, cooldown: float) -> Rank:
        """Return the rank by the share of failures."""
        return self._rank(self.failing.mean(now, memory), now, cooldown)

    def _rank(self, value: float | None, now: float, cooldown: float) -> Rank:
        if self.failed_at is not None:
            if now - self.failed_at < cooldown:
                return Standing.COOLING, self.failed_at
        elif value is not None:
            return Standing.MEASURED, value
        return (Standing.BEING_MEASURED, self.in_flight) if self.in_flight else (Standing.UNMEASURED, 0.0)
