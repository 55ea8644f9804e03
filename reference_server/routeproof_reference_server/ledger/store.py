"""The ledger's file: SQLite, in write-ahead mode, so that readers and writers do not wait for one another.

A row is committed when `write` returns: it survives the end of the process in whatever way, `kill -9` among them. The
end of the machine may cost the last few (`synchronous=NORMAL`), never the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Final, final

from msgspec import structs

from routeproof_reference_server.ledger.rows import AttemptRow, RequestRow
from routeproof_reference_server.ledger.seam import Booked, KeyRow, NameTakenError, UsageRow
from routeproof_reference_server.limits.month import Amount, Month, month_begins_at
from routeproof_spec.errors import RouteproofError

VERSION: Final = 2

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
# Since version 2: what a database that several gateways share has not yet got, and who this gateway is to the others.
_OUTBOX: Final = """
create table if not exists outbox (request text primary key) without rowid;
create table if not exists gateway (id text not null);
insert into gateway select lower(hex(randomblob(8))) where not exists (select 1 from gateway);
"""
# A request that is written twice is billed once.
_REQUEST: Final = "insert into requests values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing"
_KEYS: Final = "select sha256, name, created, revoked, settings from keys"
_SENDING: Final = "insert into outbox values (?) on conflict do nothing"
_ATTEMPT: Final = "insert into attempts values (?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing"
_SPENT: Final = (
    "select coalesce(sum(prompt_tokens + completion_tokens), 0), coalesce(sum(cost), 0) from requests"
    " where key = ? and began >= ? and began < ?"
)


#: The column or the expression that each group stands for.
_GROUPS: Final = {
    "key": "key",
    "model": "coalesce(served_model, model)",
    "provider": "coalesce(provider, '(none)')",
    "day": "date(began, 'unixepoch')",
}


@final
class Store:
    """One connection to a ledger's file. Raises `RouteproofError` where the file cannot be used."""

    def __init__(self, path: Path, *, wait: float = 0.0, shares: bool = False) -> None:
        self.path = path
        self._shares = shares  # what is written goes into the outbox too
        try:
            self._connection = sqlite3.connect(path, timeout=wait, isolation_level=None, check_same_thread=False)
            self._open()
        except sqlite3.Error as error:
            wanted = "a file that this user may write, made by this program, on a disk of this machine"
            raise RouteproofError(f"the ledger {path} cannot be used: {error}; wanted {wanted}") from error

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return str(self.path)

    def _open(self) -> None:
        run = self._connection.execute
        (version,) = run("pragma user_version").fetchone()
        if version > VERSION:
            raise RouteproofError(f"the ledger {self.path} is of version {version}; this program reads {VERSION}")
        run("pragma journal_mode = wal")
        run("pragma synchronous = normal")
        run("pragma wal_autocheckpoint = 0")  # a thread of its own does that: it waits for the disk
        if version < VERSION:
            self._connection.executescript(
                f"begin immediate; {_SCHEMA} {_OUTBOX} pragma user_version = {VERSION}; commit;"
            )

    def write(self, rows: Iterable[Booked]) -> None:
        """Write *rows* in one transaction, all of them or none; raises `sqlite3.Error`."""
        with self._transaction() as connection:
            for request, attempts in rows:
                connection.execute(_REQUEST, structs.astuple(request))
                connection.executemany(_ATTEMPT, attempts)
                if self._shares:
                    connection.execute(_SENDING, (request.id,))

    def spent(self, key: str, month: Month) -> Amount:
        """Return what *key* has consumed in *month*."""
        year, number = month
        after = (year + number // 12, number % 12 + 1)
        found = self._connection.execute(_SPENT, (key, month_begins_at(month), month_begins_at(after))).fetchone()
        return Amount(*found)

    def usage(self, by: str, *, since: float, until: float) -> list[UsageRow]:
        """Return what the requests of a time came to, for each group of *by*, the dearest first."""
        what = _GROUPS[by]
        query = (
            f"select {what}, count(*), sum(end = 'served'), sum(prompt_tokens), sum(completion_tokens), sum(cost)"  # noqa: S608 - of `_GROUPS`
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
        """Keep a key by its hash; *settings* are the JSON of what it may do. Raises `NameTakenError`."""
        try:
            self._connection.execute("insert into keys values (?, ?, ?, null, ?)", (sha256, name, created, settings))
        except sqlite3.IntegrityError as error:
            raise NameTakenError from error

    def revoke_key(self, name: str, at: float) -> bool:
        """Revoke the key; return whether there was one that was not revoked."""
        changed = self._connection.execute("update keys set revoked = ? where name = ? and revoked is null", (at, name))
        return changed.rowcount == 1

    def key(self, sha256: bytes) -> KeyRow | None:
        """Return the key with that hash."""
        found: KeyRow | None = self._connection.execute(f"{_KEYS} where sha256 = ?", (sha256,)).fetchone()
        return found

    def all_keys(self) -> list[KeyRow]:
        """Return every key, the oldest first."""
        return self._connection.execute(f"{_KEYS} order by created, name").fetchall()

    # What is shared with other gateways.

    def gateway(self) -> str:
        """Return the name by which other gateways know the writer of this file; made with it, and kept."""
        (name,) = self._connection.execute("select id from gateway").fetchone()
        return str(name)

    def unsent(self, most: int) -> list[Booked]:
        """Return up to *most* requests that are in the outbox."""
        run = self._connection.execute
        columns = ", ".join(f"requests.{name}" for name in RequestRow.__struct_fields__)
        found = run(f"select {columns} from outbox join requests on id = request limit ?", (most,)).fetchall()  # noqa: S608 - of a Struct
        attempts: dict[str, list[AttemptRow]] = {row[0]: [] for row in found}
        for name in attempts:
            attempts[name] = run("select * from attempts where request = ? order by number", (name,)).fetchall()
        return [(RequestRow(*row), attempts[row[0]]) for row in found]

    def sent(self, requests: Iterable[str]) -> None:
        """Take *requests* out of the outbox; raises `sqlite3.Error`."""
        with self._transaction() as connection:
            connection.executemany("delete from outbox where request = ?", ((each,) for each in requests))

    def take_keys(self, keys: Iterable[KeyRow]) -> None:
        """Keep *keys* as they are elsewhere; raises `sqlite3.Error`."""
        with self._transaction() as connection:
            connection.executemany("insert or replace into keys values (?, ?, ?, ?, ?)", keys)

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        self._connection.execute("begin immediate")
        try:
            yield self._connection
            self._connection.execute("commit")
        except sqlite3.Error:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            raise
