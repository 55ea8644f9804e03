"""What the door of a provider can do with a connection, before HTTP."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from routeproof_spec.errors import ConfigError


class Door(StrEnum):
    """What happens before HTTP."""

    OPEN = "open"
    REFUSED = "refused"  # the port is kept, and connections to it are refused
    SILENT = "silent"  # connections are accepted, and nothing is ever read
    RESET = "reset"  # connections are reset as soon as they are accepted
    TLS_EXPIRED = "tls_expired"  # the certificate's time is over
    TLS_WRONG_NAME = "tls_wrong_name"  # the certificate is another host's
    TLS_ABORT = "tls_abort"  # the connection is closed in the middle of the handshake


TLS_DOORS: Final = frozenset({Door.TLS_EXPIRED, Door.TLS_WRONG_NAME, Door.TLS_ABORT})


def check_door(door: Door, *, tls: bool, file: str, key: str) -> None:
    """Raise `ConfigError` for a *door* that a provider without *tls* cannot have."""
    if door in TLS_DOORS and not tls:
        plain = ", ".join(each for each in Door if each not in TLS_DOORS)
        wanted = f"one of {plain}: the provider is not served over TLS (tls = true)"
        raise ConfigError(file=file, key=key, found=repr(door.value), wanted=wanted)
