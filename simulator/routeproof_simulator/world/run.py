"""One run of a scenario in virtual time: the application and the providers' real wire, in one process.

The client speaks to the application in process (level `app`); the application's own HTTP client dials the providers
over TCP in memory. Everything a run does is a function of the scenario and the seed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final, cast

import httpx2
import trio

from routeproof_simulator.door_states import Door
from routeproof_simulator.fleet import Fleet
from routeproof_simulator.journal import Journal
from routeproof_simulator.recorder import record
from routeproof_simulator.schedules.performance import play
from routeproof_simulator.traces import read_trace
from routeproof_simulator.world.asgi_transport import ASGIApp, ASGITransport, serving_app
from routeproof_simulator.world.clock import run_virtual
from routeproof_simulator.world.load import Planned, plan
from routeproof_simulator.world.memory_dialling import MemoryDialling
from routeproof_simulator.world.memory_fleet import serve_fleet_in_memory
from routeproof_simulator.world.network import MemoryNetwork
from routeproof_simulator.world.scenario import REQUESTS_MAX, Scenario
from routeproof_spec.errors import ConfigError, RouteproofError
from routeproof_spec.history import Exchange, FaultChange, History

EPOCH: Final = 1_767_225_600  # the wall clock at virtual second 0: 2026-01-01T00:00:00Z
SETTLE: Final = 5.0  #: seconds after the last answer in which attempts come to their end
GRACE: Final = 600.0  #: seconds beyond all that a scenario allows before a run counts as stuck

ATTEMPTS_MAX: Final = 8 * REQUESTS_MAX
ATTEMPTS_BYTES_MAX: Final = 2 * 2**30

AppFactory = Callable[..., ASGIApp]


def run(scenario: Scenario, *, file: Path, seed: int | None = None) -> History:
    """Live through *scenario*, read from *file*, once; return what happened from all sides.

    Raises `RouteproofError` where the application cannot be made or says that it cannot start, and its kinds `Deadlock`
    and `HorizonPassed` where the run gets stuck.
    """
    seed = scenario.seed if seed is None else seed
    factory = load_factory(scenario.app, file=file)
    waits = max(mix.within for mix in scenario.load.mix)
    horizon = scenario.duration + waits + SETTLE + GRACE
    error: BaseException
    try:
        return run_virtual(partial(_live, scenario, factory, file, seed), seed=seed, horizon=horizon)
    except* RouteproofError as group:
        error = group
        while isinstance(error, BaseExceptionGroup):  # the nurseries' wrapping: one mistake is one sentence
            error = error.exceptions[0]
    raise error


def load_factory(name: str, *, file: Path) -> AppFactory:
    """Return the factory that *name* (`module:factory`) names; raise `ConfigError` where there is none."""
    module, colon, attribute = name.partition(":")
    if not colon:
        raise ConfigError(file=file, key="app", found=repr(name), wanted="module:factory")
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        wanted = "a factory that can be imported, as routeproof_reference_server:simulated"
        raise ConfigError(file=file, key="app", found=f"{name!r} ({error})", wanted=wanted) from error
    return cast("AppFactory", found)


async def _live(scenario: Scenario, factory: AppFactory, file: Path, seed: int) -> History:
    # All of a run is judged, so all of it is kept.
    journal = Journal(attempts_max=ATTEMPTS_MAX, bytes_max=ATTEMPTS_BYTES_MAX)
    fleet = Fleet(scenario.fleet, now=trio.current_time, wall=wall, journal=journal)
    network = MemoryNetwork()
    changes = _configured_faults(scenario)
    app = factory(
        file.parent / scenario.gateway,
        network=MemoryDialling(network),
        rng=Random(f"{seed}/gateway"),
        wall=wall,
    )
    trace = () if scenario.load.trace is None else read_trace(file.parent / scenario.load.trace)
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_fleet_in_memory, fleet, network)
        nursery.start_soon(partial(play, scenario.schedule(), fleet.providers, seed=seed, tell=changes.append))
        async with serving_app(app) as transport:
            exchanges = await _ask(transport, plan(scenario, seed, trace))
            await trio.sleep(SETTLE)
            attempts = fleet.journal.attempts  # before the end, which would end what is still open
        nursery.cancel_scope.cancel()
    return History(
        exchanges=tuple(sorted(exchanges, key=lambda each: (each.sent_at, each.marker))),
        attempts=attempts,
        faults=tuple(changes),
        seed=str(seed),
        notes={
            "scenario": scenario.title,
            "level": "app",
            "crashes": "; ".join(transport.crashes),
            "attempts dropped": str(fleet.journal.dropped),
        },
    )


def wall() -> float:
    """Return the Unix time that the simulated world shows."""
    return EPOCH + trio.current_time()


async def _ask(transport: ASGITransport, planned: Iterable[Planned]) -> list[Exchange]:
    exchanges: list[Exchange] = []

    async def ask(request: Planned) -> None:
        exchange = await record(
            client,
            "POST",
            request.path,
            marker=request.marker,
            headers=request.headers,
            body=request.body,
            patience=request.patience,
        )
        exchanges.append(exchange)

    async with (
        httpx2.AsyncClient(transport=transport, base_url="http://gateway.test", timeout=None) as client,
        trio.open_nursery() as nursery,
    ):
        for request in planned:
            await trio.sleep_until(request.at)
            nursery.start_soon(ask, request, name=f"request {request.marker}")
    return exchanges


def _configured_faults(scenario: Scenario) -> list[FaultChange]:
    """Return a change at the start for each provider whose door is never open by configuration."""
    return [
        FaultChange(at=0.0, provider=each.name, behaviour=each.door.value)
        for each in scenario.fleet.providers
        if each.door is not Door.OPEN
    ]
