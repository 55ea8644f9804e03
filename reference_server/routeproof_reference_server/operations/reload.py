"""What a new configuration cannot change while the process runs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from routeproof_reference_server.config import GatewayConfig

#: Keys that are read once, when the process starts: the sockets are open, and what hangs on them.
AT_START: Final[Sequence[str]] = (
    "server.host",
    "server.port",
    "server.backlog",
    "clients.connections_max",
    "clients.idle",
    "clients.head",
    "clients.write",
    "clients.write_total",
    "operations.host",
    "operations.port",
    "ledger.path",
    "ledger.url",
    "ledger.sync",
    "tracing.enabled",
    "tracing.endpoint",
    "tracing.service",
    "tracing.sample",
    "tracing.continue_client",
    "tracing.tell_providers",
)


def fixed(old: GatewayConfig, new: GatewayConfig) -> list[str]:
    """Return the keys in which *new* differs from *old* and that only the next start will read."""
    return [key for key in AT_START if _value(old, key) != _value(new, key)]


def _value(config: GatewayConfig, key: str) -> object:
    table, name = key.split(".")
    return getattr(getattr(config, table), name)
