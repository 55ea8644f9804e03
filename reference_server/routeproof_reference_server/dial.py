"""The way to the providers: the HTTP client's pool of connections, on whatever network it is given.

Rule 1. What is written leaves with the next read: a request's head and body are one call of the system and one packet,
        where the client would make two of each, and wake the provider twice.
Rule 2. An idle connection ends after `IDLE` seconds on Trio's clock, as all time here; the pool's own expiry reads
        another.
Rule 3. What has come of a body is one piece, in however many chunks of HTTP it was framed: each piece costs a turn of
        everything between here and the client.
Rule 4. Whoever asked closes what it was given: a body that is given up in the middle gives its connection up.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import suppress
from functools import cache
from typing import Any, Final, TypeAlias, cast, final

import h11
import httpcore2
import trio

from routeproof_reference_server.unpacking import unpacked

_Event: TypeAlias = h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]

_CONNECTED: Final = "routeproof.connected"

IDLE: Final = 5.0  #: seconds that an unused connection is kept, as httpx keeps it


def _unheard() -> None:
    pass


@final
class Dialling:
    """One pool of connections to all providers, on HTTP/1.1; follows no redirect and keeps no cookie."""

    def __init__(self, *, connections_max: int, network: httpcore2.AsyncNetworkBackend | None = None) -> None:
        self._pool = _Pool(
            ssl_context=_trusted(),
            max_connections=connections_max,
            max_keepalive_connections=connections_max,
            network_backend=_Network(network or _sockets()),
        )

    async def ask(self, request: httpcore2.Request, connected: Callable[[], None] = _unheard) -> Reply:
        """Send *request* and return as soon as the head of its answer has come; raises httpcore2's errors.

        *connected* is called once there is a connection for it: until then it may have to be made, or waited for.
        """
        _extensions(request)[_CONNECTED] = connected
        return Reply(await self._pool.handle_async_request(request))

    def connections(self) -> dict[str, int]:
        """Return how many connections there are, by whether they are busy."""
        all_of_them = self._pool.connections
        idle = sum(each.is_idle() for each in all_of_them)
        return {"busy": len(all_of_them) - idle, "idle": idle}

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


@final
class Reply:
    """A provider's answer: its head, and its body as it comes."""

    def __init__(self, response: httpcore2.Response) -> None:
        self.status = response.status
        self.headers = response.headers  # as they came
        self.pieces: AsyncGenerator[bytes, None] = cast("AsyncGenerator[bytes, None]", aiter(_body(response)))
        self._response = response
        if packing := self.header(b"content-encoding"):
            self.pieces = unpacked(self.pieces, packing.lower())

    def header(self, name: bytes) -> str | None:
        """Return the value of the header *name*, in small letters, or None where there is none."""
        values = [value for key, value in self.headers if key.lower() == name]
        return b", ".join(values).decode("latin-1").strip() if values else None

    async def aclose(self) -> None:
        """Let go of the connection."""
        try:
            await self.pieces.aclose()
        finally:
            await self._response.aclose()


def _extensions(request: httpcore2.Request) -> dict[str, Callable[[], None]]:
    """Return what goes through the pool with *request*; nothing but our own is in it."""
    return cast("dict[str, Callable[[], None]]", request.extensions)  # pyright: ignore[reportUnknownMemberType]  # a dict


def _body(response: httpcore2.Response) -> AsyncIterable[bytes]:
    return cast("AsyncIterable[bytes]", response.stream)


def _sockets() -> httpcore2.AsyncNetworkBackend:
    # Where trio cannot be imported httpcore2 has something else under this name, says its type.
    return cast("httpcore2.AsyncNetworkBackend", httpcore2.TrioBackend())


@cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context()  # reads the system's certificates, which takes a while


@final
class _Pool(httpcore2.AsyncConnectionPool):
    def create_connection(self, origin: httpcore2.Origin) -> httpcore2.AsyncConnectionInterface:
        return _Connection(origin, ssl_context=self._ssl_context, network_backend=self._network_backend)


@final
class _Connection(httpcore2.AsyncHTTPConnection):
    """Differs from its parent in what it makes of a stream alone, and in that it serves one request at a time."""

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        if self._connection is None:
            try:
                self._connection = _OnePiece(self._origin, await self._connect(request))
            except BaseException:
                self._connect_failed = True
                raise
        _extensions(request)[_CONNECTED]()
        try:
            return await self._connection.handle_async_request(request)
        except httpcore2.ConnectionNotAvailable:
            raise
        except BaseException:
            # Given up when it was connected and nothing was sent yet, it is neither idle nor closed: the pool would
            # keep it for ever, and a place with it.
            if not self._connection.is_closed():
                with trio.CancelScope(shield=True):
                    await self._connection.aclose()
            raise


@final
class _OnePiece(httpcore2.AsyncHTTP11Connection):
    async def _receive_response_body(self, request: httpcore2.Request) -> AsyncGenerator[bytes, None]:
        del request  # its timeouts: the caller's own deadlines bound all
        event: _Event = await self._receive_event()
        while isinstance(event, h11.Data):
            come: list[bytes] = []
            while isinstance(event, h11.Data):
                come.append(event.data)
                event = self._next_event()
            yield b"".join(come)
            if event is h11.NEED_DATA:
                event = await self._receive_event()

    def _next_event(self) -> _Event:
        try:
            return self._h11_state.next_event()
        except h11.RemoteProtocolError:
            return h11.NEED_DATA  # what came before is told first; asked again, h11 says the same


@final
class _Network(httpcore2.AsyncNetworkBackend):
    def __init__(self, inner: httpcore2.AsyncNetworkBackend) -> None:
        self._inner = inner

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        return _Stream(await self._inner.connect_tcp(host, port, timeout, local_address, socket_options))

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


@final
class _Stream(httpcore2.AsyncNetworkStream):
    def __init__(self, inner: httpcore2.AsyncNetworkStream) -> None:
        self._inner = inner
        self._unsent = b""
        self._used_at = trio.current_time()  #: seconds on Trio's clock

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._unsent:
            unsent, self._unsent = self._unsent, b""
            # A provider may answer before it has read, and then close: its answer is what counts.
            with suppress(httpcore2.WriteError):
                await self._inner.write(unsent)
        data = await self._inner.read(max_bytes, timeout)
        self._used_at = trio.current_time()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        del timeout  # the caller's own deadlines bound all
        self._unsent = self._unsent + buffer if self._unsent else buffer

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        return _Stream(await self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        # The pool asks this of an idle connection, and lets go of it where there is something to read: its end.
        if info == "is_readable" and trio.current_time() - self._used_at > IDLE:
            return True
        return self._inner.get_extra_info(info)
