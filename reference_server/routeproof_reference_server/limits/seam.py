"""Where the sums of the limits are kept: in this process, or in a place that several gateways share.

A `Limiter` asks for the month's sums of a key once (`Spent`), for what other gateways have added to them with every
request, and for each of a key's two sliding sums once (`Sums`). Left to itself it begins every month and every window
at nothing, and counts in this process alone.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol, TypeAlias

from routeproof_reference_server.limits.month import Amount, Month

Spent: TypeAlias = Callable[[str, Month], Amount]
"""Told a key's name and a month; returns what a ledger holds of it, before this process has counted anything.

Or else: what other gateways have spent of it, as far as that is known.
"""


class Measure(StrEnum):
    """What a sliding sum counts."""

    REQUESTS = "requests"
    TOKENS = "tokens"


class SlidingSum(Protocol):
    """How much one key has used of one measure within the last *seconds*. `Window` is one that nobody else sees.

    One that gateways share has to keep these promises, or a limit is none:

    1. It answers at once. It is asked within a request, between two of its waits, so that no two requests can both take
       what only one may have. A task of its own fetches what others have counted, and sends what was counted here.
    2. It never tells less than what was counted here. Where the shared place cannot be reached, the limit is each
       gateway's own for that time, and never absent.
    3. What others have counted is added to it, at the time at which they counted it. So the limit may be passed by what
       all others have admitted since they were last heard of; how often that happens is to be stated.
    4. `correct` changes only what was counted here, by the number that `add` gave; it may come when that is forgotten.
    5. Clocks of several machines differ: a time that is earlier than one before it counts as that.
    """

    @property
    def seconds(self) -> float:
        """How long what is counted is remembered."""
        ...

    def used(self, now: float) -> int:
        """Return how much has come within what ends at *now* (Unix seconds): never too little."""
        ...

    def add(self, amount: int, now: float) -> int:
        """Count *amount* at *now*; return a number by which it can be corrected."""
        ...

    def correct(self, number: int, amount: int) -> None:
        """Add *amount*, which may be negative, to what was counted under *number*."""
        ...

    def room_at(self, amount: int, limit: int, now: float) -> float:
        """Return when *amount* more is within *limit*, *now* at the earliest, if nothing else comes."""
        ...

    def empty_at(self, now: float) -> float:
        """Return when nothing is counted any more, *now* at the earliest."""
        ...


Sums: TypeAlias = Callable[[str, Measure, float], SlidingSum]
"""Told a key's name, what is counted, and the seconds; returns the sum of it."""
