"""What one check leaves behind for the report: both sides of its requests, facts, and statistics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, final

from routeproof_conformance.observed import Observed

#: A statistical check makes hundreds of requests; its first and last tell the story.
OBSERVED_MAX: Final = 24
NOTES_MAX: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """One statistical test: what it asked, its chances of error, what it saw and came to."""

    test: str  # `preference`, `rotation`, `rotation of workers`
    question: str
    alpha: float  # chance of a false alarm
    beta: float  # chance of a miss
    n: int  # requests judged
    seen: str
    decision: str  # `held`, `broken`, `undecided`
    power: float  # chance of finding what the test was built to find, within n requests


@final
@dataclass(kw_only=True)
class Evidence:
    """Collected while a check runs."""

    observed: list[Observed] = field(default_factory=list[Observed])
    dropped: int = 0  # requests beyond `OBSERVED_MAX` whose sides are not kept
    notes: list[str] = field(default_factory=list[str])
    statistics: list[Statistic] = field(default_factory=list[Statistic])
    requests: int = 0

    def note(self, text: str) -> None:
        """Keep a fact for the report."""
        if len(self.notes) < NOTES_MAX:
            self.notes.append(text)

    def add(self, seen: Observed) -> None:
        """Keep one request: the first and the last dozen of a check are kept."""
        self.requests += 1
        self.observed.append(seen)
        if len(self.observed) > OBSERVED_MAX:
            del self.observed[OBSERVED_MAX // 2]
            self.dropped += 1
