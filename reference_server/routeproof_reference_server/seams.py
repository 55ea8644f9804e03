"""Where billing attaches."""

from __future__ import annotations

from typing import Protocol, final

import msgspec

from routeproof_reference_server.auth import Caller
from routeproof_reference_server.routing.catalogue import Deployment


class Ledger(Protocol):
    """Who owes what to whom; only attempts that served are told."""

    def served(self, caller: Caller, deployment: Deployment, usage: msgspec.Raw | None) -> None:
        """Book *usage*, the JSON that the client was told; None where the provider told none."""
        ...


@final
class NoLedger:
    """Books nothing."""

    def served(self, caller: Caller, deployment: Deployment, usage: msgspec.Raw | None) -> None:
        """Book nothing."""
