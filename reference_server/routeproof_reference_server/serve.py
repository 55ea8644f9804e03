"""The gateway on a socket: hypercorn on Trio."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, final

import httpcore2
import trio
from hypercorn.config import Config
from hypercorn.trio import serve as hypercorn_serve  # pyright: ignore[reportUnknownVariableType]  # its WSGI half

from routeproof_reference_server.app import create_app
from routeproof_reference_server.asgi import Gateway
from routeproof_reference_server.config import DEFAULT_FILE, GatewayConfig, load_config
from routeproof_spec.contract import load_contract
from routeproof_spec.errors import RouteproofError

GRACE: Final = 3.0  #: seconds that open requests get when the gateway is asked to stop


async def serve(
    config: GatewayConfig,
    *,
    host: str | None = None,
    port: int | None = None,
    shutdown_trigger: Callable[[], Awaitable[None]] | None = None,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the gateway until cancelled, or until *shutdown_trigger* returns; tell its base URL once it listens.

    *host* and *port* override the configuration's; port 0 is any free one. Raises `RouteproofError` where the address
    cannot be had.
    """
    bound = _bound(host or config.server.host, config.server.port if port is None else port, config.server.backlog)
    settings = hypercorn_config(config)
    settings.bind = [f"fd://{bound.detach()}"]
    listening = _Listening(task_status)
    await hypercorn_serve(
        create_app(config), settings, shutdown_trigger=shutdown_trigger, task_status=listening, mode="asgi"
    )


@final
@dataclass(frozen=True, slots=True)
class _Listening:
    """Hypercorn tells where it listens; the caller wants a base URL."""

    status: trio.TaskStatus[str]

    def started(self, value: list[str] | None = None) -> None:
        assert value
        self.status.started(value[0] + load_contract().prefix)


def _bound(host: str, port: int, backlog: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=backlog)
    except OSError as error:
        wanted = "choose another address, or port 0 for any free one"
        raise RouteproofError(f"cannot listen on {host} port {port}: {error.strerror}; {wanted}") from error


def hypercorn_config(config: GatewayConfig) -> Config:
    """Return hypercorn's settings for *config*, less the address."""
    settings = Config()
    settings.backlog = config.server.backlog
    settings.accesslog = None
    settings.errorlog = logging.getLogger("routeproof.gateway")
    settings.include_server_header = False
    settings.h11_max_incomplete_size = load_contract().limits.header_bytes_max
    settings.graceful_timeout = GRACE
    return settings


def simulated(
    config_file: Path = DEFAULT_FILE,
    *,
    network: httpcore2.AsyncNetworkBackend,
    rng: Random,
    wall: Callable[[], float] = time.time,
) -> Gateway:
    """Return the gateway for a simulation: providers dialled on *network*, chance from *rng*, Unix time from *wall*."""
    return create_app(load_config(config_file, environ=os.environ), network=network, rng=rng, wall=wall)
