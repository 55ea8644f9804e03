"""What the ledger holds of what a gateway did, and what it does where its file cannot be written."""

# What is full is told by SQLite alone, and that from inside.
# pyright: reportPrivateUsage=false
from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import httpcore2
import httpx2
import msgspec
import pytest
import trio

from routeproof_reference_server.config import KeyConfig, LogLevel
from routeproof_reference_server.ledger.issued import IssuedKeys
from routeproof_reference_server.ledger.ledger import CATCH_UP, Ledger
from routeproof_reference_server.ledger.rows import RequestRow
from routeproof_reference_server.ledger.store import Store
from routeproof_reference_server.limits.rules import pico_to_usd
from routeproof_simulator.world.clock import run_virtual
from routeproof_spec.errors import RouteproofError
from tests.reference_server.gateway import WALL, chat, gateway
from tests.reference_server.scripted import DONE, HI, ROLE, STOP, Reply, chunk, error, streamed, whole

Client = httpx2.AsyncClient
FALLBACK = {"x-inferoute-fallback": "alpha/gpt-4o"}
USAGE = chunk({}, choices=[], usage={"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30})


BILLED = "end, status, provider, prompt_tokens, completion_tokens, cost"


class World:
    """A ledger in a file, and what it says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said: list[tuple[LogLevel, str]] = []
        self.ledger = Ledger(Store(path), wall=lambda: WALL + trio.current_time(), say=self._say)

    def _say(self, level: LogLevel, event: str, text: str) -> None:
        assert event == "ledger"
        self.said.append((level, text))

    def rows(
        self, columns: str = "end, status, provider, prompt_tokens, completion_tokens, cost"
    ) -> list[tuple[object, ...]]:
        with sqlite3.connect(self.path) as connection:
            return connection.execute(f"select {columns} from requests order by began, id").fetchall()

    def attempts(self) -> list[tuple[object, ...]]:
        with sqlite3.connect(self.path) as connection:
            return connection.execute("select number, provider, end, status from attempts order by number").fetchall()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "ledger.db")


def run(world: World, talk: Callable[[Client], Awaitable[object]], **replies: Sequence[Reply]) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.ledger.run)
            async with gateway(dict(replies), observer=world.ledger) as (client, _):
                await talk(client)
            nursery.cancel_scope.cancel()

    run_virtual(main)


async def ask(client: Client, **fields: object) -> httpx2.Response:
    return await client.post("/chat/completions", json=chat("beta/gpt-4o", **fields), headers=FALLBACK)


def test_who_served_is_billed_and_who_failed_is_not(world: World) -> None:
    run(world, ask, beta=[error(500)], alpha=[whole()])
    # alpha: 2.5 and 10 USD for a million tokens, of which 3 and 2 were taken.
    assert world.rows() == [("served", 200, "alpha", 3, 2, 27_500_000)]
    assert world.attempts() == [(0, "beta", "failed", 500), (1, "alpha", "served", 200)]
    ((key, began, operation, model, served, strategy),) = world.rows(
        "key, began, operation, model, served_model, strategy"
    )
    assert (key, operation, model, served, strategy) == (
        "local",
        "createChatCompletion",
        "beta/gpt-4o",
        "gpt-4o",
        "cost",
    )
    assert began == WALL


def test_a_stream_is_billed_by_its_usage_before_its_end_can_be_seen(world: World) -> None:
    async def talk(client: Client) -> None:
        body = chat("beta/gpt-4o", stream=True)
        async with client.stream("POST", "/chat/completions", json=body) as answer:
            async for piece in answer.aiter_raw():
                is_over = piece.endswith(b"data: [DONE]\n\n")
                assert world.rows("end") == ([("served",)] if is_over else [])

    run(world, talk, beta=[streamed(ROLE, 1.0, HI, 1.0, STOP, USAGE, 1.0, DONE)])
    assert world.rows() == [("served", 200, "beta", 10, 20, 10 * 2_200_000 + 20 * 9_000_000)]


def test_what_broke_or_was_left_or_refused_is_written_and_not_billed(world: World) -> None:
    async def talk(client: Client) -> None:
        await ask(client, stream=True)
        await trio.sleep(1.0)
        with trio.move_on_after(1.0):
            await ask(client)
        await trio.sleep(1.0)
        await client.post("/chat/completions", json=chat("no-such-model"))
        await client.post("/chat/completions", content=b"{")
        await client.post("/chat/completions", json=chat(), headers={"authorization": "Bearer th-stranger"})
        await client.get("/models")

    run(world, talk, beta=[streamed(ROLE, HI, httpcore2.ReadError("reset")), Reply(before=[9.0], body=[b"{}"])])
    assert world.rows("end, status, error, prompt_tokens + completion_tokens + cost") == [
        ("broken", 200, "provider_unavailable", 0),
        ("left", None, None, 0),
        ("refused", 404, "model_not_found", 0),
    ]


def test_a_locked_file_is_told_of_and_caught_up_with(world: World) -> None:
    async def talk(client: Client) -> None:
        blocker = sqlite3.connect(world.path, isolation_level=None)
        blocker.execute("begin immediate")
        for _ in range(3):
            assert (await client.post("/chat/completions", json=chat())).status_code == 200
        await trio.sleep(3 * CATCH_UP)
        assert world.ledger.trouble() == "the ledger cannot be written: database is locked"
        assert world.rows() == []
        blocker.execute("rollback")
        blocker.close()
        await trio.sleep(2 * CATCH_UP)
        assert world.ledger.trouble() is None

    run(world, talk)
    assert len(world.rows()) == 3
    ((first, problem), (second, mended)) = world.said
    assert (first, second) == (LogLevel.ERROR, LogLevel.WARNING)
    assert "cannot be written (database is locked): requests are served, and wait to be booked" in problem
    assert mended.endswith("is written again, and all that waited")


def test_a_full_disk_loses_nothing_while_the_gateway_lives(world: World) -> None:
    limit = world.ledger.store._connection.execute

    async def talk(client: Client) -> None:
        limit("pragma max_page_count = 1")  # below what there is: no page may be added
        for _ in range(400):
            assert (await client.post("/chat/completions", json=chat())).status_code == 200
        assert world.ledger.trouble() == "the ledger cannot be written: database or disk is full"
        limit("pragma max_page_count = 1000000")
        await trio.sleep(2 * CATCH_UP)

    run(world, talk)
    assert world.rows("count(*), count(distinct id)") == [(400, 400)]


def test_what_still_waits_at_the_end_is_tried_once_more(world: World) -> None:
    async def talk(client: Client) -> None:
        blocker = sqlite3.connect(world.path, isolation_level=None)
        blocker.execute("begin immediate")
        await client.post("/chat/completions", json=chat())
        blocker.close()

    run(world, talk)
    assert len(world.rows()) == 1


@pytest.mark.parametrize("content", [b"this is no database, it is a text that is long enough to be one\n" * 20, None])
def test_a_file_that_is_no_ledger_is_told_in_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "nowhere" / "ledger.db" if content is None else tmp_path / "ledger.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RouteproofError, match=f"the ledger {path} cannot be used: .*; wanted a file"):
        Store(path)
    assert content is None or path.read_bytes() == content


def test_a_ledger_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("pragma user_version = 7")
    with pytest.raises(RouteproofError, match="is of version 7; this program reads 2"):
        Store(tmp_path / "ledger.db")


def test_a_key_is_known_as_soon_as_it_is_issued_and_refused_as_soon_as_it_is_revoked(world: World) -> None:
    beside = IssuedKeys(Store(world.path))  # as another process does it

    async def main() -> None:
        async with gateway(issued=IssuedKeys(world.ledger.store).find) as (client, _):
            unknown = {"authorization": "Bearer th-nobody"}
            assert (await client.get("/models", headers=unknown)).status_code == 401
            key = beside.create(KeyConfig(name="laptop", models=("gpt-4o",), requests_per_minute=2), WALL)
            told = {"authorization": f"Bearer {key}"}
            answer = await client.post("/chat/completions", json=chat(), headers=told)
            assert (answer.status_code, answer.headers["x-ratelimit-remaining-requests"]) == (200, "1")
            other = await client.post("/chat/completions", json=chat("gpt-4o-mini"), headers=told)
            assert other.status_code == 404
            beside.revoke("laptop", WALL)
            assert (await client.get("/models", headers=told)).status_code == 401

    run_virtual(main)


def test_a_key_is_kept_by_its_hash_alone_and_its_name_stays_taken(world: World) -> None:
    keys = IssuedKeys(world.ledger.store)
    key = keys.create(KeyConfig(name="laptop"), WALL)
    assert key.startswith("th-")
    assert len(key) > 40
    world.ledger.store.close()
    held = b"".join(each.read_bytes() for each in world.path.parent.iterdir())
    assert key.encode() not in held
    again = IssuedKeys(Store(world.path))
    (listed,) = again.listed()
    assert (listed.config.name, listed.created, listed.revoked) == ("laptop", WALL, None)
    again.revoke("laptop", WALL + 1)
    with pytest.raises(RouteproofError, match="no key 'laptop' that is not revoked; wanted one of: there is none"):
        again.revoke("laptop", WALL + 2)
    with pytest.raises(RouteproofError, match="there is a key 'laptop' already"):
        again.create(KeyConfig(name="laptop"), WALL)


def test_usage_is_told_by_what_is_asked_for(world: World) -> None:
    async def talk(client: Client) -> None:
        for _ in range(2):
            await ask(client)
        await client.post("/chat/completions", json=chat("no-such-model"))

    run(world, talk, beta=[error(500)], alpha=[whole()])
    store = Store(world.path)
    span = {"since": WALL - 1, "until": WALL + 100}
    cost = 55_000_000
    assert store.usage("key", **span) == [("local", 3, 2, 6, 4, cost)]
    assert store.usage("provider", **span) == [("alpha", 2, 2, 6, 4, cost), ("(none)", 1, 0, 0, 0, 0)]
    assert store.usage("model", **span) == [("gpt-4o", 2, 2, 6, 4, cost), ("no-such-model", 1, 0, 0, 0, 0)]
    assert store.usage("day", **span) == [("2027-01-15", 3, 2, 6, 4, cost)]
    assert store.usage("key", since=0.0, until=WALL) == []


@pytest.mark.parametrize(
    ("pico", "told"),
    [(0, "0.00"), (1, "0.000000000001"), (27_500_000, "0.0000275"), (10**12, "1.00"), (1_230_000_000_000, "1.23")],
)
def test_money_is_told_to_the_last_digit(pico: int, told: str) -> None:
    assert pico_to_usd(pico) == told


def test_rows_fit_their_table(world: World) -> None:
    with sqlite3.connect(world.path) as connection:
        columns = [row[1] for row in connection.execute("pragma table_info(requests)")]
    assert columns == [each.name for each in msgspec.structs.fields(RequestRow)]
