"""One connection of a client, in the place of hypercorn's `TCPServer`: everything that a client can hold up is bounded.

Rule 1. A head comes within `head_timeout` of its first byte, and nobody sits idle for longer than `keep_alive_timeout`.
Rule 2. What is sent is taken within `write_timeout` for each `SLICE_BYTES`, and within `write_total` for each answer;
        else the connection is aborted, and whoever made the answer hears that the client has gone.
Rule 3. A connection that we close is read for `LINGER` longer: bytes that meet a closed socket make the kernel reset
        it, and the client might never see what it was told (RFC 9112, 9.6).
Rule 4. Whatever goes wrong ends this connection, and no other.
"""

from __future__ import annotations

import logging
import socket
import struct
from contextlib import suppress
from typing import Final, final

import trio
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState, LifespanState

from routeproof_reference_server.edge.protocol import Protocol
from routeproof_reference_server.edge.settings import EdgeSettings
from routeproof_reference_server.headers import RETRY_AFTER

_LOG: Final = logging.getLogger("routeproof.gateway")

READ_BYTES: Final = 65_536
SLICE_BYTES: Final = 65_536
LINGER: Final = 1.0  #: seconds
RETRY_AFTER_SECONDS: Final = 1  # requests are short, and so is the wait for a place
_ABORT: Final = struct.pack("ii", 1, 0)  # SO_LINGER of no time: what is unsent is dropped, and the peer told at once
_GONE: Final = (trio.BrokenResourceError, trio.ClosedResourceError)


@final
class Connection:
    """Over TCP without TLS; *state* is the app's own."""

    def __init__(
        self,
        app: AppWrapper,
        settings: EdgeSettings,
        context: WorkerContext,
        state: LifespanState,
        stream: trio.SocketStream,
    ) -> None:
        self._app = app
        self._settings = settings
        self._context = context
        self._state = state
        self._stream = stream
        self._sending = trio.Lock()
        self._reading = trio.CancelScope()
        self._timer = trio.CancelScope()
        self._is_deaf = False  # what still comes is not listened to
        self._is_closing = False
        self._is_head_timed = False
        self._waited = 0.0  #: seconds that the client has kept its answer waiting

    async def run(self) -> None:
        """Serve the connection until it ends."""
        try:
            async with TaskGroup() as self._tasks:
                await self._open()
                await self._read_data()
        except OSError:
            pass  # the peer has gone before we looked
        except Exception:  # noqa: BLE001  # rule 4
            _LOG.exception("a connection failed")
        finally:
            self._settings.crowd.leave(self)
            await self._stream.aclose()

    def make_room(self) -> None:
        """Close the connection, on which nothing is asked, for another."""
        self._stream.socket.close()

    async def send(self, event: Event) -> None:
        """Do what the protocol says."""
        match event:
            case RawData():
                async with self._sending:
                    if not await self._sent(event.data):
                        await self._protocol.handle(Closed())
            case Closed():
                await self._close()
                await self._protocol.handle(Closed())
            case Updated():
                self._update(is_idle=event.idle)
            case _:
                raise AssertionError(event)

    async def _open(self) -> None:
        end = self._stream.socket
        self._protocol = Protocol(
            self._app,
            self._settings,
            self._context,
            self._tasks,
            ConnectionState(self._state),
            False,
            end.getpeername()[:2],
            end.getsockname()[:2],
            self.send,
        )
        self._expect(self._settings.keep_alive_timeout)
        if not self._settings.crowd.join(self):
            await self._protocol.refuse(503, headers=((RETRY_AFTER.encode(), b"%d" % RETRY_AFTER_SECONDS),))
            await self._close()

    async def _read_data(self) -> None:
        with self._reading, suppress(*_GONE):
            while True:
                data = await self._stream.receive_some(READ_BYTES)
                if not self._is_deaf:
                    await self._take(bytes(data))
                if not data:
                    break
        self._timer.cancel()
        await self._protocol.handle(Closed())

    async def _take(self, data: bytes) -> None:
        await self._protocol.handle(RawData(data))
        if not self._is_head_timed and self._protocol.has_half_a_head:
            self._is_head_timed = True
            self._expect(self._settings.head_timeout, says=True)

    async def _sent(self, data: bytes) -> bool:
        """Send *data*; return whether the client has taken it. Only time cuts it short, for half of it is no HTTP."""
        view = memoryview(data)
        with suppress(*_GONE):
            for start in range(0, len(view), SLICE_BYTES):
                began = trio.current_time()
                patience = min(self._settings.write_timeout, self._settings.write_total - self._waited)
                with trio.CancelScope(shield=True, deadline=began + patience) as sending:
                    await self._stream.send_all(view[start : start + SLICE_BYTES])
                if sending.cancelled_caught:
                    self._abort()
                    return False
                self._waited += trio.current_time() - began
            return True
        return False

    def _abort(self) -> None:
        """Close the connection with all that is unsent: the kernel's memory is not the client's either."""
        with suppress(OSError):
            self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        self._stream.socket.close()

    def _update(self, *, is_idle: bool) -> None:
        self._settings.crowd.is_idle(self, idle=is_idle)
        if is_idle:
            self._is_head_timed, self._waited = False, 0.0
            self._expect(self._settings.keep_alive_timeout)
        else:
            self._timer.cancel()

    def _expect(self, seconds: float, *, says: bool = False) -> None:
        """Close the connection in so many seconds, or as soon as the server ends; *says*: with a 408, if it is time."""
        self._timer.cancel()
        self._timer = trio.CancelScope()
        later = self._close_later, self._timer, seconds, says
        self._tasks.spawn(*later)  # pyright: ignore[reportUnknownMemberType]  # hypercorn says Callable alone

    async def _close_later(self, timer: trio.CancelScope, seconds: float, says: bool) -> None:
        with timer:
            with trio.move_on_after(seconds) as patience:
                await self._context.terminated.wait()
            with trio.CancelScope(shield=True):
                if says and patience.cancelled_caught and self._protocol.has_half_a_head:
                    self._is_deaf = True
                    await self._protocol.refuse(408)
                await self._protocol.handle(Closed())
                await self._close()

    async def _close(self) -> None:
        """Say that nothing more will come; whoever reads closes the socket when the client has heard it (rule 3)."""
        if self._is_closing:
            return
        self._is_deaf = self._is_closing = True
        self._reading.deadline = trio.current_time() + LINGER
        async with self._sending:
            with suppress(*_GONE):
                await self._stream.send_eof()
