"""Where limits and billing attach: the two questions that the gateway asks, and the answers of one that has neither."""

from __future__ import annotations

from typing import Protocol, final

import msgspec

from routeproof_reference_server.auth import Caller
from routeproof_reference_server.routing.catalogue import Deployment
from routeproof_reference_server.validation import Body


class Limits(Protocol):
    """Whether a key may make a request now."""

    def admit(self, caller: Caller, body: Body, now: float) -> None:
        """Let the request pass at *now* (Unix seconds), or raise `GatewayError` (402, 422, 429)."""
        ...


class Ledger(Protocol):
    """Who owes what to whom; only attempts that served are told."""

    def served(self, caller: Caller, deployment: Deployment, usage: msgspec.Raw | None) -> None:
        """Book *usage*, the JSON that the client was told; None where the provider told none."""
        ...


@final
class NoLimits:
    """Admits every request."""

    def admit(self, caller: Caller, body: Body, now: float) -> None:
        """Let the request pass."""


@final
class NoLedger:
    """Books nothing."""

    def served(self, caller: Caller, deployment: Deployment, usage: msgspec.Raw | None) -> None:
        """Book nothing."""
