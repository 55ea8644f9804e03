"""The same contract for sockets and for the network in memory: what holds for one must hold for the other."""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable
from socket import SO_LINGER, SOL_SOCKET, gaierror

import httpx2
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from routeproof_simulator.world.clock import run_virtual
from routeproof_simulator.world.network import IN_FLIGHT_BYTES_MAX, MemoryNetwork, MemoryStream, memory_connection
from tests.simulator.in_memory import MemoryTransport

Ends = tuple[trio.abc.HalfCloseableStream, trio.abc.HalfCloseableStream]
Story = Callable[[trio.abc.HalfCloseableStream, trio.abc.HalfCloseableStream], Awaitable[list[object]]]


async def open_memory() -> Ends:
    return memory_connection()


async def open_sockets() -> Ends:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    near = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
    far = await listener.accept()
    await listener.aclose()
    return near, far


async def settle() -> None:
    """Give a real kernel the moment that it needs to deliver; virtual time passes for nothing."""
    await trio.sleep(0.005)


async def reset(stream: trio.abc.HalfCloseableStream) -> None:
    if isinstance(stream, MemoryStream):
        stream.close(reset=True)
    else:
        assert isinstance(stream, trio.SocketStream)
        stream.socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        await stream.aclose()


async def told(act: Awaitable[object]) -> object:
    try:
        return await act
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        return type(error).__name__


async def bytes_then_close(near: trio.abc.HalfCloseableStream, far: trio.abc.HalfCloseableStream) -> list[object]:
    await far.send_all(b"hello")
    await far.aclose()
    await settle()
    return [await told(near.receive_some(3)), await told(near.receive_some()), await told(near.receive_some())]


async def bytes_then_reset(near: trio.abc.HalfCloseableStream, far: trio.abc.HalfCloseableStream) -> list[object]:
    await far.send_all(b"hello")
    await settle()
    await reset(far)
    await settle()
    return [await told(near.receive_some()), await told(near.receive_some())]


async def close_with_bytes_unread(
    near: trio.abc.HalfCloseableStream, far: trio.abc.HalfCloseableStream
) -> list[object]:
    await near.send_all(b"unread")
    await settle()
    await far.send_all(b"answer")
    await far.aclose()
    await settle()
    return [await told(near.receive_some()), await told(near.receive_some())]


async def writes_to_a_closed_peer(
    near: trio.abc.HalfCloseableStream, far: trio.abc.HalfCloseableStream
) -> list[object]:
    await far.send_all(b"bye")
    await far.aclose()
    await settle()
    first = await told(near.send_all(b"x"))
    await settle()
    return [first, await told(near.send_all(b"x")), await told(near.receive_some())]


async def half_close(near: trio.abc.HalfCloseableStream, far: trio.abc.HalfCloseableStream) -> list[object]:
    await near.send_eof()
    await settle()
    end = await told(far.receive_some())
    await far.send_all(b"still here")
    await settle()
    return [end, await told(near.receive_some()), await told(near.send_all(b"x"))]


async def use_after_own_close(near: trio.abc.HalfCloseableStream, far: trio.abc.HalfCloseableStream) -> list[object]:
    await near.aclose()
    await near.aclose()
    return [await told(near.receive_some()), await told(near.send_all(b"x")), await told(far.receive_some())]


