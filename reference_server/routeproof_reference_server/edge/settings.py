"""What hypercorn's connections are told, and what ours are told beyond it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Final, final

from hypercorn.config import Config

from routeproof_reference_server.config import GatewayConfig
from routeproof_reference_server.edge.crowd import Crowd
from routeproof_reference_server.headers import new_id
from routeproof_spec.contract import load_contract

_HEAD_BYTES_MAX: Final = load_contract().limits.header_bytes_max


@final
class EdgeSettings(Config):
    """Hypercorn's settings with the bounds of a client; all durations are seconds."""

    head_bytes_max: int = _HEAD_BYTES_MAX
    head_timeout: float
    write_timeout: float
    write_total: float
    crowd: Crowd
    new_id: Callable[[], str]  # of a request that is refused before the app hears of it


def edge_settings(config: GatewayConfig, rng: Random) -> EdgeSettings:
    """Return the settings for *config*, less the address; all connections share what they count there."""
    clients = config.clients
    settings = EdgeSettings()
    settings.backlog = config.server.backlog
    settings.accesslog = None
    settings.errorlog = logging.getLogger("routeproof.gateway")
    settings.include_server_header = False
    # h11 looks at what is incomplete alone, so a head that comes in one piece is measured once more.
    settings.h11_max_incomplete_size = _HEAD_BYTES_MAX
    settings.keep_alive_timeout = clients.idle
    settings.head_timeout = clients.head
    settings.write_timeout = clients.write
    settings.write_total = clients.write_total
    settings.crowd = Crowd(connections_max=clients.connections_max)
    settings.new_id = partial(new_id, rng)
    return settings
