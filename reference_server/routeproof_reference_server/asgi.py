"""Quart-Trio with the two things that the gateway asks of it beyond its own: a name and an end for every request."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Final, cast, final

import trio
from hypercorn.typing import ASGIReceiveCallable, ASGIReceiveEvent, ASGISendCallable
from quart import request
from quart.typing import ResponseTypes
from quart.utils import encode_headers
from quart.wrappers import Request, Response
from quart.wrappers.response import DataBody
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection

from routeproof_reference_server.dial import Dialling
from routeproof_reference_server.headers import new_id
from routeproof_reference_server.records import Head, Observer, RequestRecord
from routeproof_reference_server.routing import Router

_LOG: Final = logging.getLogger("routeproof.gateway")
_VISIT: Final = "routeproof.visit"

AT_ONCE_BYTES_MAX: Final = 16_384  # of a body that is sent with its end: as much a socket takes whoever reads (tcp(7))
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
        record = cast("Gateway", self.app).new_record(self.scope["headers"])
        cast("dict[str, Visit]", self.scope)[_VISIT] = Visit(record=record)
        request = self._create_request_from_scope(send)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.handle_messages, nursery, request, receive)
                await self.handle_request(nursery, request, send)  # here: one task less than Quart-Trio starts
        finally:
            record.closed(trio.current_time())

    async def _send_response(self, send: ASGISendCallable, response: ResponseTypes) -> None:
        visit = _visit(self.scope)
        if not visit.body_came.is_set():
            with trio.move_on_at(visit.record.began + cast("float", self.app.config["BODY_TIMEOUT"])):
                await visit.body_came.wait()
        headers = encode_headers(response.headers)
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await _send_body(send, response)
        visit.record.is_complete = True


async def _send_body(send: ASGISendCallable, response: ResponseTypes) -> None:
    """Send the body as it comes; what is short and whole is one message, for each costs a turn of the server."""
    assert isinstance(response, Response), "no handler answers with Werkzeug's"
    body = response.response
    if isinstance(body, DataBody) and len(body.data) <= AT_ONCE_BYTES_MAX:
        await _send_last(send, body.data)
        return
    async with cast("AbstractAsyncContextManager[AsyncIterable[bytes]]", body) as pieces:
        async for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await _send_last(send, b"")


async def _send_last(send: ASGISendCallable, body: bytes) -> None:
    """Send the answer's last message: no cancellation cuts it short.

    Hypercorn announces the end of a request before it closes the connection, and does both within this very call;
    Quart-Trio cancels the task at the announcement: unshielded, a connection that is not kept alive is never closed.
    """
    with trio.move_on_after(END_SECONDS_MAX, shield=True):
        await send({"type": "http.response.body", "body": body, "more_body": False})


@final
class Gateway(QuartTrio):
    """The ASGI app."""

    asgi_http_class = _Connection

    def __init__(self, rng: Random, observer: Observer, router: Router, dial: Dialling) -> None:
        super().__init__("routeproof_reference_server", static_folder=None)
        self._rng = rng
        self._observer = observer
        self.router = router  # what it has learned outlives a configuration
        self.dial = dial  # for those who count connections
        self.url_map.merge_slashes = False  # a path is taken as it comes, never redirected

    def new_record(self, head: Head) -> RequestRecord:
        """Return the record of a request that begins."""
        began = trio.current_time()
        record = RequestRecord(id=new_id(self._rng), began=began, observer=self._observer, head=head)
        self._observer.request_began(record)
        return record

    def log_exception(
        self,
        exception_info: tuple[type, BaseException, TracebackType] | tuple[None, None, None],
    ) -> None:
        """Log a fault of our own under the request id that the client was told."""
        _LOG.error("request %s: %s %s", visit().record.id, request.method, request.path, exc_info=exception_info)
