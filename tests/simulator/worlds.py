"""A small world for tests: a scenario of a few seconds, and gateways that are wrong in one way."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import ModuleType
from typing import cast

import httpcore2
import msgspec
import trio

import routeproof_simulator
from routeproof_reference_server import simulated
from routeproof_simulator.schedules.schedule import Fault
from routeproof_simulator.world.asgi_transport import ASGIApp, Message, Receive, Send
from routeproof_simulator.world.scenario import Scenario, load_scenario

SCENARIOS = Path(routeproof_simulator.__file__).with_name("scenarios")
PRIMARY_OUTAGE = SCENARIOS / "primary_outage.toml"


def small(
    app: str = "routeproof_reference_server:simulated", *, sometimes: tuple[str, ...] = ("fallback",)
) -> Scenario:
    """Return twelve seconds of the primary outage: alpha fails for five of them."""
    scenario = load_scenario(PRIMARY_OUTAGE)
    fault = Fault(at=3.0, lasts=5.0, providers=("alpha",), behaviour=[{"fail": {"status": 503}}])
    return msgspec.structs.replace(
        scenario,
        title="small outage",
        app=app,
        duration=12.0,
        fault=(fault,),
        expect=msgspec.structs.replace(scenario.expect, recover_within=2.0, sometimes=sometimes),
    )


@contextmanager
def gateway(name: str, wrap: Callable[[ASGIApp], ASGIApp]) -> Generator[str]:
    """Make the reference gateway, as *wrap* spoils it, importable for the length of the block; yield its name."""

    def factory(
        config_file: Path, *, network: httpcore2.AsyncNetworkBackend, rng: Random, wall: Callable[[], float]
    ) -> ASGIApp:
        # Quart's types spell every event of ASGI; ours leave them open, as the specification does.
        return wrap(cast("ASGIApp", simulated(config_file, network=network, rng=rng, wall=wall)))

    module = ModuleType(name)
    vars(module)["factory"] = factory
    sys.modules[name] = module
    try:
        yield f"{name}:factory"
    finally:
        del sys.modules[name]


def without_fallback(app: ASGIApp) -> ASGIApp:
    """Return *app* deaf to the header that asks for fallback."""

    async def deaf(scope: Message, receive: Receive, send: Send) -> None:
        kept = [(name, value) for name, value in scope.get("headers", ()) if name != b"x-inferoute-fallback"]
        await app({**scope, "headers": kept}, receive, send)

    return deaf


def unrepeatable() -> Callable[[ASGIApp], ASGIApp]:
    """Return what gives a gateway a memory beyond its runs."""
    calls: list[float] = []

    def wrap(app: ASGIApp) -> ASGIApp:
        async def slower_each_time(scope: Message, receive: Receive, send: Send) -> None:
            calls.append(trio.current_time())
            await trio.sleep(0.001 * len(calls))
            await app(scope, receive, send)

        return slower_each_time

    return wrap


def never_ready(_: ASGIApp) -> ASGIApp:
    """Return an application that waits for itself when it starts."""

    async def stuck(_scope: Message, _receive: Receive, _send: Send) -> None:
        await trio.Event().wait()

    return stuck


def refusing_to_start(_: ASGIApp) -> ASGIApp:
    """Return an application that says it cannot start."""

    async def refusing(_scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no catalogue"})

    return refusing
