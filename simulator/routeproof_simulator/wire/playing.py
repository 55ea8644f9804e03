"""Scripts onto the wire: one loop plays them all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, final

import trio

from routeproof_simulator.journal import Entry
from routeproof_simulator.received import Received
from routeproof_simulator.script import (
    Close,
    End,
    Head,
    Hold,
    Pieces,
    Pull,
    Raw,
    Repeat,
    Script,
    Send,
    Turn,
    Wait,
    pieces,
)
from routeproof_simulator.wire.framing import (
    AT_ONCE_BYTES_MAX,
    CHUNK_END_BYTES,
    LAST_CHUNK,
    chunks,
    formed,
    sendable,
)
from routeproof_simulator.wire.timers import sleep_until
from routeproof_simulator.wire.turns import Turns
from routeproof_spec.history import Ended

_TIMED: Final = (Wait, Turn, Pieces, Repeat, Pull)

Reset: TypeAlias = Callable[[trio.abc.HalfCloseableStream], Awaitable[None]]


def takes_time(script: Script) -> bool:
    """Whether playing *script* may have to wait for anything but the network."""
    return any(isinstance(op, _TIMED) for op in script)


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
        self._out: list[bytes] = []
        self._out_bytes = 0  # of frames; heads do not count
        self._frames: list[bytes] = []
        self._due: float | None = None  # when what comes next is due, on trio's clock; None: now
        self._held = 0  # bytes of `_out` that stay back when the rest leaves
        self._is_chunked = False
        self._is_bodiless = False
        self._keeps_alive = request.keep_alive
        self._has_ended = False  # the body is complete

    def put(self, script: Script, at: int = 0) -> int:
        """Put the operations of *script* from *at* on into bytes; return the index of the first that needs more.

        This is all there is to do for most answers, and it awaits nothing.
        """
        while at < len(script) and self._out_bytes <= AT_ONCE_BYTES_MAX:
            match script[at]:
                case Send():
                    at = self._put_frames(script, at)
                    continue
                case Head() as op:
                    self._head(op)
                case Raw(data=data, body=body):
                    self._out.append(data)
                    self._frames += [body] if body else []
                case End():
                    self._end()
                case Hold(bytes=count):
                    self._held = count
                case Close(how="next"):
                    self.closes_at_next = True
                case _:
                    break
            at += 1
        return at

    def _put_frames(self, script: Script, at: int) -> int:
        """Put the frames of *script* from *at* on; return the index of what follows them, or of the first too many."""
        run: list[bytes] = []
        size = self._out_bytes
        for op in script[at:]:
            if type(op) is not Send or size > AT_ONCE_BYTES_MAX:
                break
            run.append(op.data)
            size += len(op.data)
        frames = [] if self._is_bodiless else sendable(run)
        self._frames += frames
        self._out += chunks(frames) if self._is_chunked else frames
        self._out_bytes = size
        return at + len(run)

    async def play(self, script: Script, at: int = 0, *, ended: Ended = Ended.COMPLETE) -> None:
        """Play *script* from *at* on; the entry ends as *ended* where the script does not end it otherwise."""
        while at < len(script) and (at := self.put(script, at)) < len(script):
            match script[at]:
                case Wait() | Turn() | Repeat() | Pull() as op:
                    await self._flush()
                    if self._has_ended:  # what follows befalls the connection alone
                        self._entry.end(Ended.COMPLETE, self._now())
                    await self._pass(op)
                    at += 1
                case Pieces(bytes=size, seconds=seconds):
                    await self._flush_in_pieces(size, seconds)
                    at += 1
                case Close(how="fin" | "rst" as how):
                    await self._flush()
                    await self._close(how)
                    return
                case _:  # much has been put
                    await self._flush()
        self._end()
        self._held = 0  # nothing follows for which to hold anything back
        left_at = await self._flush()
        self.keeps_alive = self._keeps_alive and ended is Ended.COMPLETE
        self._entry.end(ended, left_at)

    async def _pass(self, op: Wait | Turn | Repeat | Pull) -> None:
        """Let the time of *op* pass."""
        match op:
            case Wait(seconds=seconds):
                # From when it was due and not from now: a long stream that is paced does not fall behind its pace.
                due = self._due if self._due is not None else trio.current_time()
                self._due = due + seconds
                await sleep_until(self._due)
                return
            case Turn(slots=slots):
                assert self._turns is not None
                await self._turns.take(slots, self._entry)
            case Repeat(data=data, seconds=seconds):
                frame = (Send(data),)
                while True:  # until the peer leaves, or the longest that any answer may take has passed
                    self.put(frame)
                    await self._flush()
                    await trio.sleep(seconds)
            case Pull(source=source):
                while data := await source():
                    self.put((Send(data),))
                    await self._flush()
        self._due = None

    def _head(self, head: Head) -> None:
        data, form = formed(head, self._request)
        self._keeps_alive = form.keeps_alive
        self._is_bodiless = form.is_bodiless
        self._is_chunked = form.is_chunked
        self._entry.head = head
        self._out.append(data)

    def _end(self) -> None:
        if self._is_chunked and not self._has_ended:
            self._out.append(LAST_CHUNK)
        self._has_ended = True

    async def _flush(self) -> float:
        """Send what has been put; return the moment before, for no client can have received any of it earlier."""
        if self._held:
            await self._flush_but(self._held)
            return self._now()
        at = self._now()
        if self._out:
            data, frames = self._taken()
            await self._stream.send_all(data)
            self._entry.sent(frames, at)
        return at

    async def _flush_but(self, held: int) -> None:
        """Send all but the last *held* bytes."""
        data, frames = self._taken()
        at, end = self._now(), len(data) - held
        self._held = 0
        if end <= 0:
            self._out, self._frames = [data], frames
            return
        if frames:
            last = frames.pop()
            stays = max(0, held - CHUNK_END_BYTES * self._is_chunked)
            frames.append(last[: len(last) - stays])
            self._frames = [last[len(last) - stays :]]
        self._out = [data[end:]]
        await self._stream.send_all(data[:end])
        self._entry.sent(frames, at)

    async def _flush_in_pieces(self, size: int, seconds: float) -> None:
        data, frames = self._taken()
        at = self._now()
        for piece in pieces(data, size):
            await self._stream.send_all(piece)
            await trio.sleep(seconds)
        self._entry.sent(frames, at)

    def _taken(self) -> tuple[bytes, list[bytes]]:
        """Return what has been put and not left, all of it, and the frames in it."""
        data, frames = b"".join(self._out), self._frames
        self._out, self._frames, self._out_bytes = [], [], 0
        return data, frames

    async def _close(self, how: str) -> None:
        if how == "rst":
            self._entry.end(Ended.RESET, self._now())
            await self._reset(self._stream)
        else:
            self._entry.end(Ended.COMPLETE if self._has_ended else Ended.CUT, self._now())
            await self._stream.aclose()
