"""One fault of one group of providers, and the changes that it comes to. No clock, no I/O.

Rule 1. A behaviour is added to what the provider does anyway; where the fault ends, the provider is as configured.
Rule 2. Every draw is of one fault alone, seeded by the run's seed and the fault's own place: other faults, and the
        order in which a file has them, change nothing.
Rule 3. A group is struck together: its members share every draw, and follow one another *stagger* seconds apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Final, TypeAlias, final

from routeproof_simulator.algebra import Behaviour
from routeproof_simulator.door_states import Door

Span: TypeAlias = tuple[float, float]  #: seconds, from and to

_INSTANT: Final = 1e-6  #: seconds; what would last no longer is left out


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """At one instant a provider gets another behaviour, another door, or is healed."""

    at: float  #: seconds after the start of the schedule
    provider: str
    to: Behaviour | Door | None  # the behaviour is added to the configured one; None heals

    def __str__(self) -> str:
        """Return the change as a sentence without its time."""
        match self.to:
            case None:
                return f"{self.provider} heals"
            case Door() as door:
                return f"{self.provider}: door {door}"
            case behaviour:
                return f"{self.provider}: {behaviour}"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """How a fault comes and goes: *down* first, then *up* (healthy), and so on, each give or take *jitter*."""

    up: float  #: seconds
    down: float  #: seconds
    jitter: float = 0.0  #: seconds; at most half of the shorter phase

    def spans(self, lasts: float, rng: Random) -> Iterator[Span]:
        """Yield from when to when the fault is in force, within *lasts* seconds."""
        at = 0.0
        while at < lasts:
            ends = at + self.down + rng.uniform(-self.jitter, self.jitter)
            yield at, min(ends, lasts)
            at = ends + self.up + rng.uniform(-self.jitter, self.jitter)

    def count_max(self, lasts: float) -> int:
        """Return how many spans there are in *lasts* seconds at most, whatever is drawn."""
        return math.floor(lasts / (self.up + self.down - 2 * self.jitter)) + 1


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One fault, from *at* (give or take *jitter*) for *lasts* seconds."""

    at: float  #: seconds
    lasts: float  #: seconds; infinite: to the end
    providers: tuple[str, ...]  # in the order in which they are struck
    steps: tuple[Behaviour | Door, ...]  # what happens, in parts of equal length; several where it ramps
    phases: Phases | None = None  # None: it is in force all the while
    jitter: float = 0.0  #: seconds
    stagger: float = 0.0  #: seconds

    def window(self, number: int) -> Span:
        """Return the earliest start and the latest end at the provider of *number*, whatever is drawn."""
        return self._time(-self.jitter, number), self._time(self.jitter, number, self.lasts)

    @property
    def count_max(self) -> int:
        """How many changes it makes at most, whatever is drawn."""
        spans = 1 if self.phases is None else self.phases.count_max(self.lasts)
        return len(self.providers) * (2 * spans + len(self.steps) - 1)

    def changes(self, seed: int) -> Iterator[Change]:
        """Yield the changes of one provider after the other, each in order."""
        rng = Random(f"{seed}/fault/{self.at!r}/{','.join(self.providers)}")
        early = rng.uniform(-self.jitter, self.jitter)
        spans = [(0.0, self.lasts)] if self.phases is None else list(self.phases.spans(self.lasts, rng))
        for number, provider in enumerate(self.providers):
            for begin, end in spans:
                parts = list(self._within(begin, end))
                for after, step in parts:
                    yield Change(at=self._time(early, number, after), provider=provider, to=step)
                if parts and end < math.inf:
                    yield Change(at=self._time(early, number, end), provider=provider, to=None)

    def _within(self, begin: float, end: float) -> Iterator[tuple[float, Behaviour | Door]]:
        """Yield what is in force from *begin* to *end*, and when each of it begins."""
        count = len(self.steps)
        parts = pairwise([0.0, *(self.lasts * each / count for each in range(1, count)), self.lasts])
        for (part_begin, part_end), step in zip(parts, self.steps, strict=True):
            if min(end, part_end) - max(begin, part_begin) > _INSTANT:
                yield max(begin, part_begin), step

    def _time(self, early: float, number: int, after: float = 0.0) -> float:
        # To the nanosecond: 0.1 + 0.2 is 0.3, and what begins there does not meet what ends there.
        return round(self.at + early + number * self.stagger + after, 9)
