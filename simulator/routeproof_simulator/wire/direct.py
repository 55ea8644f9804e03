"""TCP connections that await nothing while the system has room: a request costs one turn of the scheduler, not three.

`trio.SocketStream` yields at each send and tries each receive before it waits. A server's connection asks, waits and
answers in turns, so that one wait for each request is enough to let the others have theirs.
"""

from __future__ import annotations

import errno
import socket
from typing import Final, final

import trio

RECEIVE_BYTES: Final = 64 * 2**10

#: The connection went away before it was accepted, or its network failed meanwhile (accept(2)).
_GONE: Final = frozenset(
    {
        errno.ECONNABORTED,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENOPROTOOPT,
        errno.EPERM,
        errno.EPROTO,
    }
)


@final
class DirectStream(trio.abc.HalfCloseableStream):
    """A connection; *connected* is its socket, which belongs to it from then on."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connected
        self._number = connected.fileno()
        self._has_sent_eof = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for bytes and return them, or none at the end."""
        while True:
            if self._number < 0:
                raise trio.ClosedResourceError
            await trio.lowlevel.wait_readable(self._number)
            data = self.receive_now(max_bytes or RECEIVE_BYTES)
            if data is not None:
                return data

    def receive_now(self, max_bytes: int) -> bytes | None:
        """Return the bytes that have come, none at the end, or None where there is nothing yet."""
        try:
            return self.socket.recv(max_bytes)
        except BlockingIOError:
            return None
        except OSError as error:
            raise self._broken(error) from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send *data*; waits, and lets others go on, only where there is no room for all of it."""
        sent = self.send_now(data)
        if sent < len(data):
            await self._send_rest(memoryview(data)[sent:])

    def send_now(self, data: bytes | bytearray | memoryview) -> int:
        """Send as much of *data* as there is room for; return how many bytes that was."""
        if self._number < 0 or self._has_sent_eof:
            raise trio.ClosedResourceError
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._broken(error) from error

    async def _send_rest(self, rest: memoryview) -> None:
        while rest:
            await self.wait_send_all_might_not_block()
            try:
                rest = rest[self.socket.send(rest) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._broken(error) from error

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room."""
        if self._number < 0:
            raise trio.ClosedResourceError
        await trio.lowlevel.wait_writable(self._number)

    async def send_eof(self) -> None:
        """Send no more; what the peer sends can still be read."""
        if self._number < 0:
            raise trio.ClosedResourceError
        self._has_sent_eof = True
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise self._broken(error) from error

    async def aclose(self) -> None:
        """Close the connection; whoever waits on it is told."""
        if self._number >= 0:
            trio.lowlevel.notify_closing(self._number)
            self._number = -1
            self.socket.close()
        await trio.lowlevel.checkpoint()

    def _broken(self, error: OSError) -> trio.BrokenResourceError | trio.ClosedResourceError:
        return trio.ClosedResourceError() if self._number < 0 else trio.BrokenResourceError(str(error))


@final
class DirectListener(trio.abc.Listener[DirectStream]):
    """A listener; *listening* is its socket, which belongs to it from then on."""

    def __init__(self, listening: socket.socket) -> None:
        listening.setblocking(False)
        self.socket = listening

    async def accept(self) -> DirectStream:
        """Wait for a connection and return it; raises `OSError` where no more files may be opened."""
        while True:
            if self.socket.fileno() < 0:
                raise trio.ClosedResourceError
            await trio.lowlevel.wait_readable(self.socket)
            try:
                connected, _ = self.socket.accept()
                return DirectStream(connected)
            except BlockingIOError:
                continue
            except OSError as error:
                if error.errno not in _GONE:
                    raise

    async def aclose(self) -> None:
        """Listen no more."""
        if self.socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self.socket)
            self.socket.close()
        await trio.lowlevel.checkpoint()
