"""The way to the providers: the HTTP client's pool of connections, as a transport.

The client's own transport leaves a generator behind where a body is given up in the middle, and Python complains of it
at whatever time it collects it; this one closes what it opened.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Mapping
from contextlib import aclosing, contextmanager
from types import MappingProxyType
from typing import Final, cast, final

import httpcore2
import httpx2

# The two libraries name their errors alike.
_ERRORS: Final[Mapping[type[Exception], type[httpx2.TransportError]]] = MappingProxyType(
    {
        httpcore2.ConnectTimeout: httpx2.ConnectTimeout,
        httpcore2.PoolTimeout: httpx2.PoolTimeout,
        httpcore2.ReadTimeout: httpx2.ReadTimeout,
        httpcore2.WriteTimeout: httpx2.WriteTimeout,
        httpcore2.ConnectError: httpx2.ConnectError,
        httpcore2.ReadError: httpx2.ReadError,
        httpcore2.WriteError: httpx2.WriteError,
        httpcore2.LocalProtocolError: httpx2.LocalProtocolError,
        httpcore2.RemoteProtocolError: httpx2.RemoteProtocolError,
    }
)

IDLE: Final = 5.0  #: seconds that an unused connection is kept, as httpx keeps it


@final
class Dialling(httpx2.AsyncBaseTransport):
    """One pool of connections to all providers, on HTTP/1.1; follows no redirect and keeps no cookie."""

    def __init__(self, *, connections_max: int) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=connections_max,
            max_keepalive_connections=connections_max,
            keepalive_expiry=IDLE,
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send *request* and return as soon as the head of its answer has come."""
        url = request.url
        asked = httpcore2.Request(
            method=request.method,
            url=httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _translated():
            response = await self._pool.handle_async_request(asked)
        return httpx2.Response(response.status, headers=response.headers, stream=_Body(response))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


@final
class _Body(httpx2.AsyncByteStream):
    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        stream = cast("AsyncIterable[bytes]", self._response.stream)
        pieces = cast("AsyncGenerator[bytes, None]", aiter(stream))
        async with aclosing(pieces):
            with _translated():
                async for piece in pieces:
                    yield piece

    async def aclose(self) -> None:
        await self._response.aclose()


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except tuple(_ERRORS) as error:
        raise _ERRORS[type(error)](str(error)) from error
