"""Play scripts over a byte stream: HTTP/1.1 (RFC 9112) on any trio stream, with a socket underneath or without.

Rule 1. No clock of its own: *now* is an argument, waiting is trio's, so that virtual time runs this very code.
Rule 2. Whatever a peer sends, the process lives on and the journal says what came.
Rule 3. Frames that are due at the same instant leave in one send.
Rule 4. While a script waits, the connection is read, so that a peer that goes away is felt at once.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol, final

import trio
from msgspec import Struct

from routeproof_simulator.journal import Entry
from routeproof_simulator.provider import Reply
from routeproof_simulator.received import Received
from routeproof_simulator.script import Script
from routeproof_simulator.wire.direct import RECEIVE_BYTES, DirectStream
from routeproof_simulator.wire.framing import Whole, at_once
from routeproof_simulator.wire.lobby import has_lobby, wait_in_lobby
from routeproof_simulator.wire.playing import Player, Reset, takes_time
from routeproof_simulator.wire.reading import Reader
from routeproof_spec.history import Ended

PIPELINED_MAX: Final = 64  # requests read ahead; beyond it, reading waits
READ_AHEAD_BYTES_MAX: Final = 2**20  # while one answer is played

IDLE_SECONDS_MAX: Final = 120.0  # between requests; longer than the pools of the usual clients keep a connection
REQUEST_SECONDS_MAX: Final = 60.0  # from a request's first byte to its last
SEND_SECONDS_MIN: Final = 60.0  # for an answer that waits for nothing but its client
PLAY_SECONDS_MAX: Final = 3600.0  # of one answer, so that a stall ends some day
EARLY_SECONDS_MAX: Final = 1.0  # by which these may come early
LINGER_SECONDS_MAX: Final = 1.0  # after a refusal: what the peer still sends is read, else a reset destroys the answer
LINGER_BYTES_MAX: Final = 16 * 2**20

_TOO_SLOW: Final = (408, f"The request was not complete within {REQUEST_SECONDS_MAX:g} seconds.")

__all__ = ["Reset", "Responder", "serve_connection"]


class Responder(Protocol):
    """What stands behind a connection."""

    def respond(self, request: Received) -> Reply:
        """Return the answer to *request*."""
        ...

    def refuse(self, received: Received, status: int, message: str) -> Reply:
        """Return the answer to what could not be read as a request; *received* is as much as was."""
        ...


async def serve_connection(
    stream: trio.abc.HalfCloseableStream,
    responder: Responder,
    *,
    now: Callable[[], float],
    reset: Reset,
    connection: int = 0,
    asked: Callable[[int], None] = lambda _: None,
) -> None:
    """Serve requests on *stream* until one side is done; the stream is closed on return.

    *reset* breaks the stream off as a TCP reset would; *connection* is the number that the journal gives to it, and
    *asked* is told it once the first request is complete.
    """
    await _Connection(stream, responder, now=now, reset=reset, number=connection, asked=asked).serve()


class _Begun(Struct, gc=False):
    """An answer that is to be given."""

    request: Received
    reply: Reply
    whole: Whole | None  # where it takes no time
    sent: int = 0  # bytes of the whole that have left
    at: float = 0.0  # when they did


@final
class _Connection:
    def __init__(
        self,
        stream: trio.abc.HalfCloseableStream,
        responder: Responder,
        *,
        now: Callable[[], float],
        reset: Reset,
        number: int,
        asked: Callable[[int], None],
    ) -> None:
        self._stream = stream
        self._responder = responder
        self._now = now
        self._reset = reset
        self._asked = asked
        self._reader = Reader(now, number)
        self._deadline = trio.CancelScope()  # one for all that is waited for in turn: cheaper than one for each
        self._allowed, self._allowed_at = math.inf, 0.0  #: seconds, and from when on
        self._awaits_request = True
        self._closes_at_next = False
        self._is_over = False  # one side is done
        self._begun: _Begun | None = None  # what the lobby could not answer

    async def serve(self) -> None:
        reader = self._reader
        try:
            with self._deadline:
                while not self._is_over and (begun := await self._next()) is not None:
                    await self._answer(begun)
            if self._is_over:
                return
            if self._deadline.cancelled_caught and self._awaits_request and reader.is_in_request:
                reader.refusal = _TOO_SLOW
            if reader.refusal is not None:
                await self._refuse(*reader.refusal)
        except trio.BrokenResourceError:
            return  # the peer went away between two answers
        finally:
            await trio.aclose_forcefully(self._stream)

    async def _next(self) -> _Begun | None:
        """Return the next answer that has to be waited for, or None where there will be none."""
        reader, stream = self._reader, self._stream
        self._awaits_request = True
        self._allow(REQUEST_SECONDS_MAX if reader.is_in_request else IDLE_SECONDS_MAX)
        while not reader.requests and reader.refusal is None:
            if has_lobby(stream):
                await wait_in_lobby(stream, partial(self._take, stream))
                if (begun := self._begun) is not None:
                    self._begun = None
                    return begun
            else:
                self._feed(await stream.receive_some(RECEIVE_BYTES))
            if self._is_over:
                return None
            if reader.wants_continue:
                reader.wants_continue = False
                await stream.send_all(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self._begin(reader.requests.popleft()) if reader.requests else None

    def _feed(self, data: bytes | bytearray) -> None:
        if not data or self._closes_at_next:
            self._is_over = True
        elif self._reader.feed(data):
            self._allow(REQUEST_SECONDS_MAX)

    def _begin(self, request: Received) -> _Begun:
        if not request.reused:
            self._asked(request.connection)
        reply = self._responder.respond(request)
        return _Begun(request, reply, None if callable(reply.script) else at_once(reply.script, request))

    def _take(self, stream: DirectStream, data: bytes) -> bool:
        """Take *data* in and answer what can be answered at once; return whether nothing is left to be waited for."""
        self._feed(data)
        reader = self._reader
        while reader.requests and not self._is_over:
            begun = self._begin(reader.requests.popleft())
            whole, entry = begun.whole, begun.reply.entry
            if whole is not None:
                begun.at = self._now()
                try:
                    begun.sent = stream.send_now(whole.data)
                except trio.BrokenResourceError:
                    entry.peer_gone(begun.at)
                    self._is_over = True
                    return False
            if whole is None or begun.sent < len(whole.data):
                self._begun = begun
                return False
            self._gave(whole, entry, begun.at)
            if not reader.is_in_request:
                self._allow(IDLE_SECONDS_MAX)
        return not (self._is_over or reader.wants_continue or reader.refusal is not None)

    def _gave(self, whole: Whole, entry: Entry, at: float) -> None:
        entry.head = whole.head
        entry.sent(whole.frames, at)
        entry.end(Ended.COMPLETE, at)
        self._is_over = not whole.keeps_alive

    async def _answer(self, begun: _Begun) -> None:
        """Give the answer, or what is left of it."""
        self._awaits_request = False
        entry = begun.reply.entry
        try:
            if (whole := begun.whole) is None:
                await self._play(begun)
                return
            self._allow_to_read()
            entry.head = whole.head
            at = begun.at if begun.sent else self._now()
            await self._stream.send_all(memoryview(whole.data)[begun.sent :])
            self._gave(whole, entry, at)
        except trio.BrokenResourceError:
            entry.peer_gone(self._now())
            self._is_over = True
        finally:
            # Cut by the deadline, by a door that closed, or by the end of the fleet, unless it has ended before.
            entry.end(Ended.CUT, self._now())

    def _allow_to_read(self) -> None:
        # The time of the idle connection goes on; what is left of it must do for a client that reads slowly.
        if self._deadline.deadline - trio.current_time() < SEND_SECONDS_MIN:
            self._allow(IDLE_SECONDS_MAX)

    async def _play(self, begun: _Begun) -> None:
        reply = begun.reply
        if callable(script := reply.script):
            self._allow(PLAY_SECONDS_MAX)
            script = await script()
        player = Player(self._stream, begun.request, reply.entry, now=self._now, reset=self._reset, turns=reply.turns)
        if takes_time(script):
            self._allow(PLAY_SECONDS_MAX)
            await self._play_watched(player, script, reply.entry)
        else:
            self._allow_to_read()
            await player.play(script)
        self._closes_at_next = player.closes_at_next
        self._is_over = not player.keeps_alive

    def _allow(self, seconds: float) -> None:
        """Let what comes next take *seconds*; it may get up to `EARLY_SECONDS_MAX` less."""
        # To move a deadline costs as much as to parse a request: one that was set a moment ago stays.
        now = self._now()
        if seconds != self._allowed or now >= self._allowed_at + EARLY_SECONDS_MAX:
            self._allowed, self._allowed_at = seconds, now
            self._deadline.deadline = trio.current_time() + seconds

    async def _play_watched(self, player: Player, script: Script, entry: Entry) -> None:
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                if await self._peer_leaves():
                    entry.peer_gone(self._now())
                    nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            try:
                await player.play(script)
            except trio.BrokenResourceError:
                entry.peer_gone(self._now())
            nursery.cancel_scope.cancel()

    async def _peer_leaves(self) -> bool:
        """Read ahead until the peer goes away; return False where it sends more than is read ahead, or we close."""
        reader = self._reader
        ahead = 0
        while len(reader.requests) < PIPELINED_MAX and reader.refusal is None and ahead < READ_AHEAD_BYTES_MAX:
            try:
                data = await self._stream.receive_some(RECEIVE_BYTES)
            except trio.ClosedResourceError:
                return False
            except trio.BrokenResourceError:
                return True
            if not data:
                return True
            reader.feed(data)
            ahead += len(data)
        return False

    async def _refuse(self, status: int, message: str) -> None:
        received = self._reader.unfinished()
        reply = self._responder.refuse(received, status, message)
        player = Player(self._stream, received, reply.entry, now=self._now, reset=self._reset)
        try:
            with trio.move_on_after(LINGER_SECONDS_MAX):
                await player.play(await _known(reply.script), ended=Ended.BROKEN)
                await self._stream.send_eof()
                read = 0
                while read < LINGER_BYTES_MAX and (data := await self._stream.receive_some(RECEIVE_BYTES)):
                    read += len(data)
        finally:
            reply.entry.end(Ended.BROKEN, self._now())


async def _known(script: Script | Callable[[], Awaitable[Script]]) -> Script:
    return await script() if callable(script) else script
