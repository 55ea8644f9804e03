"""Where a key stands by the headers of a response."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from routeproof_conformance.observed import Observed

LIMIT: Final = "ratelimit_limit_requests"
REMAINING: Final = "ratelimit_remaining_requests"
RESET: Final = "ratelimit_reset_requests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is left of a key's requests, and until when; -1 where a response does not tell."""

    remaining: int
    reset: int  #: Unix seconds
    now: float  #: Unix seconds, by this machine's clock


def standing(seen: Observed) -> Standing:
    """Return where the key of *seen* stands."""
    return Standing(remaining=_number(seen, REMAINING), reset=_number(seen, RESET), now=time.time())


def told(seen: Observed) -> str:
    """Return what *seen* says of limits, in words."""
    return f"{seen.said}, limits: " + ", ".join(f"{role}={seen.header(role)}" for role in (LIMIT, REMAINING, RESET))


def _number(seen: Observed, role: str) -> int:
    value = seen.header(role) or ""
    return int(value) if value.isascii() and value.isdigit() else -1
