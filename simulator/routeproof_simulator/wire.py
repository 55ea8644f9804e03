"""Play scripts over a byte stream: HTTP/1.1 (RFC 9112) on any trio stream, with a socket underneath or without.

Rule 1. No clock of its own: *now* is an argument, waiting is trio's, so that virtual time runs this very code.
Rule 2. Whatever a peer sends, the process lives on and the journal says what came.
Rule 3. Frames that are due at the same instant leave in one send.
Rule 4. While a script waits, the connection is read, so that a peer that goes away is felt at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, NoReturn, Protocol, TypeAlias, final

import httptools
import trio

from routeproof_simulator.journal import Entry
from routeproof_simulator.provider import Reply
from routeproof_simulator.received import Received
from routeproof_simulator.script import Close, Head, Script, Send, Wait, is_whole
from routeproof_spec.history import Ended, Headers

HEAD_BYTES_MAX = 64 * 2**10
BODY_BYTES_MAX = 8 * 2**20
RECEIVE_BYTES = 64 * 2**10
SEND_BYTES_MAX = 256 * 2**10  # joined into one send
PIPELINED_MAX = 64  # requests read ahead; beyond it, reading waits

IDLE_SECONDS_MAX = 120.0  # between requests; longer than the pools of the usual clients keep a connection
REQUEST_SECONDS_MAX = 60.0  # from a request's first byte to its last
PLAY_SECONDS_MAX = 3600.0  # of one answer, so that a stall ends some day
LINGER_SECONDS_MAX = 1.0  # after a refusal: what the peer still sends is read, else a reset would destroy the answer
LINGER_BYTES_MAX = 16 * 2**20

_HEAD_TOO_LONG: Final = (431, f"The head is longer than {HEAD_BYTES_MAX} bytes.")
_OTHER_VERSION: Final = (505, "HTTP/1.1 and HTTP/1.0 are spoken here.")
_BODY_TOO_LONG: Final = (413, f"The body is longer than {BODY_BYTES_MAX} bytes.")

Reset: TypeAlias = Callable[[trio.abc.HalfCloseableStream], Awaitable[None]]


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
) -> None:
    """Serve requests on *stream* until one side is done; the stream is closed on return.

    *reset* breaks the stream off as a TCP reset would; *connection* is the number that the journal gives to it.
    """
    await _Connection(stream, responder, now=now, reset=reset, number=connection).serve()


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
    ) -> None:
        self._stream = stream
        self._responder = responder
        self._now = now
        self._reset = reset
        self._reader = _Reader(now, number)

    async def serve(self) -> None:
        try:
            while (request := await self._next_request()) is not None:
                if not await self._answer(request):
                    return
            if self._reader.refusal is not None:
                await self._refuse(*self._reader.refusal)
        except trio.BrokenResourceError:
            return  # the peer went away between two answers
        finally:
            await trio.aclose_forcefully(self._stream)

    async def _next_request(self) -> Received | None:
        reader = self._reader
        with trio.move_on_after(IDLE_SECONDS_MAX) as deadline:
            while not reader.requests and reader.refusal is None:
                data = await self._stream.receive_some(RECEIVE_BYTES)
                if not data:
                    return None
                if reader.feed(data):
                    deadline.deadline = trio.current_time() + REQUEST_SECONDS_MAX
                if reader.wants_continue:
                    reader.wants_continue = False
                    await self._stream.send_all(b"HTTP/1.1 100 Continue\r\n\r\n")
        if deadline.cancelled_caught and reader.is_in_request:
            reader.refusal = (408, f"The request was not complete within {REQUEST_SECONDS_MAX:g} seconds.")
        return reader.requests.popleft() if reader.requests else None

    async def _answer(self, request: Received) -> bool:
        """Play the answer to *request*; return whether the connection can take another."""
        reply = self._responder.respond(request)
        if reply.ready is not None:
            await reply.ready()
        player = _Player(self._stream, request, reply.entry, now=self._now, reset=self._reset)
        try:
            with trio.move_on_after(PLAY_SECONDS_MAX):
                if any(isinstance(op, Wait) for op in reply.script):
                    await self._play_watched(player, reply)
                else:
                    await self._play(player, reply)
        finally:
            # Cut by the deadline, by a door that closed, or by the end of the fleet, unless it has ended before.
            reply.entry.end(Ended.CUT, self._now())
        return player.keeps_alive

    async def _play(self, player: _Player, reply: Reply) -> None:
        try:
            await player.play(reply.script)
        except trio.BrokenResourceError:
            reply.entry.peer_gone(self._now())

    async def _play_watched(self, player: _Player, reply: Reply) -> None:
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                if await self._peer_leaves():
                    reply.entry.peer_gone(self._now())
                    nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            await self._play(player, reply)
            nursery.cancel_scope.cancel()

    async def _peer_leaves(self) -> bool:
        """Read ahead until the peer goes away; return False where it sends more than is read ahead, or we close."""
        reader = self._reader
        while len(reader.requests) < PIPELINED_MAX and reader.refusal is None:
            try:
                data = await self._stream.receive_some(RECEIVE_BYTES)
            except trio.ClosedResourceError:
                return False
            except trio.BrokenResourceError:
                return True
            if not data:
                return True
            reader.feed(data)
        return False

    async def _refuse(self, status: int, message: str) -> None:
        received = self._reader.unfinished()
        reply = self._responder.refuse(received, status, message)
        player = _Player(self._stream, received, reply.entry, now=self._now, reset=self._reset)
        try:
            with trio.move_on_after(LINGER_SECONDS_MAX):
                await player.play(reply.script, ended=Ended.BROKEN)
                await self._stream.send_eof()
                read = 0
                while read < LINGER_BYTES_MAX and (data := await self._stream.receive_some(RECEIVE_BYTES)):
                    read += len(data)
        finally:
            reply.entry.end(Ended.BROKEN, self._now())


@final
class _Reader:
    """Bytes in, requests out (httptools). Owns no stream; after a refusal it takes nothing more."""

    def __init__(self, now: Callable[[], float], number: int) -> None:
        self.requests: deque[Received] = deque()
        self.refusal: tuple[int, str] | None = None
        self.wants_continue = False
        self.is_in_request = False
        self._parser = httptools.HttpRequestParser(self)
        self._now = now
        self._number = number
        self._count = 0
        self._begin()

    def feed(self, data: bytes | bytearray) -> bool:
        """Take *data* in; return whether a request has begun in it that is not complete."""
        had_begun = self.is_in_request
        if self.refusal is not None:
            return False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The offer of another protocol is declined by answering in this one (RFC 9110, section 7.8); what follows
            # cannot be read, so the answer is the last.
            self.refusal = (400, "The connection cannot change its protocol.")
        except httptools.HttpParserCallbackError:
            assert self.refusal is not None  # one of ours, which said why
        except httptools.HttpParserError as error:
            self.refusal = (400, f"The bytes received are not HTTP: {error}.")
        if had_begun and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self.refusal = self.refusal or _HEAD_TOO_LONG
        return self.is_in_request and not had_begun

    def unfinished(self) -> Received:
        """Return what was read of a request that never became complete."""
        return self._received(method=self._parser.get_method().decode("ascii") if self._url else "")

    # What httptools calls.

    def on_message_begin(self) -> None:
        self._begin()
        self.is_in_request = True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        # Latin-1 keeps every byte (RFC 9110, section 5.5).
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._parser.get_http_version() not in ("1.0", "1.1"):
            self._stop(_OTHER_VERSION)
        if len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._headers) > HEAD_BYTES_MAX:
            self._stop(_HEAD_TOO_LONG)
        headers = dict(self._headers)
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > BODY_BYTES_MAX:
            self._stop(_BODY_TOO_LONG)
        self.wants_continue = headers.get("expect", "").lower() == "100-continue"

    def on_body(self, data: bytes) -> None:
        # A client that does not wait for 100 needs none (RFC 9110, section 10.1.1).
        self.wants_continue = False
        self._body += data
        if len(self._body) > BODY_BYTES_MAX:
            self._stop(_BODY_TOO_LONG)

    def on_message_complete(self) -> None:
        self.wants_continue = False
        self.requests.append(self._received(method=self._parser.get_method().decode("ascii")))
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()
        self._in_head = True
        self._head_bytes = 0  # of a head that takes more than one receive; the first is not counted
        self.is_in_request = False

    def _received(self, *, method: str) -> Received:
        self._count += 1
        return Received(
            method=method,
            target=self._url.decode("latin-1"),
            headers=tuple(self._headers),
            body=bytes(self._body),
            at=self._now(),
            connection=self._number,
            reused=self._count > 1,
            keep_alive=self._parser.should_keep_alive(),
            is_http_10=self._parser.get_http_version() == "1.0",
        )

    def _stop(self, refusal: tuple[int, str]) -> NoReturn:
        self.refusal = refusal
        raise ValueError(refusal[1])  # ends httptools' run over the data


@final
class _Player:
    """Plays one script on a stream."""

    def __init__(
        self,
        stream: trio.abc.HalfCloseableStream,
        request: Received,
        entry: Entry,
        *,
        now: Callable[[], float],
        reset: Reset,
    ) -> None:
        self.keeps_alive = False
        self._stream = stream
        self._request = request
        self._entry = entry
        self._now = now
        self._reset = reset
        self._out = bytearray()
        self._frames: list[bytes] = []
        self._is_chunked = False
        self._is_bodiless = False

    async def play(self, script: Script, *, ended: Ended = Ended.COMPLETE) -> None:
        """Play *script*; the entry ends as *ended* where the script does not end it otherwise."""
        until_close = False
        for op in script:
            match op:
                case Send(data=data):
                    self._frame(data)
                    if len(self._out) > SEND_BYTES_MAX:
                        await self._flush()
                case Head():
                    until_close = self._head(op)
                case Wait(seconds=seconds):
                    await self._flush()
                    await trio.sleep(seconds)
                case Close(how=how):
                    await self._flush()
                    await self._close(how)
                    return
        if self._is_chunked:
            self._out += b"0\r\n\r\n"
        await self._flush()
        self.keeps_alive = self._request.keep_alive and not until_close and ended is Ended.COMPLETE
        self._entry.end(ended, self._now())

    def _head(self, head: Head) -> bool:
        """Put *head* out; return whether the body ends with the connection."""
        request = self._request
        is_bodiless = request.method == "HEAD" or head.status in (204, 304)
        until_close = not is_whole(head) and request.is_http_10
        self._is_chunked = not is_whole(head) and not request.is_http_10 and not is_bodiless
        more: Headers = (("transfer-encoding", "chunked"),) if self._is_chunked else ()
        if until_close or not request.keep_alive:
            more = (*more, ("connection", "close"))
        elif request.is_http_10:
            more = (*more, ("connection", "keep-alive"))
        self._entry.status = head.status
        self._is_bodiless = is_bodiless
        lines = "".join(f"{name}: {value}\r\n" for name, value in (*head.headers, *more))
        self._out += f"HTTP/1.1 {head.status} {_REASONS.get(head.status, '')}\r\n{lines}\r\n".encode("latin-1")
        return until_close

    def _frame(self, data: bytes) -> None:
        if self._is_bodiless or not data:
            return  # a chunk of no bytes would end the body
        if self._is_chunked:
            self._out += b"%x\r\n%b\r\n" % (len(data), data)
        else:
            self._out += data
        self._frames.append(data)

    async def _flush(self) -> None:
        if not self._out:
            return
        # The time before the send: no client can have received a frame earlier than its journal says.
        at, data, frames = self._now(), bytes(self._out), self._frames
        self._out, self._frames = bytearray(), []
        await self._stream.send_all(data)
        for frame in frames:
            self._entry.sent(frame, at)

    async def _close(self, how: str) -> None:
        if how == "rst":
            self._entry.end(Ended.RESET, self._now())
            await self._reset(self._stream)
        else:
            self._entry.end(Ended.CUT, self._now())
            await self._stream.aclose()


_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}
