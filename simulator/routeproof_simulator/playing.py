"""Scripts onto the wire: one loop plays them all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, TypeAlias, final

import trio

from routeproof_simulator.journal import Entry
from routeproof_simulator.received import Received
from routeproof_simulator.script import Close, Head, Script, Send, Wait, is_whole
from routeproof_spec.history import Ended, Headers, first_header

SEND_BYTES_MAX: Final = 256 * 2**10  # joined into one send

Reset: TypeAlias = Callable[[trio.abc.HalfCloseableStream], Awaitable[None]]


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
        if first_header(head.headers, "connection") is None:
            more += self._connection(until_close)
        self._entry.status = head.status
        self._is_bodiless = is_bodiless
        lines = "".join(f"{name}: {value}\r\n" for name, value in (*head.headers, *more))
        self._out += f"HTTP/1.1 {head.status} {_REASONS.get(head.status, '')}\r\n{lines}\r\n".encode("latin-1")
        return until_close

    def _connection(self, until_close: bool) -> Headers:
        if until_close or not self._request.keep_alive:
            return (("connection", "close"),)
        return (("connection", "keep-alive"),) if self._request.is_http_10 else ()

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
