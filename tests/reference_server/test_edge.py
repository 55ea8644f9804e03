"""What a client cannot do to the gateway: say what has two meanings, send or read too slowly, or keep others out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import pytest
import trio

from tests.reference_server.edge import (
    AUTHORIZATION,
    HEAD,
    MODELS,
    SECONDS_MAX,
    Told,
    asked,
    bounded,
    connected,
    in_front_of,
    received,
    say,
    serving,
    told,
)
from tests.reference_server.scripted import chunk

pytestmark = pytest.mark.end_to_end

SOON = 0.2  #: seconds that a test lets the gateway wait


def run(test: Callable[[int], Awaitable[None]], **clients: float) -> None:
    async def main() -> None:
        async with serving(bounded(**clients)) as port:
            await test(port)
            assert (await say(port, MODELS)).status == 200

    trio.run(main)


# What has two meanings, or none

AMBIGUOUS = {
    "two framings": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "lengths in one line": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 4\r\n\r\nabcd",
    "a length with a sign": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
    "an endless length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\nabc",
    "an unknown encoding": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    "chunked twice": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "a disguised encoding": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no host": b"GET /v1/models HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /v1/models HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a host that is none": b"GET /v1/models HTTP/1.1\r\nHost: " + b"a" * 64 + b"\r\n\r\n",
    "a host with an empty label": b"GET /v1/models HTTP/1.1\r\nHost: a..b\r\n\r\n",
    "NUL in a field": b"GET /v1/models HTTP/1.1\r\nHost: a\r\nX-A: b\x00c\r\n\r\n",
    "CR in a field": b"GET /v1/models HTTP/1.1\r\nHost: a\r\nX-A: b\rX-B: c\r\n\r\n",
    "a blank in the target": b"GET /v1/ models HTTP/1.1\r\nHost: a\r\n\r\n",
    "no path": b"GET ?a=b HTTP/1.1\r\nHost: a\r\n\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "an authority": b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1.2": b"GET /v1/models HTTP/1.2\r\nHost: a\r\n\r\n",
    "no HTTP": b"hello\r\n\r\n",
    "TLS": bytes.fromhex("16030100ca010000c60303") + b"a" * 40 + b"\r\n\r\n",
}


@pytest.mark.parametrize("data", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_has_no_one_meaning_is_refused_in_the_contracts_words_and_ends_the_connection(data: bytes) -> None:
    async def test(port: int) -> None:
        async with connected(port) as stream:
            await stream.send_all(data + MODELS)
            answer = await told(stream)
            assert (answer.status, answer.code) == (400, "malformed_request")
            assert answer.headers["connection"] == "close"
            assert await received(stream) == b""  # what follows is not taken for a request

    run(test)


@pytest.mark.parametrize("size", [1, 64 * 1024, 4 * 2**20], ids=["just", "in one piece", "endless"])
def test_a_head_that_is_too_large_is_refused_in_words(size: int) -> None:
    async def test(port: int) -> None:
        data = MODELS[:-2] + b"X-Large: " + b"x" * (16 * 1024 + size) + b"\r\n\r\n"
        answer = await say(port, data)
        assert (answer.status, answer.code) == (431, "headers_too_large")

    run(test)


@pytest.mark.parametrize("host", [b"", b"gateway.test:8700", b"127.0.0.1", b"[::1]:80", b"a_b.c-d."])
def test_a_host_is_a_name_or_an_address(host: bytes) -> None:
    async def test(port: int) -> None:
        answer = await say(port, MODELS.replace(b"Host: gateway", b"Host: " + host))
        assert answer.status == 200

    run(test)


def test_an_absolute_target_is_the_path_in_it() -> None:
    async def test(port: int) -> None:
        answer = await say(port, MODELS.replace(b"/v1", b"HTTP://elsewhere.test/v1"))
        assert answer.status == 200

    run(test)


@pytest.mark.parametrize(
    "offer",
    [
        b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YQ==\r\n\r\n",
    ],
    ids=["h2c", "websocket"],
)
def test_another_protocol_is_not_spoken(offer: bytes) -> None:
    async def test(port: int) -> None:
        answer = await say(port, MODELS[:-2] + offer)
        assert answer.status == 200
        assert "upgrade" not in answer.headers

    run(test)


def test_extensions_of_chunks_mean_nothing() -> None:
    body = b"Transfer-Encoding: chunked\r\n\r\n1;a=b;c\r\n{\r\n0;x\r\nTrailer: y\r\n\r\n"

    async def test(port: int) -> None:
        answer = await say(port, HEAD + body)
        assert (answer.status, answer.code) == (400, "malformed_request")

    run(test)


# Who is too slow


def test_a_head_that_does_not_come_is_told_so() -> None:
    async def test(port: int) -> None:
        async with connected(port) as stream:
            await stream.send_all(MODELS[:20])
            answer = await told(stream)
            assert (answer.status, answer.code) == (408, "request_timeout")
            assert await received(stream) == b""

    run(test, head=SOON)


def test_a_head_that_drips_is_told_so() -> None:
    async def drip(stream: trio.SocketStream) -> None:
        for byte in MODELS[:-1]:
            await stream.send_all(bytes([byte]))
            await trio.sleep(SOON / 10)

    async def test(port: int) -> None:
        async with connected(port) as stream, trio.open_nursery() as nursery:
            nursery.start_soon(drip, stream)
            assert (await told(stream)).status == 408
            nursery.cancel_scope.cancel()

    run(test, head=SOON)


def test_a_connection_on_which_nothing_is_asked_ends_without_a_word() -> None:
    async def test(port: int) -> None:
        async with connected(port) as stream:
            assert await received(stream) == b""
        async with connected(port) as stream:
            await stream.send_all(MODELS)
            assert (await told(stream)).status == 200
            assert await received(stream) == b""

    run(test, idle=SOON)


@pytest.mark.parametrize("authorization", [AUTHORIZATION, b""], ids=["with a key", "without"])
def test_a_body_that_does_not_come_is_told_so(authorization: bytes) -> None:
    data = asked()[:-10].replace(AUTHORIZATION, authorization)

    async def test(port: int) -> None:
        async with connected(port) as stream:
            await stream.send_all(data)
            answer = await told(stream)
            known = (408, "request_timeout") if authorization else (401, "invalid_api_key")
            assert (answer.status, answer.code) == known
            assert await received(stream) == b""

    run(test, body=SOON)


# Who keeps others out


def test_connections_left_half_open_keep_nobody_out() -> None:
    async def test(port: int) -> None:
        async with trio.open_nursery() as nursery:
            for number in range(60):
                nursery.start_soon(half_open, port, MODELS[: number % 3])
            await trio.testing.wait_all_tasks_blocked()
            with trio.fail_after(SECONDS_MAX / 5):
                for _ in range(5):
                    assert (await say(port, MODELS)).status == 200
            nursery.cancel_scope.cancel()

    async def half_open(port: int, data: bytes) -> None:
        async with connected(port) as stream:
            await stream.send_all(data)
            await trio.sleep_forever()

    run(test, connections_max=8)


def refusal(answer: Told) -> tuple[int, str, int]:
    return answer.status, answer.code, int(answer.headers["retry-after"])


def test_where_every_connection_asks_something_one_more_is_told_when_to_come_again() -> None:
    async def test(port: int) -> None:
        async with connected(port) as first, connected(port) as second:
            for stream in (first, second):
                await stream.send_all(asked()[:-1])
            await trio.sleep(SOON)  # real sockets: until both heads have been read
            assert refusal(await say(port, MODELS)) == (503, "overloaded", 1)
            await first.send_all(asked()[-1:])
            await told(first)  # so that it asks nothing any more, and gives its place to a newcomer
            assert (await say(port, MODELS)).status == 200
            assert await received(first) == b""

    async def main() -> None:
        async with serving(bounded(connections_max=2)) as port:
            await test(port)

    trio.run(main)


# Who does not read


@dataclass(slots=True)
class Endless:
    """A provider that streams without an end, and notes when nobody takes it any more."""

    sent: int = 0
    left: trio.Event = field(default_factory=trio.Event)

    async def handle(self, stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            await stream.receive_some()
            await stream.send_all(STREAM_HEAD)
            while True:
                await stream.send_all(MUCH)
                self.sent += len(MUCH)
        self.left.set()


EVENT = chunk({"content": "x" * 32_000})
MUCH = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


async def stream_to(read: Callable[[trio.SocketStream], Awaitable[None]], **clients: float) -> Endless:
    """Let a client *read* an endless stream as it pleases, until its provider feels that it is gone."""
    provider = Endless()
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, provider.handle, 0, host="127.0.0.1"))
        async with serving(in_front_of(listener.socket.getsockname()[1], **clients)) as port:
            async with connected(port) as client:
                await client.send_all(asked(stream=True))
                nursery.start_soon(read, client)
                await provider.left.wait()
                nursery.cancel_scope.cancel()
            nursery.cancel_scope.cancel()
    return provider


def test_a_client_that_stops_reading_is_let_go_and_its_provider_with_it() -> None:
    async def read(client: trio.SocketStream) -> None:
        assert await client.receive_some(100)

    provider = trio.run(partial(stream_to, read, write=SOON))
    assert provider.sent < 64 * 2**20  # what the kernel's buffers hold, four of them; the gateway's own are small


def test_a_client_that_reads_a_little_now_and_then_is_let_go_in_the_end() -> None:
    async def read(client: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            async for _ in client:
                await trio.sleep(SOON / 4)

    trio.run(partial(stream_to, read, write=SECONDS_MAX, write_total=2 * SOON))


# What a client gets at once


def test_a_head_leaves_with_the_first_of_its_body() -> None:
    async def test(port: int) -> None:
        async with await trio.open_tcp_stream("127.0.0.1", port) as client:
            for _ in range(3):  # the connection lives on
                await client.send_all(MODELS)
                with trio.fail_after(SECONDS_MAX):
                    data = await client.receive_some()
                assert data.startswith(b"HTTP/1.1 200 ")
                assert b'\r\n\r\n{"object":"list"' in data

    run(test)


def test_who_waits_to_be_told_to_continue_is_told_at_once() -> None:
    async def test(port: int) -> None:
        async with await trio.open_tcp_stream("127.0.0.1", port) as client:
            await client.send_all(HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            with trio.fail_after(SECONDS_MAX):
                assert (await client.receive_some()).startswith(b"HTTP/1.1 100 ")

    run(test)
