"""The way to the providers, on a network that writes down what is done to it."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field

import httpcore2
import pytest
import trio

from routeproof_reference_server.dial import IDLE, Dialling
from routeproof_reference_server.unpacking import PIECE_BYTES_MAX, NotUnpacked, unpacked
from routeproof_simulator.world.clock import run_virtual

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
ONE = b"3\r\none\r\n"
TWO = b"3\r\ntwo\r\n"
END = b"0\r\n\r\n"
URL = httpcore2.URL("http://alpha.test/v1/chat/completions")


@dataclass(eq=False)
class Network(httpcore2.AsyncNetworkBackend):
    """Every connection is answered with *reads*, each of them one read."""

    reads: tuple[bytes, ...]
    done: list[str | bytes] = field(default_factory=list[str | bytes])

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[object] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        del port, timeout, local_address, socket_options
        self.done.append("connect")
        if host == "closed.test":
            raise httpcore2.ConnectError("refused")
        return Stream(self, list(self.reads))


@dataclass(eq=False)
class Stream(httpcore2.AsyncNetworkStream):
    network: Network
    reads: list[bytes]

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        del max_bytes, timeout
        return self.reads.pop(0)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        del timeout
        self.network.done.append(buffer)

    async def aclose(self) -> None:
        self.network.done.append("close")


def request(body: bytes = b"{}") -> httpcore2.Request:
    length = str(len(body)).encode()
    return httpcore2.Request("POST", URL, headers=[(b"host", b"alpha.test"), (b"content-length", length)], content=body)


async def pieces_of(dial: Dialling) -> list[bytes]:
    reply = await dial.ask(request())
    pieces = [piece async for piece in reply.pieces]
    await reply.aclose()
    return pieces


def test_a_request_leaves_as_one_packet() -> None:
    network = Network((HEAD + END,))

    async def main() -> None:
        await pieces_of(Dialling(connections_max=1, network=network))

    run_virtual(main)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: alpha.test\r\ncontent-length: 2\r\n\r\n"
    assert network.done == ["connect", head + b"{}"]


@pytest.mark.parametrize(
    ("reads", "pieces"),
    [
        ((HEAD + ONE + TWO + END,), [b"onetwo"]),
        ((HEAD, ONE, TWO + END), [b"one", b"two"]),
        ((HEAD + ONE + TWO[:4], TWO[4:], END), [b"onet", b"wo"]),
        ((HEAD, END), []),
    ],
)
def test_what_has_come_together_is_one_piece(reads: tuple[bytes, ...], pieces: list[bytes]) -> None:
    async def main() -> list[bytes]:
        return await pieces_of(Dialling(connections_max=1, network=Network(reads)))

    assert run_virtual(main) == pieces


@pytest.mark.parametrize("last", [b"", b"no chunk\r\n"], ids=["cut", "not HTTP"])
def test_what_came_before_a_body_broke_is_told_before_that(last: bytes) -> None:
    async def main() -> None:
        reply = await Dialling(connections_max=1, network=Network((HEAD + ONE + last, b""))).ask(request())
        assert await anext(reply.pieces) == b"one"
        with pytest.raises(httpcore2.RemoteProtocolError):
            await anext(reply.pieces)
        await reply.aclose()

    run_virtual(main)


def test_a_connection_that_cannot_be_made_is_forgotten() -> None:
    network = Network(())

    async def main() -> None:
        dial = Dialling(connections_max=1, network=network)
        for _ in range(3):  # more than there may be connections
            with pytest.raises(httpcore2.ConnectError):
                await dial.ask(httpcore2.Request("GET", "http://closed.test/", headers=[(b"host", b"closed.test")]))

    run_virtual(main)
    assert network.done == ["connect"] * 3


@pytest.mark.parametrize(("idle", "connections"), [(IDLE - 0.1, 1), (IDLE + 0.1, 2)])
def test_an_idle_connection_ends_on_trios_clock(idle: float, connections: int) -> None:
    network = Network((HEAD + END, HEAD + END))

    async def main() -> None:
        dial = Dialling(connections_max=2, network=network)
        await pieces_of(dial)
        await trio.sleep(idle)
        await pieces_of(dial)

    run_virtual(main)
    assert network.done.count("connect") == connections
    assert network.done.count("close") == connections - 1


def test_a_bomb_is_unpacked_in_bounded_steps() -> None:
    packer = zlib.compressobj(wbits=31)
    bomb = packer.compress(bytes(10 * PIECE_BYTES_MAX)) + packer.flush()

    async def main() -> list[int]:
        async with aclosing(unpacked(once(bomb), "gzip")) as pieces:
            return [len(piece) async for piece in pieces]

    sizes = trio.run(main)
    assert (sum(sizes), max(sizes)) == (10 * PIECE_BYTES_MAX, PIECE_BYTES_MAX)


@pytest.mark.parametrize(("data", "encoding"), [(b"plain", "gzip"), (b"plain", "br"), (b"plain", "gzip, gzip")])
def test_what_is_not_packed_as_it_says_is_not_unpacked(data: bytes, encoding: str) -> None:
    async def main() -> None:
        async with aclosing(unpacked(once(data), encoding)) as pieces:
            with pytest.raises(NotUnpacked):
                await anext(pieces)

    trio.run(main)


async def once(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data
