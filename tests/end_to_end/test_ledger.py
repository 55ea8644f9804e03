"""A gateway that is killed keeps what was settled and bills nothing twice; its ledger says what its providers did."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
import trio

from routeproof import chance, cut, fail, pace
from routeproof_simulator.fleet import load_fleet, on_free_ports
from routeproof_simulator.thread import FleetThread
from tests.end_to_end.operated import Operated, operated
from tests.end_to_end.stack import KEY, gateway_file

pytestmark = pytest.mark.end_to_end

CLIENTS = 8
ANSWERS = 120  # that have come whole when the gateway is killed
HEADERS = {"authorization": f"Bearer {KEY}", "x-inferoute-fallback": "gpt-4o"}
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hi."}], "max_tokens": 9}
SECONDS_MAX = 60.0

Usage = dict[str, int]


@dataclass(slots=True)
class Crowd:
    """Clients that ask until the gateway is gone, and remember what came whole."""

    gateway: Operated
    whole: dict[str, Usage] = field(default_factory=dict[str, Usage])  # by the id of the request
    enough: trio.Event = field(default_factory=trio.Event)

    async def ask(self, *, stream: bool) -> None:
        body = {**BODY, "stream": True, "stream_options": {"include_usage": True}} if stream else BODY
        async with httpx2.AsyncClient(headers=HEADERS, timeout=10.0, trust_env=False) as client:
            while True:
                try:
                    answer = await client.post(f"{self.gateway.base_url}/chat/completions", json=body)
                except httpx2.HTTPError:
                    return
                if (usage := usage_of(answer)) is not None:
                    self.whole[answer.headers["x-inferoute-request-id"]] = usage
                if len(self.whole) >= ANSWERS:
                    self.enough.set()


def usage_of(answer: httpx2.Response) -> Usage | None:
    """What a whole answer took; None where it is not one."""
    if answer.status_code != 200:
        return None
    if not answer.headers["content-type"].startswith("text/event-stream"):
        told: Usage = answer.json()["usage"]
        return told
    if not answer.text.endswith("data: [DONE]\n\n"):
        return None
    usage: Usage = json.loads(answer.text.split("\n\n")[-3].removeprefix("data: "))["usage"]
    return usage


async def killed_under_load(gateway: Operated) -> dict[str, Usage]:
    crowd = Crowd(gateway)
    with trio.fail_after(SECONDS_MAX):
        async with trio.open_nursery() as clients:
            for number in range(CLIENTS):
                clients.start_soon(lambda number=number: crowd.ask(stream=number % 2 == 0))
            await crowd.enough.wait()
            gateway.tell(signal.SIGKILL)
    return crowd.whole


def typed(*words: str) -> str:
    """What `routeproof` prints when somebody types that."""
    command = [sys.executable, "-m", "routeproof", *words]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def booked(ledger: Path) -> dict[str, tuple[int, int]]:
    with sqlite3.connect(ledger) as connection:
        found = connection.execute("select id, prompt_tokens, completion_tokens from requests where end = 'served'")
        return {id_: (prompt, completion) for id_, prompt, completion in found}


def test_what_a_client_got_whole_is_billed_once_though_the_gateway_is_killed(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    with FleetThread(on_free_ports(load_fleet())) as providers:
        for name in providers.base_urls:
            providers.set_behaviour(name, pace(400) | chance(0.2, fail(503)) | chance(0.1, cut(3)))
        config = gateway_file(tmp_path, providers)
        config.write_text(config.read_text() + f'\n[ledger]\npath = "{ledger}"\n')
        whole: dict[str, Usage] = {}
        for run in range(2):
            with operated(config, tmp_path / f"log-{run}") as gateway:
                whole |= trio.run(killed_under_load, gateway)
        rows = booked(ledger)
        served = sum(each.status == 200 and not each.faults[1:] for each in providers.attempts())
    assert len(whole) >= 2 * ANSWERS
    told = {id_: (usage["prompt_tokens"], usage["completion_tokens"]) for id_, usage in whole.items()}
    assert {id_: rows.get(id_) for id_ in told} == told
    # What is booked beyond that was on its way to a client when the gateway died; no provider gave it twice.
    assert len(rows) - len(told) <= 2 * CLIENTS
    assert len(rows) <= served
    groups = json.loads(typed("usage", "--ledger", str(ledger), "--by", "provider", "--json"))
    assert sum(each["served"] for each in groups) == len(rows)
    assert sum(each["completion_tokens"] for each in groups) == sum(completion for _, completion in rows.values())


def test_a_running_gateway_takes_a_key_as_soon_as_it_is_issued_and_refuses_it_as_soon_as_it_is_revoked(
    tmp_path: Path,
) -> None:
    ledger = tmp_path / "ledger.db"
    with FleetThread(on_free_ports(load_fleet())) as providers:
        config = gateway_file(tmp_path, providers)
        config.write_text(config.read_text() + f'\n[ledger]\npath = "{ledger}"\n')
        with operated(config, tmp_path / "log") as gateway:
            key = typed("keys", "create", "laptop", "--config", str(config), "--model", "gpt-4o").strip()
            headers = {"authorization": f"Bearer {key}"}

            def ask(model: str) -> int:
                url, body = f"{gateway.base_url}/chat/completions", {**BODY, "model": model}
                return httpx2.post(url, json=body, headers=headers, trust_env=False).status_code

            assert ask("gpt-4o") == 200
            assert ask("gpt-4o-mini") == 404  # as if it did not exist, for the key
            typed("keys", "revoke", "laptop", "--config", str(config))
            assert ask("gpt-4o") == 401
    assert booked(ledger).keys()
