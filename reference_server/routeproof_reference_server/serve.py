"""The gateway on a socket: hypercorn on Trio."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Final

import httpx2
import trio
from hypercorn.config import Config
from hypercorn.trio import serve as hypercorn_serve

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
    address = f"{host or config.server.host}:{config.server.port if port is None else port}"
    app = create_app(config)
    try:
        async with trio.open_nursery(strict_exception_groups=False) as nursery:
            binds: list[str] = await nursery.start(_listen, app, hypercorn_config(config, address), shutdown_trigger)
            task_status.started(binds[0] + load_contract().prefix)
    except OSError as error:
        if error.errno not in {errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES}:
            raise
        reason = os.strerror(error.errno)
        raise RouteproofError(
            f"cannot listen on {address}: {reason}; choose another port, 0 for any free one"
        ) from error


async def _listen(
    app: Gateway,
    config: Config,
    shutdown_trigger: Callable[[], Awaitable[None]] | None,
    *,
    task_status: trio.TaskStatus[list[str]],
) -> None:
    await hypercorn_serve(app, config, shutdown_trigger=shutdown_trigger, task_status=task_status, mode="asgi")


def hypercorn_config(config: GatewayConfig, address: str) -> Config:
    """Return hypercorn's settings for *config*, listening at *address* (`host:port`)."""
    settings = Config()
    settings.bind = [address]
    settings.backlog = config.server.backlog
    settings.accesslog = None
    settings.errorlog = logging.getLogger("routeproof.gateway")
    settings.include_server_header = False
    settings.h11_max_incomplete_size = load_contract().limits.header_bytes_max
    settings.graceful_timeout = GRACE
    return settings


def simulated(config_file: Path = DEFAULT_FILE, *, transport: httpx2.AsyncBaseTransport, rng: Random) -> Gateway:
    """Return the gateway for a simulation: its providers are behind *transport*, its chance is *rng*."""
    return create_app(load_config(config_file, environ=os.environ), transport=transport, rng=rng)
