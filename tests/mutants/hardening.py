"""Wrong in what they let a client make them hold, and in where they let what it says end up."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import trio

from routeproof_reference_server import admission, headers
from routeproof_reference_server.edge import connection, protocol, settings
from tests.mutants.breaks import Break
from tests.mutants.edge import Asked, Told, edged, patch, spoilt

_INJECTED: Final = "x-routeproof-injected"


def _restatus(word: str, status: int) -> None:
    def tells(told: Told, _: Asked) -> Told:
        is_meant = told.status >= 400 and word.encode() in told.body
        return spoilt(told, status, "invalid_request_error") if is_meant else told

    edged(tells=tells)


def _nothing(_: object) -> int:
    return 0


def tells_a_large_body_as_400() -> None:
    """A body that is too large is told as a malformed one."""
    _restatus("payload_too_large", 400)


def takes_any_head() -> None:
    """A head may be as large as it likes."""
    patch(settings, "_HEAD_BYTES_MAX", 2**24)
    patch(protocol, "head_bytes", _nothing)


def takes_half_a_head_more() -> None:
    """A head is measured only where it does not come in one piece."""
    patch(protocol, "head_bytes", _nothing)


def fails_at_a_long_conversation() -> None:
    """Too many messages are told as a fault of the gateway's own."""

    def tells(told: Told, asked: Asked) -> Told:
        is_long = len(asked.json.get("messages") or ()) > 2048
        return spoilt(told, 500, "api_error") if is_long else told

    edged(tells=tells)


def takes_any_fallback_list() -> None:
    """A fallback list may be as long as it likes."""
    contract = headers._CONTRACT  # pyright: ignore[reportPrivateUsage]
    patch(headers, "_CONTRACT", replace(contract, limits=replace(contract.limits, fallback_items_max=10**6)))


def fails_at_depth() -> None:
    """A body that is nested too deep is told as a fault of the gateway's own."""

    def tells(told: Told, asked: Asked) -> Told:
        return spoilt(told, 500, "api_error") if b"[" * 999 in asked.body else told

    edged(tells=tells)


def takes_any_number_of_requests() -> None:
    """Nobody counts how many requests are under way."""
    true_init = admission.Admission.__init__

    def init(self: admission.Admission, **bounds: Any) -> None:
        true_init(self, **{**bounds, "requests_max": 10**6})

    patch(admission.Admission, "__init__", init)


def does_not_say_when_to_come_again() -> None:
    """Who comes too much is not told when to come again."""
    edged(tells=lambda told, _: told.having("retry-after", None) if b"overloaded" in told.body else told)


def lets_a_name_into_the_head() -> None:
    """What follows a line break in the model's name becomes a header."""

    def tells(told: Told, asked: Asked) -> Told:
        name = asked.json.get("model")
        return told.having(_INJECTED, "yes") if isinstance(name, str) and "\n" in name else told

    edged(tells=tells)


def waits_for_any_reader() -> None:
    """A client that does not read is waited for as long as it stays."""

    async def sent(self: connection.Connection, data: bytes) -> bool:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError), trio.CancelScope(shield=True):
            await self._stream.send_all(data)  # pyright: ignore[reportPrivateUsage]
            return True
        return False

    patch(connection.Connection, "_sent", sent)


HARDENING: Final[Sequence[Break]] = (
    Break(requirement="bounds.body.refused", apply=tells_a_large_body_as_400),
    Break(requirement="bounds.head.refused", apply=takes_any_head),
    Break(requirement="bounds.head.refused", apply=takes_half_a_head_more),
    Break(requirement="bounds.messages.refused", apply=fails_at_a_long_conversation),
    Break(requirement="bounds.fallback.refused", apply=takes_any_fallback_list),
    Break(requirement="bounds.depth.refused", apply=fails_at_depth),
    Break(requirement="bounds.requests.refused", apply=takes_any_number_of_requests),
    Break(requirement="bounds.requests.refused", apply=does_not_say_when_to_come_again),
    Break(requirement="timeouts.reader.bounded", apply=waits_for_any_reader),
    Break(requirement="bounds.text.contained", apply=lets_a_name_into_the_head),
)
