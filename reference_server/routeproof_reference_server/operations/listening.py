"""Hypercorn's connections behind a door of our own, which shuts without losing anybody who stands in it.

Hypercorn closes its listener and, in the same moment, every connection on which nothing is asked: also those whose
request is on its way, and the kernel resets those that nobody has accepted yet. Here, what has connected is let in
first, then the door is shut, then a connection gets `LINGER` seconds to bring its request, and then silence is the end.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, final

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework

from routeproof_reference_server.edge import Connection, EdgeSettings

LINGER: Final = 0.25  #: seconds that a connection gets to bring its request, once no other is let in
GRACE: Final = 3.0  #: seconds that connections then get to close, before they are closed under whoever still uses them


@final
class Door:
    """Lets connections in to *app* on *bound*, a socket that listens; owns and closes it."""

    def __init__(self, app: ASGIFramework, settings: EdgeSettings, bound: socket.socket) -> None:
        bound.setblocking(False)
        self._bound = bound
        self._listener = _Kept(bound)
        self._context = WorkerContext(None)
        self._open: set[trio.SocketStream] = set()
        self._emptied = trio.Event()
        self._serve = partial(Connection, ASGIWrapper(app), settings, self._context, {})

    async def run(self, until: Callable[[], Awaitable[None]]) -> None:
        """Serve *until* that returns; then end without losing anybody."""
        with self._bound:
            async with trio.open_nursery() as connections:
                async with trio.open_nursery() as accepting:
                    listen = partial(trio.serve_listeners, handler_nursery=connections)
                    accepting.start_soon(listen, self._connection, [self._listener])
                    await until()
                    accepting.cancel_scope.cancel()
                self._let_in(connections)
                self._bound.close()
                await trio.sleep(LINGER if self._open else 0.0)
                await self._context.terminated.set()
                connections.start_soon(self._clear, connections.cancel_scope)

    async def _connection(self, stream: trio.SocketStream) -> None:
        self._open.add(stream)
        try:
            await self._serve(stream).run()
        finally:
            self._open.discard(stream)
            if not self._open:
                self._emptied.set()

    def _let_in(self, connections: trio.Nursery) -> None:
        """Accept all that has connected already."""
        while True:
            try:
                accepted, _ = self._bound.accept()
            except OSError:  # there is nobody, or nobody who is still there
                return
            connections.start_soon(self._connection, trio.SocketStream(trio.socket.from_stdlib_socket(accepted)))

    async def _clear(self, connections: trio.CancelScope) -> None:
        """Close what does not close by itself. What is sent is shielded while its client may still read it."""
        with trio.move_on_after(GRACE):
            while self._open:
                self._emptied = trio.Event()
                await self._emptied.wait()
        for each in tuple(self._open):
            each.socket.close()
        connections.cancel()


@final
class _Kept(trio.abc.Listener[trio.SocketStream]):
    """A listener that whoever serves it does not close."""

    def __init__(self, bound: socket.socket) -> None:
        self._listener = trio.SocketListener(trio.socket.from_stdlib_socket(bound))

    async def accept(self) -> trio.SocketStream:
        """Wait for the next connection."""
        return await self._listener.accept()

    async def aclose(self) -> None:
        """Leave it open: it has an owner."""
        await trio.lowlevel.checkpoint()
