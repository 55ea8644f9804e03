"""Limits that several gateways hold together: what each has counted itself, and what it last heard of the others.

It keeps the promises of `seam.py` without a word to anybody: an answer needs memory alone. What was counted here is
told with every exchange, and what others told replaces what was heard of them before. So a limit may be passed by what
the others have admitted since the last exchange, and by no more; where nobody is heard, it is each gateway's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, final

from routeproof_reference_server.limits.month import Amount, Month
from routeproof_reference_server.limits.seam import Measure
from routeproof_reference_server.limits.window import Window


class Count(NamedTuple):
    """What one process has counted in one slot of one sliding sum."""

    key: str
    measure: str  # `Measure`
    seconds: float  # of the window
    slot: int
    amount: int
    until: float  #: Unix seconds, after which it counts nowhere any more


@final
class SharedSum:
    """One sliding sum (`SlidingSum`): a window of what was counted here, and one of what others counted."""

    def __init__(self, seconds: float, changed: Callable[[], object]) -> None:
        self.seconds = seconds
        self._changed = changed  # called whenever something was counted here
        self.own = Window(seconds)
        self.others = Window(seconds)

    def used(self, now: float) -> int:
        """Return how much has come here and elsewhere within what ends at *now*."""
        return self.own.used(now) + self.others.used(now)

    def add(self, amount: int, now: float) -> int:
        """Count *amount* here."""
        self._changed()
        return self.own.add(amount, now)

    def correct(self, number: int, amount: int) -> None:
        """Add *amount* to what was counted here under *number*."""
        self._changed()
        self.own.correct(number, amount)

    def room_at(self, amount: int, limit: int, now: float) -> float:
        """Return when *amount* more is within *limit*, if nothing else comes anywhere."""
        return Window(self.seconds, _added([*self.own.slots, *self.others.slots])).room_at(amount, limit, now)

    def empty_at(self, now: float) -> float:
        """Return when nothing is counted any more anywhere."""
        return max(self.own.empty_at(now), self.others.empty_at(now))


@final
class Shared:
    """All sums of one gateway, and what it knows of the others."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str, float], SharedSum] = {}
        self._told: dict[tuple[str, str, float], dict[int, int]] = {}
        self._changed: set[tuple[str, str, float]] = set()  # sums of which not all is told
        self._months: Mapping[tuple[str, Month], Amount] = {}

    def sum(self, key: str, measure: Measure, seconds: float) -> SharedSum:
        """Return the sum of that name (`Sums`)."""
        name = (key, measure.value, seconds)
        if name not in self._sums:
            self._sums[name] = SharedSum(seconds, lambda: self._changed.add(name))
        return self._sums[name]

    def others(self, key: str, month: Month) -> Amount:
        """Return what other gateways have spent on *key* in *month*, as far as it was heard (`Spent`)."""
        return self._months.get((key, month), Amount())

    def untold(self, now: float) -> list[Count]:
        """Return what was counted here and is not known elsewhere."""
        return [each for name in self._changed for each in self._untold(name, now)]

    def told(self, counts: Iterable[Count], now: float) -> None:
        """Take in that *counts* are known elsewhere."""
        for each in counts:
            self._told.setdefault((each.key, each.measure, each.seconds), {})[each.slot] = each.amount
        self._changed = {name for name in self._changed if self._untold(name, now)}

    def heard(self, counts: Iterable[Count], months: Mapping[tuple[str, Month], Amount]) -> None:
        """Put what others have counted in the place of what was heard of them before."""
        by_sum: dict[tuple[str, str, float], list[tuple[int, int]]] = {}
        for each in counts:
            by_sum.setdefault((each.key, each.measure, each.seconds), []).append((each.slot, each.amount))
        for name in by_sum.keys() - self._sums.keys():
            self.sum(name[0], Measure(name[1]), name[2])
        for name, found in self._sums.items():
            found.others = Window(found.seconds, _added(by_sum.get(name, [])))
        self._months = months

    def _untold(self, name: tuple[str, str, float], now: float) -> list[Count]:
        own, told = self._sums[name].own, self._told.setdefault(name, {})
        own.used(now)  # forgets
        slots = own.slots
        for number in told.keys() - {number for number, _ in slots}:
            del told[number]
        return [
            Count(*name, number, amount, own.forgotten_at(number))
            for number, amount in slots
            if told.get(number, 0) != amount
        ]


def _added(slots: Iterable[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """Return one slot of each number, in order."""
    sums: dict[int, int] = {}
    for number, amount in slots:
        sums[number] = sums.get(number, 0) + amount
    return sorted(sums.items())
