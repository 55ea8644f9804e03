"""Who is connected: within a bound, and with room for those who ask for something. Owns no stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import final


@final
class Visitors:
    """The connections of one listener, *visitors_max* of them at most.

    Rule 1. Who has not sent a complete request yet makes room for a newcomer, the longest here first: thousands that
    hold a connection and say nothing keep nobody out. (nginx closes its reusable connections in the same order.)
    Rule 2. Who has sent one is never sent away for another: where all have, the newcomer is.
    """

    def __init__(self, visitors_max: int) -> None:
        self._visitors_max = visitors_max
        self._count = 0  # of all time
        self._here: set[int] = set()
        self._strangers: dict[int, Callable[[], object]] = {}  # in the order of their coming

    def enter(self, send_away: Callable[[], object]) -> int | None:
        """Return the number of a new connection, which *send_away* would end, or None where there is no room."""
        if len(self._here) >= self._visitors_max:
            if not self._strangers:
                return None
            oldest = next(iter(self._strangers))
            self._here.remove(oldest)
            self._strangers.pop(oldest)()
        self._count += 1
        self._here.add(self._count)
        self._strangers[self._count] = send_away
        return self._count

    def asked(self, number: int) -> None:
        """Take note that *number* has sent a complete request."""
        self._strangers.pop(number, None)

    def left(self, number: int) -> None:
        """Take note that *number* is gone, sent away or not."""
        self._here.discard(number)
        self._strangers.pop(number, None)
