"""The gateway on a socket: hypercorn's HTTP on Trio, with connections of our own."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

import httpcore2
import trio

from routeproof_reference_server.app import create_app
from routeproof_reference_server.asgi import Gateway
from routeproof_reference_server.config import DEFAULT_FILE, GatewayConfig, load_config
from routeproof_reference_server.edge import edge_settings
from routeproof_reference_server.operations.house import House
from routeproof_reference_server.operations.listening import Door
from routeproof_reference_server.operations.log import Log, Sink, to_descriptor
from routeproof_spec.contract import load_contract
from routeproof_spec.errors import RouteproofError

STDERR: Final = 2

Load: TypeAlias = Callable[[], GatewayConfig]  # reads the configuration anew; raises `RouteproofError`

_LOG: Final = logging.getLogger("routeproof.gateway")


async def serve(
    config: GatewayConfig,
    *,
    host: str | None = None,
    port: int | None = None,
    shutdown_trigger: Callable[[], Awaitable[None]] | None = None,
    reloads: trio.MemoryReceiveChannel[Load] | None = None,
    sink: Sink | None = None,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the gateway until cancelled, or until *shutdown_trigger* returns; tell its base URL once it listens.

    *host* and *port* override the configuration's; port 0 is any free one. What is told to stop takes no more requests
    and lets those under way end. Each of *reloads* reads a configuration that takes the place of the present one; where
    it cannot, the log says why, and nothing changes. The log goes to *sink*, by default to standard error. Raises
    `RouteproofError` where the address cannot be had.
    """
    bound = _bound(host or config.server.host, config.server.port if port is None else port, config.server.backlog)
    operations = config.operations
    beside = None if operations.port is None else _bound(operations.host, operations.port, config.server.backlog)
    is_terminal = sink is None and os.isatty(STDERR)
    log = Log(config.log, sink or to_descriptor(STDERR), time.time, is_terminal=is_terminal)
    async with trio.open_nursery() as nursery:
        await nursery.start(log.run)
        with log.hears(_LOG):
            house = House(config, log, nursery)
            await house.open()
            if beside is not None:
                nursery.start_soon(
                    Door(house.operations, edge_settings(config, Random()), beside).run, trio.sleep_forever
                )
            if reloads is not None:
                nursery.start_soon(house.follow, reloads)
            task_status.started(_base_url(bound))
            until = trio.sleep_forever if shutdown_trigger is None else partial(house.end_after, shutdown_trigger)
            await Door(house.front, edge_settings(config, Random()), bound).run(until)
            await house.close()
        nursery.cancel_scope.cancel()


def _base_url(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{load_contract().prefix}"


def _bound(host: str, port: int, backlog: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=backlog)
    except OSError as error:
        wanted = "choose another address, or port 0 for any free one"
        raise RouteproofError(f"cannot listen on {host} port {port}: {error.strerror}; {wanted}") from error


def simulated(
    config_file: Path = DEFAULT_FILE,
    *,
    network: httpcore2.AsyncNetworkBackend,
    rng: Random,
    wall: Callable[[], float] = time.time,
) -> Gateway:
    """Return the gateway for a simulation: providers dialled on *network*, chance from *rng*, Unix time from *wall*."""
    return create_app(load_config(config_file, environ=os.environ), network=network, rng=rng, wall=wall)
