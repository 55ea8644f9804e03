"""A schedule on the real clock, over real sockets, behind the reference gateway, judged like any other run."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import httpx2
import msgspec
import pytest
import trio

from routeproof_reference_server import load_config, serve
from routeproof_simulator.fleet import RunningFleet, load_fleet, on_free_ports, serving_fleet
from routeproof_simulator.invariants import BreakerDeclared, Declared, judge
from routeproof_simulator.recorder import record
from routeproof_simulator.schedules.schedule import Schedule, parse
from routeproof_simulator.world.reached import reached
from routeproof_spec.contract import load_contract
from routeproof_spec.history import Ended, Exchange, History
from routeproof_spec.marker import in_text
from tests.end_to_end.stack import KEY, gateway_file

pytestmark = pytest.mark.end_to_end

SCALE = 8.0
REQUESTS = 80
GAP = 0.04  #: seconds between two requests
PROVIDERS = ("alpha", "beta", "gamma")

# Sixteen seconds, lived through in two: an edge that two providers share, then a door that refuses.
EDGE_AND_DOOR = [
    {
        "at": 1,
        "for": 8,
        "providers": ["alpha", "beta"],
        "behaviour": [{"fail": {"status": 502, "body": "<h1>502</h1>", "content_type": "text/html"}}],
        "flap": {"up": 1, "down": 2},
    },
    {"at": 10, "for": 6, "providers": ["alpha"], "door": "refused"},
]
DECLARED = Declared(
    serves={f"{name}/gpt-4o": (name,) for name in PROVIDERS},
    recover_within=1.0,
    breaker=BreakerDeclared(failures=5, cooldown=5.0, out_max=75.0),
    client_keys=(KEY,),
)


async def ask(client: httpx2.AsyncClient, base_url: str, number: int, exchanges: list[Exchange]) -> None:
    marker = f"live{number:03}"
    names = load_contract().headers
    body = {
        "model": "alpha/gpt-4o",
        "messages": [{"role": "user", "content": in_text(marker)}],
        "stream": number % 2 == 0,
    }
    exchange = await record(
        client,
        "POST",
        f"{base_url}/chat/completions",
        marker=marker,
        headers=(
            ("authorization", f"Bearer {KEY}"),
            ("content-type", "application/json"),
            (names["fallback"], "beta/gpt-4o, gamma/gpt-4o"),
        ),
        body=msgspec.json.encode(body),
        now=time.monotonic,
    )
    exchanges.append(exchange)


async def live(folder: Path, schedule: Schedule) -> tuple[History, float]:
    """Return what happened, and when it began."""
    exchanges: list[Exchange] = []
    async with serving_fleet(on_free_ports(load_fleet())) as fleet, trio.open_nursery() as nursery:
        file = gateway_file(folder, fleet)
        config = load_config(file, environ={})
        stop = trio.Event()
        base_url: str = await nursery.start(partial(serve, config, port=0, shutdown_trigger=stop.wait))
        began = time.monotonic()
        fleet.performance.play(schedule, seed=1, scale=SCALE)
        async with httpx2.AsyncClient(trust_env=False) as client, trio.open_nursery() as clients:
            for number in range(REQUESTS):
                clients.start_soon(ask, client, base_url, number, exchanges)
                await trio.sleep(GAP)
        history = told(fleet, exchanges)
        stop.set()
    return history, began


def told(fleet: RunningFleet, exchanges: list[Exchange]) -> History:
    ordered = sorted(exchanges, key=lambda each: each.sent_at)
    return History(
        exchanges=tuple(ordered), attempts=fleet.journal.attempts, faults=fleet.performance.changes, seed="1"
    )


def test_a_schedule_plays_behind_a_real_gateway_and_the_run_is_judged_like_any(tmp_path: Path) -> None:
    schedule = parse(EDGE_AND_DOOR, file="the test", providers=PROVIDERS)
    history, began = trio.run(live, tmp_path, schedule)
    assert judge(history, DECLARED) == ()
    assert {each.ended for each in history.exchanges} == {Ended.COMPLETE}
    assert {each.status for each in history.exchanges} == {200}
    assert {"fallback", "fallback to the last of the chain", "refused"} <= reached(history, DECLARED)
    changes = schedule.changes(1)
    assert [each.provider for each in history.faults] == [each.provider for each in changes]
    late = [fault.at - (began + change.at / SCALE) for fault, change in zip(history.faults, changes, strict=True)]
    assert min(late) >= 0
    assert sorted(late)[len(late) // 2] < 0.25  # the median: a busy machine may be late once
