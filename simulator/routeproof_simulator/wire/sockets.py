"""Loopback sockets: ports that stay ours while a door refuses, resets, and room for many connections."""

from __future__ import annotations

import errno
import platform
import resource
import socket
import struct
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final

import trio

from routeproof_simulator.wire.direct import DirectListener, DirectStream
from routeproof_simulator.wire.tls import TLSStream
from routeproof_spec.errors import RouteproofError

BACKLOG: Final = 1024  # connections that wait to be accepted; the usual clients open hundreds at once
OPEN_FILES_MAX: Final = 65_536  # that a process is allowed for its own sake
_OTHER_FILES: Final = 128  # for all else that the process may have open


@contextmanager
def kept_port(host: str, port: int, whose: str) -> Generator[socket.socket]:
    """Hold *port* for the length of the block, with a socket that does not listen; raises `RouteproofError`."""
    with _reusing(socket.AF_INET6 if ":" in host else socket.AF_INET) as keeper:
        try:
            keeper.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                mend = "end the program that listens there, or set another port (0 lets the system choose)"
                raise RouteproofError(f"port {port} of {host}, meant for {whose}, is in use: {mend}") from error
            reason = error.strerror or str(error)
            raise RouteproofError(f"port {port} of {host}, meant for {whose}, cannot be opened: {reason}") from error
        yield keeper


def listener_at(keeper: socket.socket) -> DirectListener:
    """Return a listener at the address that *keeper* holds."""
    listening = _reusing(keeper.family)
    listening.bind(keeper.getsockname())
    listening.listen(BACKLOG)
    return DirectListener(listening)


def origin_of(keeper: socket.socket, scheme: str = "http") -> str:
    """Return the URL, without a path, of the address that *keeper* holds."""
    host, port = keeper.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


async def reset_socket(stream: trio.abc.HalfCloseableStream) -> None:
    """Close *stream*, a socket or TLS on one, so that the peer gets a reset."""
    beneath = stream.transport if isinstance(stream, TLSStream) else stream
    assert isinstance(beneath, DirectStream)
    reset_when_closed(beneath.socket)
    await trio.aclose_forcefully(beneath)


def reset_when_closed(connected: socket.socket | trio.socket.SocketType) -> None:
    """Let the close of *connected* be a reset for the peer."""
    with suppress(OSError):  # the peer has gone already
        # Lingering for no time discards what is unsent and answers with RST (socket(7)).
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def room_for_connections(listeners: int) -> int:
    """Return how many connections each of so many *listeners* may have, the process's limit of open files raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # a system may allow less than it says: macOS does
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = OPEN_FILES_MAX if soft == resource.RLIM_INFINITY else soft
    return max(1, (files - _OTHER_FILES) // listeners)


def _reusing(family: socket.AddressFamily) -> socket.socket:
    # On Linux two sockets share a port while only one of them listens; elsewhere they need to say so in another way.
    one = socket.socket(family, socket.SOCK_STREAM)
    option = socket.SO_REUSEADDR if platform.system() == "Linux" else socket.SO_REUSEPORT
    one.setsockopt(socket.SOL_SOCKET, option, 1)
    return one
