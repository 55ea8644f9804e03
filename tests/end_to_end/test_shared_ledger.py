"""Two gateways before one database: a key is known to both, and what it has spent at one is spent at the other."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from routeproof_reference_server.config import KeyConfig
from routeproof_reference_server.ledger.issued import IssuedKeys
from routeproof_reference_server.ledger.postgres import SharedStore
from routeproof_simulator.fleet import load_fleet, on_free_ports
from routeproof_simulator.thread import FleetThread
from tests.databases import Server
from tests.end_to_end.operated import Operated, operated
from tests.end_to_end.stack import gateway_file

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("postgres")]

LIMIT = 12  # requests of the key in its minute
SYNC = 0.1
SECONDS_MAX = 20.0  # until something is known, on a machine that does much else; it takes a fifth of one
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hi."}], "max_tokens": 9}


class Client:
    """Somebody with a key, at one gateway."""

    def __init__(self, gateway: Operated, key: str) -> None:
        self._url = gateway.base_url
        self._headers = {"authorization": f"Bearer {key}"}

    def ask(self) -> httpx2.Response:
        return httpx2.post(
            f"{self._url}/chat/completions", json=BODY, headers=self._headers, trust_env=False, timeout=10
        )

    def look(self) -> httpx2.Response:
        """A request that no limit counts."""
        return httpx2.get(f"{self._url}/models", headers=self._headers, trust_env=False, timeout=10)

    @property
    def left(self) -> int:
        return int(self.look().headers.get("x-ratelimit-remaining-requests", -1))


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def configured(folder: Path, providers: FleetThread, url: str) -> Path:
    """The default configuration with a ledger of its own in *folder*, and the shared one at *url*."""
    folder.mkdir()
    config = gateway_file(folder, providers)
    table = f'\n[ledger]\npath = "{folder / "ledger.db"}"\nurl = "{url}"\nsync = {SYNC}\n'
    config.write_text(config.read_text().replace("minute = 60.0 ", "minute = 3600.0 ") + table)
    return config


def booked(store: SharedStore) -> tuple[int, int]:
    """How many requests were served of the key, and what they took."""
    found = [each for each in store.usage("key", since=0.0, until=time.time() + 9) if each.name == "laptop"]
    return (found[0].served, found[0].prompt_tokens + found[0].completion_tokens) if found else (0, 0)


def used(answers: list[httpx2.Response]) -> tuple[int, int]:
    """The same, as the client was told."""
    trees: list[dict[str, Any]] = [each.json() for each in answers if each.status_code == 200]
    return len(trees), sum(each["usage"]["total_tokens"] for each in trees)


def test_gateways_share_keys_limits_and_ledger_though_one_is_killed_and_the_database_goes_away(
    postgres: Server, tmp_path: Path
) -> None:
    url = postgres.database()
    with ExitStack() as stack:
        providers = stack.enter_context(FleetThread(on_free_ports(load_fleet())))
        files = [configured(tmp_path / name, providers, url) for name in ("one", "other")]
        one, other = (stack.enter_context(operated(each, each.parent / "log")) for each in files)
        with closing(SharedStore(url)) as store:
            key = IssuedKeys(store).create(KeyConfig(name="laptop", requests_per_minute=LIMIT), time.time())
        here, there = Client(one, key), Client(other, key)
        until(lambda: (here.left, there.left) == (LIMIT, LIMIT), "the key is known at both")

        answers = [here.ask() for _ in range(5)]
        until(lambda: there.left == LIMIT - 5, "what was asked here is counted there")
        one.tell(signal.SIGKILL)
        one.ended()
        answers += [there.ask() for _ in range(3)]

        postgres.stop()
        answers += [there.ask() for _ in range(2)]
        until(lambda: bool([line for line in other.log("ledger") if line["level"] == "error"]), "its absence is told")
        again = stack.enter_context(operated(files[0], tmp_path / "one" / "log-again"))
        back = Client(again, key)
        assert back.left == LIMIT  # it hears of nobody, and the key is known from its file
        answers.append(back.ask())
        postgres.start()

        until(lambda: (back.left, there.left) == (1, 1), "all is counted everywhere")
        answers.append(back.ask())
        until(lambda: there.left == 0, "and the last of them too")
        assert [back.ask().status_code, there.ask().status_code] == [429, 429]
        assert [each.status_code for each in answers] == [200] * LIMIT

        with closing(SharedStore(url)) as store:
            until(lambda: booked(store) == used(answers), "each request is booked once, token for token")
            IssuedKeys(store).revoke("laptop", time.time())
        until(lambda: {here.look().status_code for here in (back, there)} == {401}, "the key is refused at both")
