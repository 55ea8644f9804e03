from __future__ import annotations

import math
import struct
import time
from collections.abc import Awaitable, Callable
from socket import SO_LINGER, SOL_SOCKET

import httpx2
import pytest
import trio

from routeproof_simulator.recorder import PATIENT, Patience, record
from routeproof_spec.errors import LocalProtocolError
from routeproof_spec.history import Ended, Exchange
from routeproof_spec.redaction import fingerprint

Serve = Callable[[trio.SocketStream], Awaitable[None]]


def exchange_with(serve: Serve, *, patience: Patience = PATIENT) -> Exchange:
    """Record one GET at a real socket whose other end *serve* plays after the request has come."""

    async def handler(stream: trio.SocketStream) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += await stream.receive_some()
        await serve(stream)
        await stream.aclose()

    async def main() -> Exchange:
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            port: int = listener.socket.getsockname()[1]
            nursery.start_soon(trio.serve_listeners, handler, [listener])
            async with httpx2.AsyncClient(timeout=None, trust_env=False) as client:
                exchange = await record(
                    client,
                    "GET",
                    f"http://127.0.0.1:{port}/v1/models?a=b",
                    marker="m1",
                    headers=(("Authorization", "Bearer th-secret"),),
                    patience=patience,
                    now=time.monotonic,
                )
            nursery.cancel_scope.cancel()
        return exchange

    return trio.run(main)


async def answer_whole(stream: trio.SocketStream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a=b\r\nX-Two: 1\r\n\r\nhello")


async def close_at_once(stream: trio.SocketStream) -> None:
    await stream.aclose()


async def cut_body(stream: trio.SocketStream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello")


async def cut_chunk(stream: trio.SocketStream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n9\r\nhalf")


async def end_by_close(stream: trio.SocketStream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")


async def reset_in_body(stream: trio.SocketStream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello")
    await trio.sleep(0.02)  # real sockets: let the bytes be read before the reset throws them away
    stream.socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))


async def talk_gibberish(stream: trio.SocketStream) -> None:
    await stream.send_all(b"I am no HTTP at all\r\n\r\n")


async def hang_in_body(stream: trio.SocketStream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello")
    await trio.sleep_forever()


async def hang_before_head(_: trio.SocketStream) -> None:
    await trio.sleep_forever()


@pytest.mark.parametrize(
    ("serve", "ended", "body"),
    [
        (answer_whole, Ended.COMPLETE, b"hello"),
        (end_by_close, Ended.COMPLETE, b"hello"),
        (close_at_once, Ended.CUT, b""),
        (cut_body, Ended.CUT, b"hello"),
        (cut_chunk, Ended.CUT, b"hellohalf"),
        (reset_in_body, Ended.RESET, b"hello"),
        (talk_gibberish, Ended.BROKEN, b""),
    ],
)
def test_how_a_real_connection_ended_is_told_apart(serve: Serve, ended: Ended, body: bytes) -> None:
    exchange = exchange_with(serve)
    assert (exchange.ended, exchange.body) == (ended, body), exchange.detail


def test_credentials_are_redacted_on_both_sides_and_the_rest_is_kept() -> None:
    exchange = exchange_with(answer_whole)
    assert ("authorization", f"Bearer {fingerprint('th-secret')}") in exchange.request_headers
    assert ("x-routeproof-marker", "m1") in exchange.request_headers
    assert exchange.headers == (("content-length", "5"), ("set-cookie", fingerprint("a=b")), ("x-two", "1"))
    assert (exchange.path, exchange.status) == ("/v1/models?a=b", 200)
    assert exchange.head_at is not None
    assert exchange.sent_at <= exchange.head_at <= exchange.frames[0].at <= exchange.ended_at


def test_the_bound_keeps_what_arrived() -> None:
    exchange = exchange_with(hang_in_body, patience=Patience(within=0.05))
    assert (exchange.ended, exchange.status, exchange.body) == (Ended.TIMED_OUT, 200, b"hello")


def test_a_client_may_leave_before_any_head() -> None:
    exchange = exchange_with(hang_before_head, patience=Patience(within=5, leave_after=0.02))
    assert (exchange.ended, exchange.status) == (Ended.LEFT, None)


@pytest.mark.parametrize("patience", [Patience(leave_when=lambda body: b"ell" in body), Patience(body_bytes_max=4)])
def test_a_client_may_leave_by_what_it_has_read(patience: Patience) -> None:
    exchange = exchange_with(hang_in_body, patience=patience)
    assert (exchange.ended, exchange.body) == (Ended.LEFT, b"hello")


def record_nowhere(method: str, url: str) -> Exchange:
    async def main() -> Exchange:
        async with httpx2.AsyncClient(timeout=None, trust_env=False) as client:
            return await record(client, method, url, marker="m1", patience=Patience(within=math.inf))

    return trio.run(main)


def test_a_port_that_nobody_serves_is_refused() -> None:
    async def free_port() -> int:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port: int = listener.socket.getsockname()[1]
        await listener.aclose()
        return port

    exchange = record_nowhere("GET", f"http://127.0.0.1:{trio.run(free_port)}/")
    assert (exchange.ended, exchange.status) == (Ended.REFUSED, None)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://127.0.0.1:port/"])
def test_a_request_that_cannot_be_sent_is_the_callers_mistake(url: str) -> None:
    with pytest.raises(LocalProtocolError, match="cannot be sent"):
        record_nowhere("GET", url)
