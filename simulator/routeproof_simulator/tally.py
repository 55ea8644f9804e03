"""What the attempts at one provider came to: plain numbers, counted as attempts end, read when somebody asks."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final, final

from routeproof_spec.history import Ended

#: seconds; the upper bounds of the histogram of first bytes, of which the last is infinity
FIRST_BYTE_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

FAILING: Final = 400  # and above: the statuses of errors


@final
class Tally:
    """Counts of one provider; they only grow, but for `running`."""

    __slots__ = ("connections", "ended", "faults", "first_byte", "first_byte_seconds", "running", "sent")

    def __init__(self) -> None:
        self.running = 0  # attempts that have not ended
        self.ended: dict[tuple[int | None, Ended], int] = {}  # by status (None: no head was sent) and how it ended
        self.faults: dict[str, int] = {}  # attempts that a behaviour changed, by its name
        self.sent = 0  # bytes of bodies
        self.connections = 0  # that brought a request
        self.first_byte = [0] * (len(FIRST_BYTE_BOUNDS) + 1)  # attempts by seconds to the first byte of the body
        self.first_byte_seconds = 0.0

    def count(
        self,
        status: int | None,
        ended: Ended,
        faults: tuple[str, ...],
        sent: int,
        seconds: float | None,
        new: bool,
    ) -> None:
        """Count an attempt that ended; *seconds* to its first byte, if any. *new*: its connection brought no other."""
        self.running -= 1
        key = status, ended
        self.ended[key] = self.ended.get(key, 0) + 1
        self.sent += sent
        self.connections += new
        if seconds is not None:
            self.first_byte[bisect_left(FIRST_BYTE_BOUNDS, seconds)] += 1
            self.first_byte_seconds += seconds
        for words in faults:
            name = words.partition("(")[0]
            self.faults[name] = self.faults.get(name, 0) + 1

    @property
    def attempts(self) -> int:
        """How many attempts have ended."""
        return sum(self.ended.values())

    @property
    def failed(self) -> int:
        """How many of them were answered with an error, or not to the end; a client that left is no failure."""
        return sum(
            count
            for (status, ended), count in self.ended.items()
            if ended is not Ended.LEFT and (ended is not Ended.COMPLETE or status is None or status >= FAILING)
        )
