"""Gateways that share a database: what one has booked, counted, issued or revoked is known to the other."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest
import trio

from routeproof_reference_server.config import KeyConfig, LogLevel
from routeproof_reference_server.ledger.issued import IssuedKeys
from routeproof_reference_server.ledger.postgres import SharedStore, place_of
from routeproof_reference_server.ledger.rows import RequestRow
from routeproof_reference_server.ledger.sharing import AT_ONCE, Sharing
from routeproof_reference_server.ledger.store import Store
from routeproof_reference_server.limits.month import Amount, month_of
from routeproof_reference_server.limits.seam import Measure
from routeproof_reference_server.limits.shared import Shared
from routeproof_spec.errors import RouteproofError
from tests.databases import Server
from tests.reference_server.ledger.test_stores import row

pytestmark = pytest.mark.xdist_group("postgres")

MINUTE = 60.0


class Member:
    """One of the gateways, without what is around it."""

    def __init__(self, url: str, file: Path) -> None:
        self.store = Store(file, shares=True)
        self.shared = Shared()
        self.said: list[tuple[LogLevel, str]] = []
        self.sharing = Sharing(url, self.store, self.shared, sync=0.01, wall=time.time, say=self._say)

    def _say(self, level: LogLevel, event: str, text: str) -> None:
        assert event == "ledger"
        self.said.append((level, text))

    def count(self, amount: int) -> int:
        return self.shared.sum("laptop", Measure.TOKENS, MINUTE).add(amount, time.time())

    @property
    def used(self) -> int:
        return self.shared.sum("laptop", Measure.TOKENS, MINUTE).used(time.time())

    @property
    def elsewhere(self) -> Amount:
        return self.shared.others("laptop", month_of(time.time()))

    def book(self, *rows: RequestRow) -> None:
        self.store.write([(each, [(each.id, 0, "alpha", "gpt-4o", "served", 200, each.began, 1.0)]) for each in rows])


def run(postgres: Server, folder: Path, talk: Callable[[Member, Member], Awaitable[object]], url: str = "") -> str:
    """Let two gateways share a database, and return its URL."""
    url = url or postgres.database()
    one, other = (Member(url, folder / name) for name in ("one.db", "other.db"))

    async def main() -> None:
        try:
            await talk(one, other)
        finally:
            for each in (one, other):
                await each.sharing.end()
                each.store.close()

    trio.run(main)
    return url


def now(id_: str, **fields: int) -> RequestRow:
    return row(id_, key="laptop", began=time.time(), **fields)


def test_what_each_has_booked_is_in_the_database_once(postgres: Server, tmp_path: Path) -> None:
    async def talk(one: Member, other: Member) -> None:
        one.book(now("a"), now("b"))
        other.book(now("c"))
        for _ in range(3):
            for each in (one, other):
                assert not await each.sharing.exchange()
        one.store.write([(now("a"), [])])  # as after a kill between the database's commit and the file's
        await one.sharing.exchange()
        assert one.store.unsent(9) == []

    with closing(SharedStore(run(postgres, tmp_path, talk))) as store:
        assert store.usage("key", since=0.0, until=time.time() + 9) == [("laptop", 3, 3, 9, 18, 15)]
        assert store.spent("laptop", month_of(time.time())) == Amount(27, 15)


def test_many_that_wait_are_carried_in_turns(postgres: Server, tmp_path: Path) -> None:
    async def talk(one: Member, _: Member) -> None:
        one.book(*(now(str(number)) for number in range(AT_ONCE + 1)))
        assert await one.sharing.exchange()
        assert not await one.sharing.exchange()

    with closing(SharedStore(run(postgres, tmp_path, talk))) as store:
        assert store.usage("key", since=0.0, until=time.time() + 9)[0].requests == AT_ONCE + 1


def test_what_one_counts_and_spends_the_other_knows_after_both_have_exchanged(postgres: Server, tmp_path: Path) -> None:
    async def talk(one: Member, other: Member) -> None:
        slot = one.count(30)
        other.count(12)
        one.book(now("a"))
        assert (one.used, other.used) == (30, 12)
        for each in (one, other, one):
            await each.sharing.exchange()
        assert (one.used, other.used) == (42, 42)
        assert (one.elsewhere, other.elsewhere) == (Amount(), Amount(9, 5))
        one.shared.sum("laptop", Measure.TOKENS, MINUTE).correct(slot, -20)
        for each in (one, other, one):
            await each.sharing.exchange()
        assert (one.used, other.used) == (22, 22)

    run(postgres, tmp_path, talk)


def test_what_a_run_before_has_counted_counts_on(postgres: Server, tmp_path: Path) -> None:
    async def before(one: Member, _: Member) -> None:
        one.count(30)
        one.book(now("a"))

    async def after(one: Member, _: Member) -> None:
        await one.sharing.exchange()
        assert one.used == 30
        assert one.elsewhere == Amount()  # its own file holds what it has spent itself

    run(postgres, tmp_path, after, run(postgres, tmp_path, before))


def test_a_key_is_known_to_all_and_revoked_for_all(postgres: Server, tmp_path: Path) -> None:
    url = postgres.database()

    async def talk(one: Member, other: Member) -> None:
        own = IssuedKeys(one.store).create(KeyConfig(name="carried"), time.time())  # before there was a database
        with closing(SharedStore(url)) as store:
            key = IssuedKeys(store).create(KeyConfig(name="laptop"), time.time())
            for each in (one, other):
                await each.sharing.exchange()
                assert {name for _, name, *_ in each.store.all_keys()} == {"carried", "laptop"}
            assert key != own
            IssuedKeys(store).revoke("laptop", time.time())
            for each in (one, other):
                await each.sharing.exchange()
                assert {name for _, name, _, revoked, _ in each.store.all_keys() if revoked} == {"laptop"}

    run(postgres, tmp_path, talk, url)


def test_two_keys_of_one_name_that_were_issued_apart_are_told(postgres: Server, tmp_path: Path) -> None:
    async def talk(one: Member, other: Member) -> None:
        for each in (one, other):
            IssuedKeys(each.store).create(KeyConfig(name="laptop"), time.time())
            await each.sharing.exchange()
        assert other.sharing.trouble() is not None
        assert "two keys of one name were issued apart" in other.said[0][1]

    run(postgres, tmp_path, talk)


def test_while_the_database_is_away_all_waits_and_limits_are_each_gateways_own(
    postgres: Server, tmp_path: Path
) -> None:
    async def talk(one: Member, other: Member) -> None:
        for each in (one, other):
            await each.sharing.exchange()
        postgres.stop()
        try:
            one.count(30)
            one.book(now("a"))
            for each in (one, other, one, other):
                assert not await each.sharing.exchange()
            assert (one.used, other.used) == (30, 0)
            assert [each[0].id for each in one.store.unsent(9)] == ["a"]
            ((level, text),) = one.said
            assert level is LogLevel.ERROR
            assert "requests are served, and wait in this gateway's file; limits are its own" in text
        finally:
            postgres.start()
        for each in (one, other):
            await each.sharing.exchange()
        assert other.used == 30
        assert one.store.unsent(9) == []
        assert one.said[1] == (LogLevel.WARNING, f"{one.sharing.place} is reached again, and gets all that waited")
        assert one.sharing.trouble() is None

    run(postgres, tmp_path, talk)


def test_what_the_database_cannot_hold_is_told_and_holds_nobody_up(postgres: Server, tmp_path: Path) -> None:
    async def talk(one: Member, _: Member) -> None:
        good = now("good")
        one.book(good)
        one.store.write([(now("bad"), [("bad", 0, "alpha", "m", "served", 10**12, good.began, 1.0)])])  # no such status
        await one.sharing.exchange()
        ((level, text),) = one.said
        assert level is LogLevel.ERROR
        assert text.startswith(f"request bad stands in {one.store.path} alone")
        assert one.store.unsent(9) == []

    with closing(SharedStore(run(postgres, tmp_path, talk))) as store:
        assert [each.requests for each in store.usage("key", since=0.0, until=time.time() + 9)] == [1]


def test_counts_that_nobody_needs_any_more_are_removed(postgres: Server) -> None:
    url = postgres.database()
    with closing(SharedStore(url)) as store:
        counts = Shared()
        counts.sum("laptop", Measure.TOKENS, MINUTE).add(3, 1000.0)
        store.tell("another", counts.untold(1000.0))
        assert [each.amount for each in store.news("me", (2027, 1), 1059.0).counts] == [3]
        assert store.news("me", (2027, 1), 1062.0).counts == []
        assert store.news("me", (2027, 1), 0.0).counts == []


def test_a_database_that_cannot_be_used_is_told_without_its_password() -> None:
    url = "postgresql://gateway:hush@127.0.0.1:1/ledger"
    with pytest.raises(RouteproofError) as caught:
        SharedStore(url)
    assert "the ledger PostgreSQL (user=gateway dbname=ledger host=127.0.0.1 port=1) cannot be used" in str(
        caught.value
    )
    assert "hush" not in str(caught.value)
    with pytest.raises(RouteproofError, match="wanted postgresql://user@host:port/database"):
        place_of("postgresql://a b")


def test_a_database_of_a_later_version_is_left_alone(postgres: Server) -> None:
    url = postgres.database()
    with closing(SharedStore(url)) as store:
        store._connection.execute("update routeproof_version set version = 7")  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(RouteproofError, match="is of version 7; this program reads 1"):
        SharedStore(url)
