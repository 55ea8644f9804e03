"""Scripts onto the wire: one loop plays them all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, final

import trio

from routeproof_simulator.framing import LAST_CHUNK, chunk, head_bytes
from routeproof_simulator.journal import Entry
from routeproof_simulator.received import Received
from routeproof_simulator.script import Close, End, Head, Raw, Repeat, Script, Send, Turn, Wait, is_whole
from routeproof_simulator.turns import Turns
from routeproof_spec.history import Ended, Headers, first_header

SEND_BYTES_MAX: Final = 256 * 2**10  # joined into one send

Reset: TypeAlias = Callable[[trio.abc.HalfCloseableStream], Awaitable[None]]


def takes_time(script: Script) -> bool:
    """Whether playing *script* may have to wait for anything but the network."""
    return any(isinstance(op, Wait | Turn | Repeat) for op in script)


@final
class Player:
    """Plays one script on a stream."""

    def __init__(
        self,
        stream: trio.abc.HalfCloseableStream,
        request: Received,
        entry: Entry,
        *,
        now: Callable[[], float],
        reset: Reset,
        turns: Turns | None = None,
    ) -> None:
        self.keeps_alive = False
        self.closes_at_next = False  # the connection is kept until another request begins to arrive
        self._stream = stream
        self._request = request
        self._entry = entry
        self._now = now
        self._reset = reset
        self._turns = turns
        self._out = bytearray()
        self._frames: list[bytes] = []
        self._is_chunked = False
        self._is_bodiless = False
        self._until_close = False
        self._has_ended = False  # the body is complete

    async def play(self, script: Script, *, ended: Ended = Ended.COMPLETE) -> None:
        """Play *script*; the entry ends as *ended* where the script does not end it otherwise."""
        for op in script:
            match op:
                case Send(data=data):
                    self._frame(data)
                    if len(self._out) > SEND_BYTES_MAX:
                        await self._flush()
                case Head():
                    self._head(op)
                case Raw(data=data, body=body):
                    self._out += data
                    self._frames += [body] if body else []
                case End():
                    self._end()
                case Close(how="next"):
                    self.closes_at_next = True
                case Close(how=how):
                    await self._flush()
                    await self._close(how)
                    return
                case _:
                    await self._flush()
                    await self._pass(op)
        self._end()
        await self._flush()
        self.keeps_alive = self._request.keep_alive and not self._until_close and ended is Ended.COMPLETE
        self._entry.end(ended, self._now())

    async def _pass(self, op: Wait | Turn | Repeat) -> None:
        """Let the time of *op* pass."""
        match op:
            case Wait(seconds=seconds):
                await trio.sleep(seconds)
            case Turn(slots=slots):
                assert self._turns is not None
                await self._turns.take(slots, self._entry)
            case Repeat(data=data, seconds=seconds):
                while True:  # until the peer leaves, or the longest that any answer may take has passed
                    self._frame(data)
                    await self._flush()
                    await trio.sleep(seconds)

    def _head(self, head: Head) -> None:
        request = self._request
        is_old = head.version == "1.0"
        is_bodiless = request.method == "HEAD" or head.status in (204, 304)
        until_close = is_old or (not is_whole(head) and request.is_http_10)
        self._is_chunked = not is_whole(head) and not until_close and not is_bodiless
        more: Headers = (("transfer-encoding", "chunked"),) if self._is_chunked else ()
        if first_header(head.headers, "connection") is None:
            more += self._connection(until_close)
        self._entry.status = head.status
        self._is_bodiless = is_bodiless
        self._until_close = until_close
        self._out += head_bytes(head, more)

    def _connection(self, until_close: bool) -> Headers:
        if until_close or not self._request.keep_alive:
            return (("connection", "close"),)
        return (("connection", "keep-alive"),) if self._request.is_http_10 else ()

    def _frame(self, data: bytes) -> None:
        if self._is_bodiless or not data:
            return  # a chunk of no bytes would end the body
        self._out += chunk(data) if self._is_chunked else data
        self._frames.append(data)

    def _end(self) -> None:
        if self._is_chunked and not self._has_ended:
            self._out += LAST_CHUNK
        self._has_ended = True

    async def _flush(self) -> None:
        if not self._out:
            return
        # The time before the send: no client can have received a frame earlier than its journal says.
        at, data, frames = self._now(), bytes(self._out), self._frames
        self._out, self._frames = bytearray(), []
        await self._stream.send_all(data)
        self._entry.sent(frames, at)

    async def _close(self, how: str) -> None:
        if how == "rst":
            self._entry.end(Ended.RESET, self._now())
            await self._reset(self._stream)
        else:
            self._entry.end(Ended.COMPLETE if self._has_ended else Ended.CUT, self._now())
            await self._stream.aclose()
