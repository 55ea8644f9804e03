"""Wrong gateways that take a sign of life for an answer, or wait without an end."""

# A mutant reaches into what is private.
# pyright: reportPrivateUsage=false
from __future__ import annotations

from typing import Final

from routeproof_reference_server import payload
from routeproof_spec.sse import Event
from tests.mutants.attempts import waiting
from tests.mutants.breaks import Break
from tests.mutants.edge import patch


def waits_for_the_first_token() -> None:
    """A stream may take its time to its first content."""
    waiting(first_token=30.0, total=30.0)


def takes_every_event_for_progress() -> None:
    """A stream that sends empty pieces keeps the gateway waiting."""
    true_read = payload.ChunkReader.read

    def read(self: payload.ChunkReader, event: Event) -> tuple[bytes, bool]:
        return true_read(self, event)[0], True

    patch(payload.ChunkReader, "read", read)


def streams_without_end() -> None:
    """A stream that goes on is relayed for as long as it does."""
    waiting(total=30.0)


def sends_the_role_at_once() -> None:
    """The role goes out when it comes, and then no other provider can help."""
    takes_every_event_for_progress()


TIMEOUTS: Final = (
    Break(requirement="timeouts.first_token.bounded", apply=waits_for_the_first_token),
    Break(requirement="timeouts.heartbeat.bounded", apply=takes_every_event_for_progress),
    Break(requirement="timeouts.endless.bounded", apply=streams_without_end),
    Break(requirement="fallback.on.role_alone", apply=sends_the_role_at_once),
)
