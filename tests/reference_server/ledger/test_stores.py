"""What every store of a ledger holds to: a file's as a database's."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from routeproof_reference_server.config import KeyConfig
from routeproof_reference_server.ledger.issued import IssuedKeys
from routeproof_reference_server.ledger.opening import open_ledger
from routeproof_reference_server.ledger.rows import AttemptRow, RequestRow
from routeproof_reference_server.ledger.seam import GROUPS, LedgerStore
from routeproof_reference_server.limits.month import Amount
from routeproof_spec.errors import RouteproofError

pytestmark = pytest.mark.xdist_group("postgres")

WALL = 1_800_000_000.0  # 2027-01-15
ATTEMPT: AttemptRow = ("req-1", 0, "alpha", "m", "served", 200, WALL, 1.0)


def row(id_: str = "req-1", *, key: str = "local", began: float = WALL, tokens: int = 3, cost: int = 5) -> RequestRow:
    """A request that alpha served."""
    return RequestRow(
        id_, key, began, 1.0, "o", "m", "cost", 200, None, "served", "alpha", "gpt-4o", tokens, 2 * tokens, cost
    )


def refused(id_: str) -> RequestRow:
    """A request that was refused before anybody was asked."""
    return RequestRow(
        id_, "local", WALL, 0.0, "o", "no\0model", "", 404, "model_not_found", "refused", None, None, 0, 0, 0
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a ledger is, and one connection to it."""

    name: str
    store: LedgerStore

    def again(self) -> LedgerStore:
        """Another connection, as another process has it."""
        return open_ledger(self.name, wait=1.0)


@pytest.fixture(params=["file", "database"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Place]:
    is_file = request.param == "file"
    name = str(tmp_path / "ledger.db") if is_file else request.getfixturevalue("postgres").database()
    with closing(open_ledger(name, wait=1.0)) as store:
        yield Place(name, store)


def test_a_request_is_billed_once_however_often_it_is_written(place: Place) -> None:
    for _ in range(2):
        place.store.write([(row(), [ATTEMPT]), (row(), [ATTEMPT])])
    assert place.store.spent("local", (2027, 1)) == Amount(9, 5)
    assert [each.requests for each in place.store.usage("key", since=0.0, until=2 * WALL)] == [1]


def test_what_is_written_can_be_read_by_others_at_once(place: Place) -> None:
    with closing(place.again()) as other:
        place.store.write([(row(), [ATTEMPT])])
        assert other.spent("local", (2027, 1)) == Amount(9, 5)


def test_a_month_holds_its_own_rows_alone(place: Place) -> None:
    instants = {"a": 1_798_761_599.0, "b": 1_798_761_600.0, "c": 1_801_439_999.0, "d": 1_801_440_000.0}  # of 2027-01
    for id_, began in instants.items():
        place.store.write([(row(id_, began=began, tokens=1, cost=1), [])])
    assert place.store.spent("local", (2027, 1)) == Amount(6, 2)
    assert place.store.spent("local", (2026, 12)) == Amount(3, 1)
    assert place.store.spent("other", (2027, 1)) == Amount()


def test_usage_is_told_by_what_is_asked_for(place: Place) -> None:
    rows = [row("a"), row("b", key="ci", cost=10**15), refused("c")]
    place.store.write([(each, []) for each in rows])
    told = {by: place.store.usage(by, since=WALL, until=WALL + 1) for by in GROUPS}
    money = 10**15 + 5
    assert told["key"] == [("ci", 1, 1, 3, 6, 10**15), ("local", 2, 1, 3, 6, 5)]
    assert [each[1:] for each in told["model"]] == [(2, 2, 6, 12, money), (1, 0, 0, 0, 0)]
    assert told["provider"] == [("alpha", 2, 2, 6, 12, money), ("(none)", 1, 0, 0, 0, 0)]
    assert told["day"] == [("2027-01-15", 3, 2, 6, 12, money)]
    assert place.store.usage("key", since=0.0, until=WALL) == []


def test_a_key_is_kept_by_its_hash_alone_and_its_name_stays_taken(place: Place) -> None:
    keys = IssuedKeys(place.store)
    key = keys.create(KeyConfig(name="laptop", models=("gpt-4o",)), WALL)
    with closing(place.again()) as other:
        again = IssuedKeys(other)
        (listed,) = again.listed()
        assert (listed.config.name, listed.config.models) == ("laptop", ("gpt-4o",))
        assert (listed.created, listed.revoked) == (WALL, None)
        assert key not in repr(other.all_keys())
        again.revoke("laptop", WALL + 1)
        (digest, *_, revoked, _), *_ = place.store.all_keys()
        assert revoked == WALL + 1
        found = keys.find(digest)
        assert found is not None
        assert found.revoked
        with pytest.raises(RouteproofError, match="no key 'laptop' that is not revoked; wanted one of: there is none"):
            again.revoke("laptop", WALL + 2)
        with pytest.raises(RouteproofError, match="there is a key 'laptop' already"):
            again.create(KeyConfig(name="laptop"), WALL)
    assert keys.find(b"another") is None


def test_all_of_a_transaction_is_written_or_nothing(place: Place) -> None:
    broken = (*ATTEMPT[:1], None, *ATTEMPT[2:])  # an attempt without a number
    with pytest.raises(Exception, match=r"(?i)not.null"):
        place.store.write([(row(), [ATTEMPT]), (row("req-2"), [broken])])  # type: ignore[list-item]  # that is the mistake
    assert place.store.usage("key", since=0.0, until=2 * WALL) == []
