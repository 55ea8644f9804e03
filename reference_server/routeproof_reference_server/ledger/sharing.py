"""Shares the ledger, the keys and the limits of one gateway with others, by a database between them.

A request never waits for the database. What is booked is committed to this gateway's own file first, before the client
sees the end of its answer, and stands there in an outbox; what is counted is counted in memory. A thread carries both
to the database every `sync` seconds, and brings what others have told. Where the database cannot be reached, the
outbox grows on the disk, limits are this gateway's own, keys are those last heard of, and the log and the metrics say
so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from secrets import token_hex
from typing import Final, NamedTuple, final

import psycopg
import trio

from routeproof_reference_server.config import LogLevel
from routeproof_reference_server.ledger.postgres import News, SharedStore, place_of
from routeproof_reference_server.ledger.seam import Booked, KeyRow, NameTakenError, Say
from routeproof_reference_server.ledger.store import Store
from routeproof_reference_server.limits.month import month_of
from routeproof_reference_server.limits.shared import Count, Shared
from routeproof_spec.errors import RouteproofError

AT_ONCE: Final = 500  # requests in one transaction
END_SECONDS_MAX: Final = 5.0  #: that the last exchange may take

_TROUBLES: Final = (psycopg.Error, RouteproofError, sqlite3.Error)


class _Gained(NamedTuple):
    """What one exchange has brought."""

    news: News
    keys: list[KeyRow] | None  # all of them, where they have changed
    keys_stand: int
    unheld: list[str]  # for the log


@final
class Sharing:
    """Exchanges what *shared* has counted and what stands in the outbox of *store* with the database at *url*."""

    def __init__(
        self, url: str, store: Store, shared: Shared, *, sync: float, wall: Callable[[], float], say: Say
    ) -> None:
        self.place = place_of(url)
        self._url = url
        self._store = store
        self._gateway = store.gateway()
        self._shared = shared
        self._sync = sync
        self._wall = wall
        self._say = say
        self._process = token_hex(8)  # of this run: what an earlier one counted is as another's
        self._link: SharedStore | None = None
        self._keys_stand: int | None = None
        self._trouble: str | None = None

    def trouble(self) -> str | None:
        """Return why nothing is shared at the moment, or None where it is."""
        return self._trouble

    async def run(self) -> None:
        """Exchange, every so many seconds, until cancelled."""
        while True:
            if not await self.exchange():
                await trio.sleep(self._sync)

    async def end(self) -> None:
        """Exchange once more, and close the connection; for at most `END_SECONDS_MAX`."""
        with trio.CancelScope(shield=True, deadline=trio.current_time() + END_SECONDS_MAX):
            while await self.exchange():
                pass
        self._close()

    async def exchange(self) -> bool:
        """Tell and hear everything once; return whether more waits in the outbox."""
        counts = self._shared.untold(self._wall())
        try:
            rows = self._store.unsent(AT_ONCE)
            keys = None if self._link is not None else self._store.all_keys()
            gained = await trio.to_thread.run_sync(self._exchanged, counts, rows, keys, abandon_on_cancel=True)
            self._store.sent(request.id for request, _ in rows)
            if gained.keys is not None:
                self._store.take_keys(gained.keys)
                self._keys_stand = gained.keys_stand
        except _TROUBLES as error:
            self._failed(error)
            return False
        self._shared.told(counts, self._wall())
        self._shared.heard(gained.news.counts, gained.news.months)
        for text in gained.unheld:
            self._say(LogLevel.ERROR, "ledger", text)
        if self._trouble is not None:
            self._trouble = None
            self._say(LogLevel.WARNING, "ledger", f"{self.place} is reached again, and gets all that waited")
        return len(rows) == AT_ONCE

    def _failed(self, error: Exception) -> None:
        self._close()
        text = " ".join(str(error).split())
        if self._trouble is None:
            wait = "requests are served, and wait in this gateway's file; limits are its own"
            self._say(LogLevel.ERROR, "ledger", f"nothing is shared by {self.place} ({text}): {wait}")
        self._trouble = f"the ledger is not shared: {text}"

    def _close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    # What follows is done by a thread.

    def _exchanged(self, counts: list[Count], rows: list[Booked], own_keys: list[KeyRow] | None) -> _Gained:
        if self._link is None:
            self._link = SharedStore(self._url, gateway=self._gateway)
            self._keys_stand = None
        link = self._link
        if own_keys is not None:
            _carry(own_keys, link)
        link.tell(self._process, counts)
        unheld = self._send(rows, link)
        stand = link.keys_stand()
        keys = link.all_keys() if stand != self._keys_stand else None
        now = self._wall()
        return _Gained(link.news(self._process, month_of(now), now), keys, stand, unheld)

    def _send(self, rows: list[Booked], link: SharedStore) -> list[str]:
        """Write *rows*, and return what is to be said of those that the database cannot hold."""
        try:
            link.write(rows)
        except psycopg.DataError:
            return [text for row in rows if (text := self._send_one(row, link)) is not None]
        return []

    def _send_one(self, row: Booked, link: SharedStore) -> str | None:
        try:
            link.write([row])
        except psycopg.DataError as error:
            text = f"request {row[0].id} stands in {self._store.place} alone, for {self.place} cannot hold it: {error}"
            return " ".join(text.split())
        return None


def _carry(keys: list[KeyRow], link: SharedStore) -> None:
    try:
        link.carry_keys(keys)
    except NameTakenError as error:
        mend = "one of them needs another name, in a file that is made anew"
        raise RouteproofError(f"two keys of one name were issued apart: {mend}") from error
