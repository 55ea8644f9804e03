"""The ledger of several gateways: a PostgreSQL database, in which they also tell each other what they have counted.

It is written and read by a thread, never by a request: see `sharing.py`. Nothing here is imported unless `[ledger] url`
is set: psycopg comes with the extra `routeproof[postgres]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeVar, final

import psycopg
from msgspec import structs
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from routeproof_reference_server.ledger.seam import Booked, KeyRow, NameTakenError, UsageRow
from routeproof_reference_server.limits.month import Amount, Month
from routeproof_reference_server.limits.shared import Count
from routeproof_spec.errors import RouteproofError

VERSION: Final = 1
CONNECT_SECONDS: Final = 5  #: as libpq counts it: for each address
STATEMENT_MS: Final = 10_000
COUNTS_MAX: Final = 1_000_000  # of other gateways, that are read at once; far beyond what keys and slots can make

_LOCK: Final = 0x726F757465  # of `pg_advisory_xact_lock`: one gateway makes the tables, the others wait
_SCHEMA: Final = """
create table if not exists routeproof_version (version integer not null);
create table if not exists requests (
    id text primary key, key text not null, began double precision not null, seconds double precision not null,
    operation text not null, model text not null, strategy text not null, status integer, error text,
    "end" text not null, provider text, served_model text, prompt_tokens bigint not null,
    completion_tokens bigint not null, cost numeric not null, gateway text not null
);
create index if not exists requests_by_time on requests (began);
create table if not exists attempts (
    request text not null, number integer not null, provider text not null, model text not null, "end" text not null,
    status integer, began double precision not null, seconds double precision not null, primary key (request, number)
);
create sequence if not exists keys_changed;
create table if not exists keys (
    sha256 bytea primary key, name text not null unique, created double precision not null, revoked double precision,
    settings text not null, changed bigint not null default nextval('keys_changed')
);
create table if not exists months (
    key text not null, year integer not null, month integer not null, gateway text not null, tokens numeric not null,
    spend numeric not null, primary key (key, year, month, gateway)
);
create table if not exists counts (
    process text not null, key text not null, measure text not null, seconds double precision not null,
    slot bigint not null, amount bigint not null, until double precision not null,
    primary key (process, key, measure, seconds, slot)
);
create index if not exists counts_by_end on counts (until);
"""
# A request that comes twice is there once, and its month counts it once: both are one statement.
_REQUEST: Final = b"""
with new as (
    insert into requests values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    on conflict do nothing
    returning key, to_timestamp(began) at time zone 'UTC' as at, gateway,
    prompt_tokens + completion_tokens as tokens, cost
)
insert into months
select key, extract(year from at)::integer, extract(month from at)::integer, gateway, tokens, cost from new
on conflict (key, year, month, gateway)
do update set tokens = months.tokens + excluded.tokens, spend = months.spend + excluded.spend
"""
_ATTEMPT: Final = b"insert into attempts values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing"
_COUNT: Final = b"""
insert into counts values (%s, %s, %s, %s, %s, %s, %s)
on conflict (process, key, measure, seconds, slot) do update set amount = excluded.amount
"""
_CARRY: Final = b"""
insert into keys values (%s, %s, %s, %s, %s) on conflict (sha256)
do update set revoked = excluded.revoked, changed = nextval('keys_changed')
where keys.revoked is null and excluded.revoked is not null
"""
_KEYS: Final = b"select sha256, name, created, revoked, settings from keys order by created, name"
#: The column or the expression that each group stands for.
_GROUPS: Final[Mapping[str, bytes]] = {
    "key": b"key",
    "model": b"coalesce(served_model, model)",
    "provider": b"coalesce(provider, '(none)')",
    "day": b"to_char(to_timestamp(began) at time zone 'UTC', 'YYYY-MM-DD')",
}

_Value = TypeVar("_Value")


class News(NamedTuple):
    """What other gateways have told."""

    counts: list[Count]
    months: dict[tuple[str, Month], Amount]


@final
class SharedStore:
    """One connection to a shared ledger (`LedgerStore`). Raises `RouteproofError` where it cannot be used.

    *gateway* is who writes. Whatever it is asked it waits for, `STATEMENT_MS` at most; `psycopg.Error` is raised then.
    """

    def __init__(self, url: str, *, gateway: str = "") -> None:
        self._gateway = gateway
        self.place = place_of(url)
        try:
            self._connection = psycopg.connect(
                url,
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                tcp_user_timeout=STATEMENT_MS,
                options=f"-c statement_timeout={STATEMENT_MS} -c lock_timeout={STATEMENT_MS}",
                application_name="routeproof",
            )
        except psycopg.Error as error:
            raise self._unusable(error) from error
        try:
            self._open()
        except psycopg.Error as error:
            self.close()
            raise self._unusable(error) from error
        except RouteproofError:
            self.close()
            raise

    def _unusable(self, error: psycopg.Error) -> RouteproofError:
        wanted = "a database that answers, in which this user may make tables"
        return RouteproofError(f"the ledger {self.place} cannot be used: {_said(error)}; wanted {wanted}")

    def _open(self) -> None:
        with self._connection.transaction():
            self._connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
            self._connection.execute(_SCHEMA)
            found = self._connection.execute("select version from routeproof_version").fetchone()
            if found is None:
                self._connection.execute("insert into routeproof_version values (%s)", (VERSION,))
            elif found[0] != VERSION:
                raise RouteproofError(f"the ledger {self.place} is of version {found[0]}; this program reads {VERSION}")

    def write(self, rows: Iterable[Booked]) -> None:
        """Write *rows* in one transaction, all of them or none."""
        booked = list(rows)
        with self._connection.transaction(), self._connection.cursor() as cursor:
            requests = (_clean((*structs.astuple(request), self._gateway)) for request, _ in booked)
            cursor.executemany(_REQUEST, requests)
            cursor.executemany(_ATTEMPT, (_clean(each) for _, attempts in booked for each in attempts))

    def spent(self, key: str, month: Month) -> Amount:
        """Return what *key* has consumed in *month*, at all gateways."""
        found = self._connection.execute(
            "select coalesce(sum(tokens), 0), coalesce(sum(spend), 0) from months"
            " where (key, year, month) = (%s, %s, %s)",
            (_text(key), *month),
        ).fetchone()
        return Amount() if found is None else Amount(int(found[0]), int(found[1]))

    def usage(self, by: str, *, since: float, until: float) -> list[UsageRow]:
        """Return what the requests of a time came to, for each group of *by*, the dearest first."""
        query = b"""
            select %b, count(*), count(*) filter (where "end" = 'served'), sum(prompt_tokens), sum(completion_tokens),
            sum(cost) from requests where began >= %%s and began < %%s group by 1 order by 6 desc, 2 desc, 1
        """
        found = self._connection.execute(query % _GROUPS[by], (since, until))
        return [UsageRow(str(row[0]), *map(int, row[1:])) for row in found]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    # Keys that were issued while gateways run.

    def add_key(self, name: str, sha256: bytes, *, created: float, settings: str) -> None:
        """Keep a key by its hash; *settings* are the JSON of what it may do. Raises `NameTakenError`."""
        try:
            self._connection.execute(
                "insert into keys values (%s, %s, %s, null, %s)", (sha256, name, created, settings)
            )
        except psycopg.errors.UniqueViolation as error:
            raise NameTakenError from error

    def revoke_key(self, name: str, at: float) -> bool:
        """Revoke the key; return whether there was one that was not revoked."""
        changed = self._connection.execute(
            "update keys set revoked = %s, changed = nextval('keys_changed') where name = %s and revoked is null",
            (at, _text(name)),
        )
        return changed.rowcount == 1

    def key(self, sha256: bytes) -> KeyRow | None:
        """Return the key with that hash."""
        return next((each for each in self.all_keys() if each[0] == sha256), None)

    def all_keys(self) -> list[KeyRow]:
        """Return every key, the oldest first."""
        return [(bytes(row[0]), row[1], row[2], row[3], row[4]) for row in self._connection.execute(_KEYS)]

    def keys_stand(self) -> int:
        """Return a number that is another one whenever a key was issued or revoked since."""
        found = self._connection.execute("select coalesce(sum(changed), 0) from keys").fetchone()
        return 0 if found is None else int(found[0])

    def carry_keys(self, keys: Iterable[KeyRow]) -> None:
        """Add *keys* that are not there, and revoke those that are revoked; raises `NameTakenError`."""
        try:
            with self._connection.transaction(), self._connection.cursor() as cursor:
                cursor.executemany(_CARRY, keys)
        except psycopg.errors.UniqueViolation as error:
            raise NameTakenError from error

    # What gateways tell each other.

    def tell(self, process: str, counts: Iterable[Count]) -> None:
        """Let the others know what *process*, a run of this gateway, has counted."""
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.executemany(_COUNT, ((process, *_clean(each)) for each in counts))

    def news(self, process: str, month: Month, now: float) -> News:
        """Return what others than *process* have counted until *now*, and spent in *month*."""
        run = self._connection.execute
        run("delete from counts where until < %s", (now,))
        counts = run(
            "select key, measure, seconds, slot, sum(amount), max(until) from counts where process <> %s"
            " group by key, measure, seconds, slot limit %s",
            (process, COUNTS_MAX),
        )
        months = run(
            "select key, sum(tokens), sum(spend) from months where (year, month) = (%s, %s) and gateway <> %s"
            " group by key",
            (*month, self._gateway),
        )
        return News(
            counts=[Count(row[0], row[1], row[2], row[3], int(row[4]), row[5]) for row in counts],
            months={(row[0], month): Amount(int(row[1]), int(row[2])) for row in months},
        )


def place_of(url: str) -> str:
    """Return where *url* leads, without a password. Raises `RouteproofError` for what is none."""
    try:
        known = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise RouteproofError("the ledger's URL cannot be read; wanted postgresql://user@host:port/database") from error
    told = {name: value for name, value in known.items() if name in ("host", "port", "dbname", "user")}
    return f"PostgreSQL ({make_conninfo('', **told)})"


def _said(error: psycopg.Error) -> str:
    """Return what the server or the library said, on one line."""
    return " ".join(str(error).split())


def _clean(values: Iterable[object]) -> tuple[object, ...]:
    return tuple(_text(each) if isinstance(each, str) else each for each in values)


def _text(text: str) -> str:
    """Return *text* as PostgreSQL can hold it, which no NUL is in."""
    return text.replace("\0", "\ufffd")
