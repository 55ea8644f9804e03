"""How long a client stays to see whether a gateway keeps to its declared timeout."""

from __future__ import annotations

from typing import Final

from routeproof_conformance.judge.outcome import NotTestable
from routeproof_conformance.target import Target

#: Seconds beyond the latest end that is granted: who is still waiting then has seen a breach.
BEYOND: Final = 1.0


def longer_than(target: Target, limit: float) -> float:
    """Return how many seconds a client stays that grants *limit*; raise `NotTestable` where that is too long."""
    stay = limit + target.timing.slack + BEYOND
    if 2 * stay > target.timing.check_deadline:
        raise NotTestable(f"a timeout of {limit:g} s is longer than a check may wait for its end")
    return stay
