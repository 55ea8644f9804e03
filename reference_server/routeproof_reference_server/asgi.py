"""Quart-Trio with the two things that the gateway asks of it beyond its own: a name and an end for every request."""

from __future__ import annotations

import logging
import math
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from random import Random
from types import TracebackType
from typing import Final, cast, final

import trio
from hypercorn.typing import ASGIReceiveCallable, ASGIReceiveEvent, ASGISendCallable, ASGISendEvent
from quart import request
from quart.typing import ResponseTypes
from quart.wrappers import Request
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection

from routeproof_reference_server.records import Observer, RequestRecord
from routeproof_reference_server.routing import Router

_LOG: Final = logging.getLogger("routeproof.gateway")
_VISIT: Final = "routeproof.visit"

BODY_SECONDS_MAX: Final = 60.0  #: seconds that a client may take to send a request
END_SECONDS_MAX: Final = 5.0  #: seconds that an answer's end may take, and that of its connection with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request from its first byte to its answer's last, or to the client's departure."""

    record: RequestRecord
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)  # what is closed with it
    body_came: trio.Event = field(default_factory=trio.Event)  # all of it, read or not


def visit() -> Visit:
    """Return the visit that the current task serves."""
    return _visit(request.scope)


def record_of(scope: object) -> RequestRecord:
    """Return the record of the request that came with *scope*."""
    return _visit(scope).record


def _visit(scope: object) -> Visit:
    return cast("dict[str, Visit]", scope)[_VISIT]


@final
class _Connection(TrioASGIHTTPConnection):
    """Adds to Quart-Trio, which cancels the task of a request whose client leaves, what happens before and after.

    A streamed answer outlives its handler, and where the client leaves before its body is begun nobody would close it:
    so whatever a request holds is closed here, with its task. And an early refusal waits until the request's body has
    come: answered sooner, the client may never read it (RFC 9112, 9.6), and hypercorn would wait for us for ever.
    """

    async def handle_messages(  # type: ignore[override]  # Quart-Trio adds the nursery to Quart's signature
        self, nursery: trio.Nursery, request: Request, receive: ASGIReceiveCallable
    ) -> None:
        async def watched() -> ASGIReceiveEvent:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                _visit(self.scope).body_came.set()
            return message

        await super().handle_messages(nursery, request, watched)

    async def handle_request(  # type: ignore[override]  # the same
        self, nursery: trio.Nursery, request: Request, send: ASGISendCallable
    ) -> None:
        async with _visit(self.scope).stack:
            await super().handle_request(nursery, request, send)

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        record = cast("Gateway", self.app).new_record()
        cast("dict[str, Visit]", self.scope)[_VISIT] = Visit(record=record)
        try:
            await super().__call__(receive, send)
        finally:
            record.closed(trio.current_time())

    async def _send_response(self, send: ASGISendCallable, response: ResponseTypes) -> None:
        with trio.move_on_after(BODY_SECONDS_MAX):
            await _visit(self.scope).body_came.wait()
        await super()._send_response(partial(_send_to_the_end, send), response)
        _visit(self.scope).record.is_complete = True


async def _send_to_the_end(send: ASGISendCallable, message: ASGISendEvent) -> None:
    """Send *message*; where it is the answer's last, no cancellation cuts it short.

    Hypercorn announces the end of a request before it closes the connection, and does both within this very call;
    Quart-Trio cancels the task at the announcement: unshielded, a connection that is not kept alive is never closed.
    """
    is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
    with trio.move_on_after(END_SECONDS_MAX if is_last else math.inf, shield=is_last):
        await send(message)


@final
class Gateway(QuartTrio):
    """The ASGI app."""

    asgi_http_class = _Connection

    def __init__(self, rng: Random, observer: Observer, router: Router) -> None:
        super().__init__("routeproof_reference_server", static_folder=None)
        self._rng = rng
        self._observer = observer
        self.router = router  # what it has learned outlives a configuration
        self.url_map.merge_slashes = False  # a path is taken as it comes, never redirected

    def new_record(self) -> RequestRecord:
        """Return the record of a request that begins, under an id that no other request has: 96 random bits."""
        id_ = f"req-{self._rng.getrandbits(96):024x}"
        record = RequestRecord(id=id_, began=trio.current_time(), observer=self._observer)
        self._observer.request_began(record)
        return record

    def log_exception(
        self,
        exception_info: tuple[type, BaseException, TracebackType] | tuple[None, None, None],
    ) -> None:
        """Log a fault of our own under the request id that the client was told."""
        _LOG.error("request %s: %s %s", visit().record.id, request.method, request.path, exc_info=exception_info)
