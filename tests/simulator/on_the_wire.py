"""A provider's real wire without a socket: what comes back for the bytes that are sent, and what the journal says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from routeproof_simulator.algebra import Behaviour, ok
from routeproof_simulator.journal import Journal
from routeproof_simulator.world.clock import run_virtual
from routeproof_simulator.world.network import MemoryStream
from routeproof_spec.history import Attempt
from tests.simulator.asking import connected

CLOSING = {"connection": "close"}


def play(sent: bytes, behaviour: Behaviour = ok, *, seconds: float = 1e6) -> tuple[bytes, tuple[Attempt, ...]]:
    """Send bytes to a provider in memory; return what comes back until the end (or *seconds*), and the journal."""

    async def main() -> tuple[bytes, tuple[Attempt, ...]]:
        back = b""
        async with connected(behaviour) as (stream, journal):
            await stream.send_all(sent)
            with trio.move_on_after(seconds):
                try:
                    while piece := await stream.receive_some():
                        back += piece
                except trio.BrokenResourceError:
                    back += b"(reset)"
            return back, journal.attempts

    return run_virtual(main)


def told(sent: bytes, behaviour: Behaviour = ok) -> Attempt:
    """Return what the journal says of the one request that is sent."""
    return play(sent, behaviour)[1][0]


def converse(behaviour: Behaviour, talk: Callable[[MemoryStream, Journal], Awaitable[None]]) -> None:
    """Let *talk* use a connection to a provider that behaves so."""

    async def main() -> None:
        async with connected(behaviour) as (stream, journal):
            await talk(stream, journal)

    run_virtual(main)


def parted(data: bytes) -> tuple[bytes, bytes]:
    """Return the head of an answer, and all that comes after it."""
    head, end, rest = data.partition(b"\r\n\r\n")
    assert end
    return head, rest


def dechunked(data: bytes) -> tuple[bytes, bytes]:
    """Return the head and the body of one chunked answer; fails on broken framing."""
    head, rest = parted(data)
    body = b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        piece, end, rest = rest[:length], rest[length : length + 2], rest[length + 2 :]
        assert (len(piece), end) == (length, b"\r\n")
        if not length:
            assert not rest
            return head, body
        body += piece
