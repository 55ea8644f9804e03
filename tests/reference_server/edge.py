"""The gateway on a real socket, asked byte by byte, with as little patience as a test wants it to have."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import h11
import httpx2
import msgspec
import trio

from routeproof_reference_server import serve
from routeproof_reference_server.config import GatewayConfig
from tests.reference_server.gateway import CONFIG, KEY, chat

AUTHORIZATION = f"Authorization: {KEY['authorization']}\r\n".encode()
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\n" + AUTHORIZATION
MODELS = b"GET /v1/models HTTP/1.1\r\nHost: gateway\r\n" + AUTHORIZATION + b"\r\n"
SECONDS_MAX = 10.0  #: of waiting for anything at all; a failure, never a pause


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One response off the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The error's code, of a body that is the contract's envelope."""
        error = msgspec.json.decode(self.body)["error"]
        assert set(error) >= {"type", "message", "code"}
        assert self.headers["content-type"] == "application/json"
        assert self.headers["x-inferoute-request-id"].startswith("req-")
        return error["code"]


def bounded(**clients: Any) -> GatewayConfig:
    """The default configuration with other bounds for clients."""
    return msgspec.structs.replace(CONFIG, clients=msgspec.structs.replace(CONFIG.clients, **clients))


def in_front_of(port: int, **clients: Any) -> GatewayConfig:
    """The same, with all providers on *port*."""
    providers = [msgspec.structs.replace(each, base_url=f"http://127.0.0.1:{port}/v1") for each in CONFIG.providers]
    return msgspec.structs.replace(bounded(**clients), providers=tuple(providers))


def asked(body: bytes | None = None, *, fields: bytes = b"", **more: Any) -> bytes:
    """A chat request in bytes."""
    data = msgspec.json.encode(chat(**more)) if body is None else body
    return HEAD + fields + b"Content-Length: %d\r\n\r\n" % len(data) + data


@asynccontextmanager
async def serving(config: GatewayConfig) -> AsyncGenerator[int]:
    """Serve the gateway on a free port; yield it."""
    async with trio.open_nursery() as nursery:
        base_url: str = await nursery.start(partial(serve, config, port=0))
        yield httpx2.URL(base_url).port or 0
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def connected(port: int) -> AsyncGenerator[trio.SocketStream]:
    """Connect to *port*, for no longer than `SECONDS_MAX`."""
    with trio.fail_after(SECONDS_MAX):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            yield stream


async def received(stream: trio.SocketStream) -> bytes:
    """All that comes until the gateway closes the connection."""
    return b"".join([piece async for piece in stream])


async def say(port: int, data: bytes) -> Told:
    """Send *data* on a connection of its own and return what it is answered."""
    async with connected(port) as stream:
        await stream.send_all(data)
        return await told(stream)


async def told(stream: trio.SocketStream) -> Told:
    """Read one response."""
    parser = h11.Connection(h11.CLIENT)
    parser.send(h11.Request(method="GET", target="/", headers=[("host", "gateway")]))
    parser.send(h11.EndOfMessage())
    head: h11.Response | None = None
    body = b""
    while True:
        match parser.next_event():
            case h11.NEED_DATA:
                parser.receive_data(await stream.receive_some())
            case h11.Response() as head:
                pass
            case h11.Data(data=data):
                body += data
            case h11.EndOfMessage():
                assert head is not None
                fields = {name.decode(): value.decode() for name, value in head.headers}
                return Told(status=head.status_code, headers=fields, body=body)
            case h11.InformationalResponse():
                pass
            case other:
                raise AssertionError(other)
