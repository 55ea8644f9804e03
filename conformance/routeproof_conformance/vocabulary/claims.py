"""What response headers claim, for checks of its truth; other checks judge whether the claim is there at all."""

from __future__ import annotations

import math

from routeproof_conformance.judge.headers import latency_breach
from routeproof_conformance.judge.outcome import NotTestable
from routeproof_conformance.observed import Observed


def claimed(seen: Observed, role: str) -> str:
    """Return the header of that *role*; raise `NotTestable` where there is none, whose truth could be judged."""
    value = seen.header(role)
    if not value:
        raise NotTestable(f"no {role} header ({named(seen)})")
    return value


def claimed_latency(seen: Observed) -> str:
    """Return the latency header; raise `NotTestable` where it is no whole number of milliseconds."""
    value = claimed(seen, "latency_ms")
    if breach := latency_breach(value, measured=math.inf):
        raise NotTestable(f"{breach} ({named(seen)})")
    return value


def named(seen: Observed) -> str:
    """Return which headers an answer has, in words."""
    return "headers: " + (", ".join(name for name, _ in seen.exchange.headers) or "none")
