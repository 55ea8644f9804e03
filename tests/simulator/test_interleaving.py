"""What happens to a request is drawn for it alone: neither the order nor the number of the others changes it."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TypeAlias

import httpx2
import msgspec
import pytest
import trio

from routeproof_simulator.behaviours import chance, cut, fail, first, latency, stream_error
from routeproof_simulator.fleet import Fleet
from routeproof_simulator.recorder import record
from routeproof_simulator.world.clock import run_virtual
from routeproof_simulator.world.memory_fleet import serve_fleet_in_memory
from routeproof_simulator.world.network import MemoryNetwork
from routeproof_spec.marker import in_text
from tests.simulator.asking import FLEET, chat
from tests.simulator.in_memory import MemoryTransport

Seen: TypeAlias = dict[tuple[str, str, int], tuple[tuple[str, ...], int | None, bytes, float]]

WHIMS = (
    chance(0.5, latency(1.0, jitter=1.0))
    | chance(0.3, fail(503))
    | chance(0.4, cut(2))
    | chance(0.5, chance(0.5, stream_error(1)))
    | first(1, chance(0.5, fail(429)))
)
MARKERS = tuple(f"marker{number:02}" for number in range(20))


async def _ask(client: httpx2.AsyncClient, marker: str) -> None:
    """Ask both providers, the first of them twice: the attempts of one request keep their order."""
    said = chat(messages=[{"role": "user", "content": f"Tell me. {in_text(marker)}"}], stream=True)
    for name in ("alpha", "beta", "alpha"):
        await record(
            client,
            "POST",
            f"http://{name}.test/v1/chat/completions",
            marker=marker,
            headers=(("authorization", f"Bearer sk-{name}-test"), ("content-type", "application/json")),
            body=msgspec.json.encode(said),
        )


async def _live(order: tuple[str, ...], at_once: int, spread: float) -> Seen:
    fleet = Fleet(FLEET, now=trio.current_time, wall=lambda: 1.7e9)
    for provider in fleet.providers.values():
        provider.set_behaviour(WHIMS)
    network = MemoryNetwork()
    room = trio.CapacityLimiter(at_once)

    async def ask(marker: str) -> None:
        async with room:
            await _ask(client, marker)

    async with (
        httpx2.AsyncClient(transport=MemoryTransport(network), timeout=None) as client,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(serve_fleet_in_memory, fleet, network)
        async with trio.open_nursery() as clients:
            for number, marker in enumerate(order):
                await trio.sleep_until(number * spread)
                clients.start_soon(ask, marker)
        nursery.cancel_scope.cancel()
    return {
        (each.provider, each.marker or "", each.index): (
            each.faults,
            each.status,
            each.body,
            round(each.ended_at - each.received_at, 6),
        )
        for each in fleet.journal.attempts
    }


@pytest.mark.parametrize(("at_once", "spread", "seed"), [(20, 0.0, 1), (20, 0.0, 2), (5, 0.1, 3), (20, 0.3, 4)])
def test_the_same_requests_meet_the_same_faults_in_any_order_and_at_any_concurrency(
    at_once: int, spread: float, seed: int
) -> None:
    one_by_one = run_virtual(partial(_live, MARKERS, 1, 0.0))
    shuffled = list(MARKERS)
    Random(seed).shuffle(shuffled)
    assert run_virtual(partial(_live, tuple(shuffled), at_once, spread), seed=seed) == one_by_one
    assert len(one_by_one) == 3 * len(MARKERS)
    assert len({faults for faults, *_ in one_by_one.values()}) > 10  # else there was nothing to confuse