async def reset_while_both_wait(near: trio.abc.HalfCloseableStream, far: trio.abc.HalfCloseableStream) -> list[object]:
    seen: list[object] = []

    async def read() -> None:
        seen.append(await told(near.receive_some()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await settle()
        await reset(far)
    return [*seen, await told(near.send_all(b"x"))]


STORIES: list[tuple[Story, list[object]]] = [
    (bytes_then_close, [b"hel", b"lo", b""]),
    (bytes_then_reset, [b"hello", "BrokenResourceError"]),
    (close_with_bytes_unread, [b"answer", "BrokenResourceError"]),
    (writes_to_a_closed_peer, [None, "BrokenResourceError", b"bye"]),
    (half_close, [b"", b"still here", "ClosedResourceError"]),
    (use_after_own_close, ["ClosedResourceError", "ClosedResourceError", b""]),
    (reset_while_both_wait, ["BrokenResourceError", "BrokenResourceError"]),
]


@pytest.mark.parametrize(("story", "expected"), STORIES, ids=lambda each: getattr(each, "__name__", ""))
@pytest.mark.parametrize("opened", [open_memory, open_sockets])
def test_memory_and_sockets_tell_the_same_story(
    opened: Callable[[], Awaitable[Ends]], story: Story, expected: list[object]
) -> None:
    async def main() -> list[object]:
        near, far = await opened()
        async with near, far:
            return await story(near, far)

    assert (run_virtual if opened is open_memory else trio.run)(main) == expected


def test_a_sender_waits_when_nobody_reads_and_goes_on_when_somebody_does() -> None:
    async def main() -> tuple[bool, bytes]:
        near, far = memory_connection()
        data = bytes(3 * IN_FLIGHT_BYTES_MAX)
        with trio.move_on_after(1) as scope:
            await near.send_all(data)
        received = b""
        while len(received) < IN_FLIGHT_BYTES_MAX:
            received += await far.receive_some(1000)
        await near.send_all(b"end")
        return scope.cancelled_caught, received[-1:] + await far.receive_some()

    assert run_virtual(main) == (True, b"\x00end")


@given(sizes=st.lists(st.integers(0, 300), max_size=8), reads=st.integers(1, 50), bytes_max=st.integers(1, 64))
def test_every_byte_arrives_in_order_however_it_is_split(sizes: list[int], reads: int, bytes_max: int) -> None:
    pieces = [bytes([index % 256]) * size for index, size in enumerate(sizes)]

    async def main() -> bytes:
        near, far = memory_connection(bytes_max=bytes_max)

        async def send() -> None:
            for piece in pieces:
                await near.send_all(piece)
            await near.aclose()

        received = b""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            while piece := await far.receive_some(reads):
                received += piece
        return received

    assert trio.run(main) == b"".join(pieces)


def test_an_unknown_host_a_closed_port_and_a_full_backlog_are_told_apart() -> None:
    async def main() -> None:
        network = MemoryNetwork()
        listener = network.listen("alpha.test", 80)
        with pytest.raises(OSError, match="already served"):
            network.listen("alpha.test", 80)
        with pytest.raises(gaierror):
            await network.connect("beta.test", 80)
        with pytest.raises(ConnectionRefusedError):
            await network.connect("alpha.test", 81)
        waiting = await network.connect("alpha.test", 80)
        await listener.aclose()
        with pytest.raises(trio.BrokenResourceError):
            await waiting.receive_some()
        with pytest.raises(ConnectionRefusedError):
            await network.connect("alpha.test", 80)
        assert network.connections == 1

    run_virtual(main)


async def fetch(serve: Callable[[MemoryStream], Awaitable[None]], *, requests: int = 1) -> list[str]:
    """Return what a client got from a server at alpha.test, each time the text or the name of the error."""
    network = MemoryNetwork()
    got: list[str] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [network.listen("alpha.test", 80)])
        async with httpx2.AsyncClient(transport=MemoryTransport(network), timeout=2) as client:
            for _ in range(requests):
                try:
                    got.append((await client.get("http://alpha.test/")).text)
                except httpx2.TransportError as error:
                    got.append(type(error).__name__)
        nursery.cancel_scope.cancel()
    return [*got, f"{network.connections} connections"]


async def answer_always(stream: MemoryStream) -> None:
    while await stream.receive_some():
        await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")


async def answer_once(stream: MemoryStream) -> None:
    await stream.receive_some()
    await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
    await stream.aclose()


async def reset_in_body(stream: MemoryStream) -> None:
    await stream.receive_some()
    await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe")
    stream.close(reset=True)


async def close_before_head(stream: MemoryStream) -> None:
    await stream.receive_some()
    await stream.aclose()


async def stay_silent(_: MemoryStream) -> None:
    await trio.sleep_forever()


@pytest.mark.parametrize(
    ("serve", "expected"),
    [
        (answer_always, ["hello", "hello", "1 connections"]),
        (answer_once, ["hello", "hello", "2 connections"]),
        (reset_in_body, ["ReadError", "ReadError", "2 connections"]),
        (close_before_head, ["RemoteProtocolError", "RemoteProtocolError", "2 connections"]),
        (stay_silent, ["ReadTimeout", "ReadTimeout", "2 connections"]),
    ],
)
def test_the_http_client_feels_every_ending(
    serve: Callable[[MemoryStream], Awaitable[None]], expected: list[str]
) -> None:
    async def main() -> list[str]:
        return await fetch(serve, requests=2)

    assert run_virtual(main) == expected


def test_the_http_client_is_refused_where_nobody_listens() -> None:
    async def main() -> None:
        network = MemoryNetwork()
        await network.listen("alpha.test", 80).aclose()
        async with httpx2.AsyncClient(transport=MemoryTransport(network)) as client:
            with pytest.raises(httpx2.ConnectError, match=r"nobody listens at alpha\.test:80"):
                await client.get("http://alpha.test/")

    run_virtual(main)
