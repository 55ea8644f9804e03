"""The ledger's file: SQLite, in write-ahead mode, so that readers and writers do not wait for one another.

A row is committed when `write` returns: it survives the end of the process in whatever way, `kill -9` among them. The
end of the machine may cost the last few (`synchronous=NORMAL`), never the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, final

from msgspec import structs

from routeproof_reference_server.ledger.rows import AttemptRow, RequestRow
from routeproof_reference_server.limits.month import Amount, Month, month_begins_at
from routeproof_spec.errors import RouteproofError

VERSION: Final = 1

_SCHEMA: Final = """
create table if not exists requests (
    id text primary key, key text not null, began real not null, seconds real not null, operation text not null,
    model text not null, strategy text not null, status integer, error text, end text not null, provider text,
    served_model text, prompt_tokens integer not null, completion_tokens integer not null, cost integer not null
) without rowid;
create index if not exists requests_by_key on requests (key, began);
create table if not exists attempts (
    request text not null, number integer not null, provider text not null, model text not null, end text not null,
    status integer, began real not null, seconds real not null, primary key (request, number)
) without rowid;
create table if not exists keys (
    sha256 blob primary key, name text not null unique, created real not null, revoked real, settings text not null
) without rowid;
"""
# A request that is written twice is billed once.
_REQUEST: Final = "insert or ignore into requests values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ATTEMPT: Final = "insert or ignore into attempts values (?, ?, ?, ?, ?, ?, ?, ?)"
_SPENT: Final = (
    "select coalesce(sum(prompt_tokens + completion_tokens), 0), coalesce(sum(cost), 0) from requests"
    " where key = ? and began >= ? and began < ?"
)


class UsageRow(NamedTuple):
    """What a group of requests came to."""

    name: str
    requests: int
    served: int
    prompt_tokens: int
    completion_tokens: int
    cost: int  #: pico-USD


#: What usage can be told by: a name, and the column or the expression that it stands for.
GROUPS: Final = {
    "key": "key",
    "model": "coalesce(served_model, model)",
    "provider": "coalesce(provider, '(none)')",
    "day": "date(began, 'unixepoch')",
}


@final
class Store:
    """One connection to a ledger's file. Raises `RouteproofError` where the file cannot be used."""

    def __init__(self, path: Path, *, wait: float = 0.0) -> None:
        self.path = path
        try:
            self._connection = sqlite3.connect(path, timeout=wait, isolation_level=None, check_same_thread=False)
            self._open()
        except sqlite3.Error as error:
            wanted = "a file that this user may write, made by this program, on a disk of this machine"
            raise RouteproofError(f"the ledger {path} cannot be used: {error}; wanted {wanted}") from error

    def _open(self) -> None:
        run = self._connection.execute
        (version,) = run("pragma user_version").fetchone()
        if version not in (0, VERSION):
            raise RouteproofError(f"the ledger {self.path} is of version {version}; this program reads {VERSION}")
        run("pragma journal_mode = wal")
        run("pragma synchronous = normal")
        run("pragma wal_autocheckpoint = 0")  # a thread of its own does that: it waits for the disk
        if version == 0:
            self._connection.executescript(f"begin immediate; {_SCHEMA} pragma user_version = {VERSION}; commit;")

    def write(self, rows: Iterable[tuple[RequestRow, Sequence[AttemptRow]]]) -> None:
        """Write *rows* in one transaction, all of them or none; raises `sqlite3.Error`."""
        run = self._connection.execute
        run("begin immediate")
        try:
            for request, attempts in rows:
                run(_REQUEST, structs.astuple(request))
                self._connection.executemany(_ATTEMPT, attempts)
            run("commit")
        except sqlite3.Error:
            if self._connection.in_transaction:
                run("rollback")
            raise

    def spent(self, key: str, month: Month) -> Amount:
        """Return what *key* has consumed in *month*."""
        year, number = month
        after = (year + number // 12, number % 12 + 1)
        found = self._connection.execute(_SPENT, (key, month_begins_at(month), month_begins_at(after))).fetchone()
        return Amount(*found)

    def usage(self, by: str, *, since: float, until: float) -> list[UsageRow]:
        """Return what the requests of a time came to, for each group of *by*, the dearest first."""
        what = GROUPS[by]
        query = (
            f"select {what}, count(*), sum(end = 'served'), sum(prompt_tokens), sum(completion_tokens), sum(cost)"  # noqa: S608 - of `GROUPS`
            " from requests where began >= ? and began < ? group by 1 order by 6 desc, 2 desc, 1"
        )
        return [UsageRow(*row) for row in self._connection.execute(query, (since, until))]

    def checkpoint(self) -> None:
        """Move what was written into the file itself, as far as nobody reads the old; waits for the disk."""
        self._connection.execute("pragma wal_checkpoint(passive)")

    def close(self) -> None:
        """Close the file; what is left of the write-ahead log goes into it."""
        self._connection.close()

    # Keys that were issued while the gateway runs.

    def add_key(self, name: str, sha256: bytes, *, created: float, settings: str) -> None:
        """Keep a key by its hash; *settings* are the JSON of what it may do. Raises `sqlite3.IntegrityError`."""
        self._connection.execute("insert into keys values (?, ?, ?, null, ?)", (sha256, name, created, settings))

    def revoke_key(self, name: str, at: float) -> bool:
        """Revoke the key; return whether there was one that was not revoked."""
        changed = self._connection.execute("update keys set revoked = ? where name = ? and revoked is null", (at, name))
        return changed.rowcount == 1

    def key(self, sha256: bytes) -> tuple[str, float | None, str] | None:
        """Return name, time of revocation and settings of the key with that hash."""
        found: tuple[str, float | None, str] | None = self._connection.execute(
            "select name, revoked, settings from keys where sha256 = ?", (sha256,)
        ).fetchone()
        return found

    def all_keys(self) -> Iterator[tuple[str, float, float | None, str]]:
        """Yield name, times of creation and revocation, and settings of every key, the oldest first."""
        yield from self._connection.execute("select name, created, revoked, settings from keys order by created, name")
