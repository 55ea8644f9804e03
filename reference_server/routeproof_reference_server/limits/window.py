"""A sliding window: how much came within the last so many seconds.

It is kept in slots, a sixtieth of the window each, and a slot counts until all of it is older than the window. So the
sum over any window as long as this one is never more than what is told here, whatever its beginning; what is told may
be too much for as long as one slot, never too little. Sixty-one numbers are held at most, however much comes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, final

SLOTS: Final = 60


@final
class Window:
    """The last *seconds*. Times are Unix seconds; one that is earlier than another before it counts as that."""

    def __init__(self, seconds: float, slots: Iterable[tuple[int, int]] = ()) -> None:
        self.seconds = seconds
        self._slots: deque[list[int]] = deque([number, amount] for number, amount in slots)  # in order
        self._used = sum(amount for _, amount in self._slots)

    @property
    def slots(self) -> Sequence[tuple[int, int]]:
        """Number and amount of each slot that was not forgotten yet, in order."""
        return [(number, amount) for number, amount in self._slots]

    def used(self, now: float) -> int:
        """Return how much has come within the window that ends at *now*."""
        self._forget(now)
        return self._used

    def add(self, amount: int, now: float) -> int:
        """Count *amount* at *now*; return the number of its slot, by which it can be corrected."""
        self._forget(now)
        number = self._number(now)
        if not self._slots or self._slots[-1][0] < number:
            self._slots.append([number, 0])
        self._slots[-1][1] += amount
        self._used += amount
        return self._slots[-1][0]

    def correct(self, number: int, amount: int) -> None:
        """Add *amount*, which may be negative, to what was counted in slot *number*; one that is forgotten stays so."""
        for each in reversed(self._slots):
            if each[0] == number:
                each[1] += amount
                self._used += amount
                return

    def room_at(self, amount: int, limit: int, now: float) -> float:
        """Return when *amount* more is within *limit*, *now* at the earliest, if nothing else comes.

        What is more than the limit by itself has no such time: then it is when all is forgotten.
        """
        self._forget(now)
        over = self._used + amount - limit
        at = now
        for number, counted in self._slots:
            if over <= 0:
                break
            over -= counted
            at = self.forgotten_at(number)
        return at

    def empty_at(self, now: float) -> float:
        """Return when nothing is counted any more, *now* at the earliest."""
        self._forget(now)
        return self.forgotten_at(self._slots[-1][0]) if self._slots else now

    def _number(self, now: float) -> int:
        return math.floor(now * SLOTS / self.seconds)

    def forgotten_at(self, number: int) -> float:
        """Return when that slot does not count any more, in Unix seconds."""
        return (number + 1 + SLOTS) * self.seconds / SLOTS

    def _forget(self, now: float) -> None:
        while self._slots and self.forgotten_at(self._slots[0][0]) <= now:
            self._used -= self._slots.popleft()[1]
