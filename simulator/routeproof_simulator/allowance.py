"""What a rate limit leaves, as a provider tells it in its headers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """One limit as it stands after the request that is being answered."""

    limit: int  # in one minute
    remaining: int
    reset: float  #: seconds until all of it is there again


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The limits of a provider; None where it has none of the kind."""

    requests: Allowance | None = None
    tokens: Allowance | None = None
    retry_after: float | None = None  #: seconds until the request would pass, where it was refused
