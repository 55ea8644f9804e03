"""Rate limits as values: what is left at a moment, and how long until there is enough; *now* is an argument."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Protocol, final

MINUTE: Final = 60.0  #: seconds

# Sums of floats: whoever waits exactly as long as told must pass, so what comes in so short a time is there already.
_SLACK: Final = 1e-6  #: seconds


class Bucket(Protocol):
    """What a limit of so much *limit* a minute holds."""

    @property
    def limit(self) -> int:
        """How much may be taken in one minute."""
        ...

    def left(self, now: float) -> int:
        """Return how much may be taken at *now*, in whole units."""
        ...

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until *amount* may be taken; infinity where it never may."""
        ...

    def reset(self, now: float) -> float:
        """Return the seconds until all of it is there again."""
        ...

    def taken(self, amount: float, now: float) -> Bucket:
        """Return the bucket after *amount*, which must be there, was taken from it."""
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBucket:
    """A bucket that holds up to *capacity* and fills at *limit* a minute, evenly; it held *level* at *at*."""

    limit: int
    capacity: float
    level: float
    at: float  #: seconds

    @classmethod
    def full(cls, limit: int, *, burst: float, now: float) -> TokenBucket:
        """Return a full bucket of *limit* a minute that holds what comes in *burst* seconds."""
        capacity = limit * burst / MINUTE
        return cls(limit=limit, capacity=capacity, level=capacity, at=now)

    def left(self, now: float) -> int:
        """Return how much may be taken at *now*, in whole units."""
        return math.floor(self._level(now) + self._rate * _SLACK)

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until *amount* is there; infinity where the bucket never holds so much."""
        lacking = amount - self._level(now)
        if lacking <= self._rate * _SLACK:
            return 0.0
        return lacking / self._rate if amount <= self.capacity else math.inf

    def reset(self, now: float) -> float:
        """Return the seconds until the bucket is full."""
        return (self.capacity - self._level(now)) / self._rate

    def taken(self, amount: float, now: float) -> TokenBucket:
        """Return the bucket after *amount*, which must be there, was taken from it."""
        assert self.wait(amount, now) == 0.0
        return replace(self, level=max(0.0, self._level(now) - amount), at=now)

    @property
    def _rate(self) -> float:
        return self.limit / MINUTE

    def _level(self, now: float) -> float:
        return min(self.capacity, self.level + (now - self.at) * self._rate)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteWindow:
    """So much in every minute of the clock: all of it is there again at once, for everybody, when a minute begins."""

    limit: int
    used: float = 0.0
    minute: int = 0  # in which it was used

    def left(self, now: float) -> int:
        """Return how much may still be taken in the minute of *now*, in whole units."""
        return math.floor(self.limit - self._used(now))

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until *amount* may be taken; infinity where no minute allows so much."""
        if amount > self.limit:
            return math.inf
        return 0.0 if self._used(now) + amount <= self.limit else _minute_left(now)

    def reset(self, now: float) -> float:
        """Return the seconds until the next minute begins, 0 where nothing was taken in this one."""
        return _minute_left(now) if self._used(now) else 0.0

    def taken(self, amount: float, now: float) -> MinuteWindow:
        """Return the window after *amount*, which must be there, was taken from it."""
        assert self.wait(amount, now) == 0.0
        return replace(self, used=self._used(now) + amount, minute=_minute(now))

    def _used(self, now: float) -> float:
        return self.used if _minute(now) == self.minute else 0.0


def _minute(now: float) -> int:
    return math.floor((now + _SLACK) / MINUTE)


def _minute_left(now: float) -> float:
    return (_minute(now) + 1) * MINUTE - now
