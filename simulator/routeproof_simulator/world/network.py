"""TCP in memory, as far as HTTP can feel it: order, back-pressure, orderly close, reset, refusal, unknown names.

What happens at a close is what Linux does, held to real sockets by the tests:
Rule 1. Bytes that were delivered stay readable, whatever the sender does next.
Rule 2. After them comes the end: nothing more (the sender closed in order) or a reset.
Rule 3. Closing with bytes unread is a reset for the peer.
Rule 4. The first write to a peer that has closed is lost in silence; the next one fails.
There is no latency of its own and no chance: a connection is a function of what its two ends do.
"""

from __future__ import annotations

import socket
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, TypeAlias, final

import trio

IN_FLIGHT_BYTES_MAX: Final = 64 * 1024  # a socket's buffers: a sender waits when its peer has read nothing for so long
BACKLOG_MAX: Final = 1024  # connections that wait to be accepted; one more is refused

Address: TypeAlias = tuple[str, int]


class _End(Enum):
    OPEN = auto()
    FINISHED = auto()  # the sender will send no more
    RESET = auto()  # the sender reset the connection


@dataclass(kw_only=True, eq=False)
class _Pipe:
    """Bytes one way. Both ends wait in the same lot and look again when anything has changed."""

    bytes_max: int
    buffer: bytearray = field(default_factory=bytearray)
    end: _End = _End.OPEN
    reader_gone: bool = False
    lost_a_write: bool = False
    lot: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)

    def finish(self, how: _End) -> None:
        if self.end is _End.OPEN or how is _End.RESET:
            self.end = how
        self.lot.unpark_all()

    def leave(self) -> None:
        self.reader_gone = True
        self.buffer.clear()
        self.lot.unpark_all()

    def take(self, bytes_max: int | None) -> bytes:
        taken = bytes(self.buffer[:bytes_max])
        del self.buffer[: len(taken)]
        self.lot.unpark_all()
        return taken

    def put(self, data: memoryview) -> int:
        """Take in what there is room for; return how many bytes that were."""
        if self.reader_gone:
            self.lost_a_write = True
            return len(data)
        room = self.bytes_max - len(self.buffer)
        self.buffer += data[:room]
        self.lot.unpark_all()
        return min(room, len(data))


