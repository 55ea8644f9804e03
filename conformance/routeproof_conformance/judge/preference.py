"""Does a gateway prefer the provider that it should? Wald's likelihood ratio with Ville's bounds.

Every request is a hit (the preferred provider was asked first) or a miss. A good gateway misses with probability *p0*,
its declared share of exploration; a blind one with *p1*. The ratio of the likelihoods is a martingale under p0, so that
stopping at any time keeps the chance of a false alarm below alpha: fail when it reaches 1/alpha, pass when it has
fallen to beta. Evidence carries over from one request to the next and never starts anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, final

#: The least share of misses that is granted: one stray request convicts nobody.
EXPLORATION_MIN: Final = 0.01


class Decision(StrEnum):
    """Where a sequential test stands."""

    HELD = "held"
    BROKEN = "broken"
    UNDECIDED = "undecided"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is tested, and with which chances of error."""

    p0: float  # misses of a good gateway
    p1: float  # misses of a blind one
    alpha: float
    beta: float

    def __post_init__(self) -> None:
        if not 0 < self.p0 < self.p1 < 1:
            raise ValueError(f"a preference needs 0 < p0 < p1 < 1, not p0 = {self.p0} and p1 = {self.p1}")
        if not (0 < self.alpha < 1 and 0 < self.beta < 1):
            raise ValueError(f"alpha and beta must be within 0 and 1, not {self.alpha} and {self.beta}")

    @property
    def hit(self) -> float:
        """What one hit adds to the log likelihood ratio: less than nothing."""
        return math.log((1 - self.p1) / (1 - self.p0))

    @property
    def miss(self) -> float:
        """What one miss adds to the log likelihood ratio."""
        return math.log(self.p1 / self.p0)

    def ratio(self, *, hits: int, misses: int) -> float:
        """Return the log likelihood ratio after so many hits and misses."""
        return hits * self.hit + misses * self.miss

    def decide(self, *, hits: int, misses: int) -> Decision:
        """Return where the test stands after so many hits and misses, in whatever order."""
        ratio = self.ratio(hits=hits, misses=misses)
        if ratio >= -math.log(self.alpha):
            return Decision.BROKEN
        return Decision.HELD if ratio <= math.log(self.beta) else Decision.UNDECIDED


def plan(*, exploration: float, providers: int, alpha: float, beta: float) -> Plan:
    """Return the plan for *providers* of which one is to be preferred; a blind gateway takes each alike often."""
    blind = 1 - 1 / providers
    return Plan(p0=min(max(exploration, EXPLORATION_MIN), blind / 2), p1=blind, alpha=alpha, beta=beta)


def avoidance(*, exploration: float, providers: int, alpha: float, beta: float) -> Plan:
    """Return the plan for *providers* of which one must not be avoided: it is due as often a turn as any other.

    A gateway that avoids it chooses it no more often than it explores.
    """
    share = 1 / providers
    explored = min(max(exploration, EXPLORATION_MIN), share / 2)
    return Plan(p0=1 - share, p1=1 - explored, alpha=alpha, beta=beta)


def judge(plan: Plan, hits: Iterable[bool]) -> tuple[Decision, int]:
    """Return the first decision that *hits* lead to and after how many of them, or `UNDECIDED` after all."""
    counts = [0, 0]
    for hit in hits:
        counts[hit] += 1
        decision = plan.decide(hits=counts[True], misses=counts[False])
        if decision is not Decision.UNDECIDED:
            return decision, sum(counts)
    return Decision.UNDECIDED, sum(counts)


def power(plan: Plan, *, misses: float, n: int) -> float:
    """Return the chance that the test has said BROKEN within *n* requests of a gateway that misses so often.

    Exact: the distribution over the undecided states is carried forward, one request at a time (at most n states).
    """
    undecided = {0: 1.0}  # misses so far -> probability
    broken = 0.0
    for count in range(1, n + 1):
        after: dict[int, float] = {}
        for missed, probability in undecided.items():
            for more, share in ((0, 1 - misses), (1, misses)):
                total = missed + more
                match plan.decide(hits=count - total, misses=total):
                    case Decision.BROKEN:
                        broken += probability * share
                    case Decision.UNDECIDED:
                        after[total] = after.get(total, 0.0) + probability * share
                    case Decision.HELD:
                        pass
        undecided = after
    return broken
