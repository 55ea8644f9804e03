"""The journal as JSON, page by page, and as NDJSON, one attempt a line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, final

import msgspec
import trio
from msgspec import Struct

from routeproof_simulator.control.query import Query
from routeproof_simulator.control.replies import answer, streamed
from routeproof_simulator.journal import Journal
from routeproof_simulator.script import Head, Pull, Script
from routeproof_spec.history import Attempt

PAGE_ATTEMPTS_MAX = 500
PAGE_BYTES_MAX = 8 * 2**20  # of bodies; a page holds one attempt at least
IDLE_WITHIN_MAX: Final = 60.0  #: seconds that a page may wait for open attempts to end
POLL: Final = 0.002  #: seconds
PIECE_BYTES_MAX: Final = 2**20  # of NDJSON that is made at once

NDJSON: Final = "application/x-ndjson"


class JournalPage(Struct, frozen=True):
    """A page of `GET /journal`; ask again with `after` = *next* while there is *more*."""

    attempts: tuple[Attempt, ...]
    next: int
    more: bool
    open: int  # attempts whose answer has not ended, of the marker where one is asked for
    dropped: int  # attempts lost for want of room


def asked(journal: Journal, query: Query, *, accepts: str) -> Script | Callable[[], Awaitable[Script]]:
    """Return what *query* asks of *journal*; raises `Refusal`."""
    query.known("marker", "after", "idle_within", "format")
    marker, after = query.text("marker"), query.whole("after") or 0
    within = query.seconds("idle_within", most=IDLE_WITHIN_MAX)
    form = query.one_of("format", "json", "ndjson") or ("ndjson" if NDJSON in accepts else "json")

    def shown() -> Script:
        return _page(journal, marker, after) if form == "json" else _lines(journal, marker, after)

    if within is None:
        return shown()

    async def when_idle() -> Script:
        with trio.move_on_after(within):
            while journal.is_open(marker):  # noqa: ASYNC110 - the journal is pure: it has nobody to wake
                await trio.sleep(POLL)
        return shown()

    return when_idle


def _page(journal: Journal, marker: str | None, after: int) -> Script:
    attempts: list[Attempt] = []
    size = 0
    last, still_open, more = after, 0, False
    for sequence, entry in journal.since(last, marker=marker):
        if len(attempts) >= PAGE_ATTEMPTS_MAX or (attempts and size + entry.size > PAGE_BYTES_MAX):
            more = True
            break
        attempts.append(entry.attempt())
        size += entry.size
        still_open += entry.is_open
        last = sequence
    page = JournalPage(attempts=tuple(attempts), next=last, more=more, open=still_open, dropped=journal.dropped)
    return answer(page)


def _lines(journal: Journal, marker: str | None, after: int) -> Script:
    return (Head(200, streamed(NDJSON)), Pull(_Lines(journal, marker, after).next))


@final
class _Lines:
    """The attempts that the journal holds when it is asked first, a piece at a time: those dropped before are not."""

    def __init__(self, journal: Journal, marker: str | None, after: int) -> None:
        self._journal = journal
        self._marker = marker
        self._after = after
        self._until = journal.last

    async def next(self) -> bytes:
        """Return the next lines, none at the end."""
        await trio.lowlevel.checkpoint()
        lines = bytearray()
        for sequence, entry in self._journal.since(self._after, marker=self._marker):
            if sequence > self._until or len(lines) > PIECE_BYTES_MAX:
                break
            lines += msgspec.json.encode(entry.attempt()) + b"\n"
            self._after = sequence
        return bytes(lines)
