"""Keeps the ledger while the gateway runs: an observer that writes each request down, and catches up where it cannot.

A write takes some tens of microseconds and is done within the request, so that the client never sees the end of an
answer that is not booked. Where the file cannot be written (locked, full, gone), the rows wait in memory, bounded, the
log and `/readyz` say so, and they are written as soon as that goes again.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import closing
from typing import Final, final

import trio

from routeproof_reference_server.config import LogLevel
from routeproof_reference_server.ledger.rows import rows_of
from routeproof_reference_server.ledger.seam import Booked, Say
from routeproof_reference_server.ledger.store import Store
from routeproof_reference_server.records import AttemptEnd, AttemptRecord, RequestRecord
from routeproof_spec.errors import RouteproofError

WAITING_MAX: Final = 100_000  # rows, some 100 MB; beyond it the newest are lost, and counted
CATCH_UP: Final = 0.5  #: seconds between two tries
CHECKPOINT: Final = 5.0  #: seconds between two checkpoints
AT_ONCE: Final = 1_000  # rows in one transaction, when many wait


@final
class Ledger:
    """Writes to *store*; *wall* is Unix time, *say* puts a sentence into the log."""

    def __init__(self, store: Store, *, wall: Callable[[], float], say: Say) -> None:
        self.store = store
        self._wall = wall
        self._say = say
        self._written: set[str] = set()  # requests that are under way, and booked
        self._waiting: deque[Booked] = deque()
        self._trouble: str | None = None
        self.lost = 0  # rows for which there was no room

    def trouble(self) -> str | None:
        """Return why requests are not written at the moment, or None where they are."""
        return self._trouble

    def request_began(self, request: RequestRecord) -> None:
        """Nothing is known of it yet."""

    def attempt_began(self, request: RequestRecord, attempt: AttemptRecord) -> None:
        """Only its end is written."""

    def attempt_ended(self, request: RequestRecord, attempt: AttemptRecord) -> None:
        """Book the request where *attempt* served it: its last byte has not gone out yet."""
        if attempt.end is AttemptEnd.SERVED and attempt.ended is not None:
            self._written.add(request.id)
            self._book(request, attempt.ended)

    def request_ended(self, request: RequestRecord) -> None:
        """Write down what was not served."""
        if request.id in self._written:
            self._written.remove(request.id)
        elif request.ended is not None:
            self._book(request, request.ended)

    async def run(self) -> None:
        """Catch up and make checkpoints, until cancelled; what still waits then is tried once more."""
        try:
            due = trio.current_time() + CHECKPOINT
            while True:
                await trio.sleep(CATCH_UP)
                self._catch_up()
                if trio.current_time() >= due:
                    await trio.to_thread.run_sync(self._checkpoint)
                    due = trio.current_time() + CHECKPOINT
        finally:
            self._catch_up()
            if self._waiting:
                text = f"{len(self._waiting)} requests could not be written to {self.store.place}: {self._trouble}"
                self._say(LogLevel.ERROR, "ledger", text)

    def close(self) -> None:
        """Close the file, after `run`."""
        self.store.close()

    def _book(self, request: RequestRecord, now: float) -> None:
        rows = rows_of(request, now=now, at=self._wall())
        if rows is None:
            return
        if not self._waiting and self._write([rows]):
            return
        if len(self._waiting) < WAITING_MAX:
            self._waiting.append(rows)
        else:
            self.lost += 1

    def _catch_up(self) -> None:
        while self._waiting:
            some = [self._waiting[index] for index in range(min(AT_ONCE, len(self._waiting)))]
            if not self._write(some):
                return
            for _ in some:
                self._waiting.popleft()
        if self._trouble is not None:
            lost = f"; {self.lost} were lost, for too many waited" if self.lost else ""
            self._trouble, self.lost = None, 0
            self._say(LogLevel.WARNING, "ledger", f"{self.store.place} is written again, and all that waited{lost}")

    def _write(self, rows: list[Booked]) -> bool:
        try:
            self.store.write(rows)
        except sqlite3.Error as error:
            if self._trouble is None:
                text = f"{self.store.place} cannot be written ({error}): requests are served, and wait to be booked"
                self._say(LogLevel.ERROR, "ledger", text)
            self._trouble = f"the ledger cannot be written: {error}"
            return False
        return True

    def _checkpoint(self) -> None:
        # A connection of its own: the one that writes must not wait for the disk.
        try:
            with closing(Store(self.store.path, wait=1.0)) as beside:
                beside.checkpoint()
        except (sqlite3.Error, RouteproofError) as error:  # the write-ahead log grows until the next one
            trio.from_thread.run_sync(self._say, LogLevel.WARNING, "ledger", f"no checkpoint: {error}")
