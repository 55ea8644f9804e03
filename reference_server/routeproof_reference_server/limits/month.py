"""The sums of one key in one calendar month (UTC), and what is reserved of it by requests under way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

Month: TypeAlias = tuple[int, int]  # year, and month from 1 on


@dataclass(frozen=True, slots=True)
class Amount:
    """Tokens, and pico-USD."""

    tokens: int = 0
    spend: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.tokens + other.tokens, self.spend + other.spend)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.tokens - other.tokens, self.spend - other.spend)


@dataclass(slots=True)
class Budget:
    """What a key has consumed in the month, and what is reserved."""

    month: Month
    settled: Amount = Amount()
    reserved: Amount = Amount()

    def turn(self, month: Month) -> None:
        """Begin anew where *month* is another one; what is under way stays reserved."""
        if month != self.month:
            self.month, self.settled = month, Amount()


def month_of(now: float) -> Month:
    """Return the month of *now*, in Unix seconds."""
    at = datetime.fromtimestamp(now, UTC)
    return at.year, at.month


def month_begins_at(month: Month) -> float:
    """Return when *month* begins, in Unix seconds."""
    return datetime(*month, 1, tzinfo=UTC).timestamp()