@final
class MemoryStream(trio.abc.HalfCloseableStream):
    """One end of a connection in memory."""

    def __init__(self, *, inward: _Pipe, outward: _Pipe) -> None:
        self._inward = inward
        self._outward = outward
        self._closed = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return the next bytes, or none at the end; raise `trio.BrokenResourceError` at a reset."""
        await trio.lowlevel.checkpoint()
        while True:
            self._check_open()
            if self._inward.buffer:
                return self._inward.take(max_bytes)
            if self._inward.end is _End.FINISHED:
                return b""
            if self._inward.end is _End.RESET:
                raise trio.BrokenResourceError("the peer reset the connection")
            await self._inward.lot.park()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send *data*; wait while too much is in flight; raise `trio.BrokenResourceError` where the peer is gone."""
        await trio.lowlevel.checkpoint()
        rest = memoryview(data)
        while True:
            self._check_open()
            self._check_sendable()
            rest = rest[self._outward.put(rest) :]
            if not rest:
                return
            await self._outward.lot.park()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room in flight, or nobody to send to."""
        await trio.lowlevel.checkpoint()
        while not self._closed and self._outward.bytes_max <= len(self._outward.buffer):
            await self._outward.lot.park()
        self._check_open()

    async def send_eof(self) -> None:
        """Close this direction in order; the other stays open."""
        await trio.lowlevel.checkpoint()
        self._check_open()
        self._outward.finish(_End.FINISHED)

    async def aclose(self) -> None:
        """Close in order, or with a reset where bytes are unread (rule 3)."""
        self.close(reset=bool(self._inward.buffer))
        await trio.lowlevel.checkpoint()

    def close(self, *, reset: bool = False) -> None:
        """Close at once, in order or with a reset; a second close does nothing."""
        if self._closed:
            return
        self._closed = True
        self._outward.finish(_End.RESET if reset else _End.FINISHED)
        self._inward.leave()
        self._outward.lot.unpark_all()

    @property
    def is_readable(self) -> bool:
        """Whether a read would return or raise at once."""
        return self._closed or bool(self._inward.buffer) or self._inward.end is not _End.OPEN

    def _check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this end of the connection was closed")

    def _check_sendable(self) -> None:
        if self._outward.end is not _End.OPEN:
            raise trio.ClosedResourceError("this direction of the connection was closed")
        if self._inward.end is _End.RESET or self._outward.lost_a_write:
            raise trio.BrokenResourceError("the peer is gone")


def memory_connection(*, bytes_max: int = IN_FLIGHT_BYTES_MAX) -> tuple[MemoryStream, MemoryStream]:
    """Return the two ends of a new connection."""
    there, back = _Pipe(bytes_max=bytes_max), _Pipe(bytes_max=bytes_max)
    return MemoryStream(inward=back, outward=there), MemoryStream(inward=there, outward=back)


@final
class MemoryListener(trio.abc.Listener[MemoryStream]):
    """What a served address accepts; closing it refuses new connections and keeps those that are open."""

    def __init__(self, network: MemoryNetwork, address: Address) -> None:
        self._network = network
        self._address = address
        self._waiting: deque[MemoryStream] = deque()
        self._lot = trio.lowlevel.ParkingLot()
        self._closed = False

    async def accept(self) -> MemoryStream:
        """Return the next connection."""
        await trio.lowlevel.checkpoint()
        while not self._waiting:
            if self._closed:
                raise trio.ClosedResourceError("the listener was closed")
            await self._lot.park()
        return self._waiting.popleft()

    async def aclose(self) -> None:
        """Stop listening; connections that nobody accepted are reset."""
        if not self._closed:
            self._closed = True
            self._network.unlisten(self._address)
            while self._waiting:
                self._waiting.popleft().close(reset=True)
            self._lot.unpark_all()
        await trio.lowlevel.checkpoint()

    def offer(self, stream: MemoryStream) -> None:
        """Let *stream* wait to be accepted; raise `ConnectionRefusedError` where too many wait already."""
        if len(self._waiting) >= BACKLOG_MAX:
            raise ConnectionRefusedError("the backlog is full")
        self._waiting.append(stream)
        self._lot.unpark()


@final
class MemoryNetwork:
    """Hosts that can be dialled by name and port."""

    def __init__(self) -> None:
        self._listeners: dict[Address, MemoryListener] = {}
        self._hosts: set[str] = set()
        self.connections = 0  # how many have come about

    def name(self, host: str) -> None:
        """Let *host* be known, whether or not anybody listens there."""
        self._hosts.add(host)

    def listen(self, host: str, port: int) -> MemoryListener:
        """Serve (*host*, *port*), as `trio.serve_listeners` wants it; raise `OSError` where it is served already."""
        if (host, port) in self._listeners:
            raise OSError(f"{host}:{port} is already served")
        self.name(host)
        listener = MemoryListener(self, (host, port))
        self._listeners[host, port] = listener
        return listener

    def unlisten(self, address: Address) -> None:
        """Refuse *address* from now on."""
        del self._listeners[address]

    async def connect(self, host: str, port: int) -> MemoryStream:
        """Dial; raise `ConnectionRefusedError`, or `socket.gaierror` for a host that nobody has named."""
        await trio.lowlevel.checkpoint()
        if host not in self._hosts:
            raise socket.gaierror(socket.EAI_NONAME, f"no host is named {host}")
        listener = self._listeners.get((host, port))
        if listener is None:
            raise ConnectionRefusedError(f"nobody listens at {host}:{port}")
        near, far = memory_connection()
        listener.offer(far)
        self.connections += 1
        return near
