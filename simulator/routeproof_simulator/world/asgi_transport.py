"""An HTTP client's transport straight into an ASGI application, piece by piece.

The HTTP client's own ASGI transport waits for the whole body; a gateway is judged by when each piece came and by what
it does when its client goes away in between. What the application does wrong is told as hypercorn tells it: no
response is an empty 500, half a response is a connection closed too soon.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias, final

import httpx2
import trio

from routeproof_simulator.recorder import CUT_IN_BODY
from routeproof_spec.errors import RouteproofError

Message: TypeAlias = MutableMapping[str, Any]  # the ASGI specification's own, untyped edge
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

PIECES_IN_FLIGHT_MAX: Final = 16  # the application waits when its client has not taken so many
CRASHES_MAX: Final = 100  # of those that are remembered


@final
class ASGITransport(httpx2.AsyncBaseTransport):
    """What `serving_app` yields; several clients may share it."""

    def __init__(self, app: ASGIApp, nursery: trio.Nursery) -> None:
        self._app = app
        self._nursery = nursery
        self.crashes: list[str] = []  # what the application raised, in words

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Call the application and return as soon as its response has begun."""
        call = _Call(method=request.method, body=await request.aread())
        self._nursery.start_soon(self._run, call, _scope(request), name=f"{request.method} {request.url.path}")
        begun = False
        try:
            await call.head.wait()
            begun = True
        finally:
            if not begun:
                call.leave()
        return httpx2.Response(call.status, headers=call.headers, stream=_Body(call))

    async def _run(self, call: _Call, scope: Message) -> None:
        try:
            await self._app(scope, call.receive, call.send)
        except Exception as error:  # noqa: BLE001 - a server outlives whatever its application raises
            if len(self.crashes) < CRASHES_MAX:
                self.crashes.append(f"{scope['method']} {scope['path']}: {error!r}")
        call.returned()


@asynccontextmanager
async def serving_app(app: ASGIApp) -> AsyncGenerator[ASGITransport]:
    """Start *app* by its lifespan, yield a transport into it, and shut it down in order.

    Raises `RouteproofError` where the application says that it cannot start.
    """
    lifespan = _Lifespan()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lifespan.run, app, name="lifespan")
        await lifespan.begin()
        async with trio.open_nursery() as requests:
            yield ASGITransport(app, requests)
            requests.cancel_scope.cancel()
        await lifespan.end()


def _scope(request: httpx2.Request) -> Message:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.partition(b"?")[0],
        "query_string": request.url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 1),
        "server": (request.url.host, request.url.port or 80),
    }


@final
class _Call:
    """One request at the application: what it may receive, what it has sent."""

    def __init__(self, *, method: str, body: bytes) -> None:
        self.head = trio.Event()
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._body: bytes | None = body
        self._is_head = method == "HEAD"
        self._over = trio.Event()  # the client is gone, or has everything
        self._complete = False
        self._in, self.pieces = trio.open_memory_channel[bytes](PIECES_IN_FLIGHT_MAX)

    @property
    def complete(self) -> bool:
        return self._complete

    def leave(self) -> None:
        """The client is gone, or has everything."""
        self._over.set()
        self.pieces.close()

    def returned(self) -> None:
        """The application will send no more."""
        if not self.head.is_set():
            self._begin(500, [(b"content-length", b"0")])
            self._complete = True
        self._in.close()

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            await trio.lowlevel.checkpoint()
            return {"type": "http.request", "body": body, "more_body": False}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await trio.lowlevel.checkpoint()
        if self._over.is_set():
            return  # the specification wants sends after a disconnect to be ignored
        match message["type"]:
            case "http.response.start" if not self.head.is_set():
                self._begin(message["status"], message.get("headers", ()))
            case "http.response.body" if self.head.is_set() and not self._complete:
                await self._send_body(message.get("body", b""), more=message.get("more_body", False))
            case unexpected:
                raise RuntimeError(f"{unexpected} may not be sent now")

    def _begin(self, status: int, headers: Any) -> None:
        self.status = status
        self.headers = [(bytes(name), bytes(value)) for name, value in headers]
        self.head.set()

    async def _send_body(self, body: bytes, *, more: bool) -> None:
        if body and not self._is_head:
            try:
                await self._in.send(bytes(body))
            except trio.BrokenResourceError:
                return  # the client left while the piece waited
        if not more:
            self._complete = True
            self._in.close()


@final
class _Body(httpx2.AsyncByteStream):
    def __init__(self, call: _Call) -> None:
        self._call = call

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._call.pieces:
            yield piece
        if not self._call.complete:
            raise httpx2.RemoteProtocolError(CUT_IN_BODY)

    async def aclose(self) -> None:
        self._call.leave()


@final
class _Lifespan:
    """The application's start and end, as events in and out."""

    def __init__(self) -> None:
        self._to_app, self._receive = trio.open_memory_channel[Message](2)
        self._scope = trio.CancelScope()
        self._started = trio.Event()
        self._ended = trio.Event()
        self._failed: str | None = None

    async def run(self, app: ASGIApp) -> None:
        scope: Message = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        try:
            with self._scope:
                await app(scope, self._receive.receive, self._send)
        except Exception:
            # The specification: an application that raises at once does not know lifespans and serves all the same.
            if self._started.is_set():
                raise
        self._started.set()
        self._ended.set()

    async def begin(self) -> None:
        await self._to_app.send({"type": "lifespan.startup"})
        await self._started.wait()
        if self._failed is not None:
            raise RouteproofError(f"the application could not start: {self._failed}")

    async def end(self) -> None:
        if not self._ended.is_set():
            await self._to_app.send({"type": "lifespan.shutdown"})
            await self._ended.wait()
        self._scope.cancel()

    async def _send(self, message: Message) -> None:
        await trio.lowlevel.checkpoint()
        match message["type"]:
            case "lifespan.startup.complete":
                self._started.set()
            case "lifespan.startup.failed":
                self._failed = message.get("message", "") or "it gave no reason"
                self._started.set()
            case "lifespan.shutdown.complete" | "lifespan.shutdown.failed":
                self._ended.set()
            case unexpected:
                raise RuntimeError(f"{unexpected} is no event of a lifespan")
