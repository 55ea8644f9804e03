"""Wrong gateways in the hands of who runs them: they do not say how they are, or end without care."""

from __future__ import annotations

import trio

from routeproof_reference_server.operations import house
from routeproof_reference_server.operations.drain import Drain, Phase
from tests.mutants.breaks import Break
from tests.mutants.edge import Asked, Told, edged, patch, spoilt


def _keeping(path: str) -> None:
    """A probe is for those who show a key."""

    def tells(told: Told, asked: Asked) -> Told:
        return spoilt(told, 401, "authentication_error") if asked.path == path else told

    edged(tells=tells)


def asks_a_key_for_liveness() -> None:
    """Liveness is told to those alone who show a key."""
    _keeping("/healthz")


def asks_a_key_for_readiness() -> None:
    """Readiness is told to those alone who show a key."""
    _keeping("/readyz")


def is_ready_to_the_end() -> None:
    """Readiness is told for as long as the process lives."""

    def leaving(self: house.House) -> str | None:
        del self
        return None

    patch(house.House, "_leaving", leaving)


def cuts_what_is_under_way() -> None:
    """Told to end, it ends, whatever is under way."""
    true_run = Drain.run

    async def run(self: Drain, *, delay: float, patience: float) -> None:
        del delay, patience
        await true_run(self, delay=0.0, patience=0.0)

    patch(Drain, "run", run)


def never_ends() -> None:
    """Told to end, it takes no more requests, and stays."""

    async def run(self: Drain, *, delay: float, patience: float) -> None:
        del delay, patience
        self.phase = Phase.CLOSED
        await trio.sleep_forever()

    patch(Drain, "run", run)


OPERATING: tuple[Break, ...] = (
    Break(requirement="operations.alive.answered", apply=asks_a_key_for_liveness),
    Break(requirement="operations.ready.answered", apply=asks_a_key_for_readiness),
    Break(requirement="operations.ready.withdrawn", apply=is_ready_to_the_end),
    Break(requirement="operations.drain.served", apply=cuts_what_is_under_way),
    Break(requirement="operations.drain.ends", apply=never_ends),
)
