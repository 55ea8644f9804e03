"""An answer is a script of wire operations.

Rule 1. A script is a tuple of operations, played in order by one loop (`wire`). It holds no clock and no socket.
Rule 2. One `Send` is one frame: an event of a stream, or the body of a whole answer. Frames that are due at the same
        instant may leave together; a `Wait`, of zero seconds too, parts them.
Rule 3. A head with a content-length is a whole answer; a head without one is a stream, framed in chunks.
Rule 4. A script that ends without `Close` ends as its framing says, and the connection lives on.
Rule 5. Times are relative: a `Wait` holds up all that follows it.
Rule 6. `Raw` is on the wire as it stands, outside every frame: what no honest server would send is said with it.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator
from enum import StrEnum
from typing import Literal, TypeAlias

from msgspec import Struct

from routeproof_spec.history import Headers, first_header

EVENT_STREAM = "text/event-stream; charset=utf-8"
JSON = "application/json"


class Kind(StrEnum):
    """What a frame means, so that a behaviour can address it by its meaning."""

    ROLE = "role"
    CONTENT = "content"
    FINISH = "finish"
    USAGE = "usage"
    DONE = "done"
    BODY = "body"  # all of a whole answer
    ERROR = "error"
    OTHER = "other"  # what a behaviour put in: a comment, a second end


# Structs and not dataclasses: a stream is made of hundreds, and these are made five times as fast. None can be part of
# a cycle, so the collector need not look at them: with a thousand streams on their way it would stop all for a while.


class Head(Struct, frozen=True, gc=False):
    """The status line and the headers; names in lower case."""

    status: int
    headers: Headers = ()
    version: Literal["1.0", "1.1"] = "1.1"


class Send(Struct, frozen=True, gc=False):
    """One frame of the body."""

    data: bytes
    kind: Kind = Kind.BODY


class Raw(Struct, frozen=True, gc=False):
    """Bytes on the wire as they stand, outside of head and framing (Rule 6); *body* is what a client may read of it."""

    data: bytes
    body: bytes = b""


class Wait(Struct, frozen=True, gc=False):
    """Nothing happens for *seconds*; infinity waits until the peer leaves."""

    seconds: float


class Turn(Struct, frozen=True, gc=False):
    """The answer waits, first come first served, until fewer than *slots* others of its provider have a turn."""

    slots: int


class Hold(Struct, frozen=True, gc=False):
    """The last *bytes* of what has not left yet stay back until the next operation has passed; a `Close` drops them."""

    bytes: int


class Pieces(Struct, frozen=True, gc=False):
    """What has not left yet leaves *bytes* at a time, every *seconds*, however it is framed."""

    bytes: int
    seconds: float


class Repeat(Struct, frozen=True, gc=False):
    """The frame goes out again and again, every *seconds*, until the peer leaves."""

    data: bytes
    seconds: float


class Pull(Struct, frozen=True):
    """Frames come from *source* as it makes them, until it returns no bytes, or the peer leaves."""

    source: Callable[[], Awaitable[bytes]]


class End(Struct, frozen=True, gc=False):
    """The body ends here, as its framing says; what comes after is no part of it."""


class Close(Struct, frozen=True, gc=False):
    """The connection ends: in order (`fin`), by reset (`rst`), or in order when the next request arrives (`next`)."""

    how: Literal["fin", "rst", "next"]


Op: TypeAlias = Head | Send | Raw | Wait | Turn | Hold | Pieces | Repeat | Pull | End | Close
Script: TypeAlias = tuple[Op, ...]

FOREVER = Wait(math.inf)

Place: TypeAlias = Literal[
    "headers", "headers_end", "body", "role", "content", "finish", "usage", "done", "character_end", "chunk_end"
]


def whole(status: int, headers: Headers, body: bytes) -> Script:
    """Return the script of a whole answer; its content-length is true."""
    return (Head(status, (*headers, ("content-length", str(len(body))))), Send(body))


def head_of(script: Script) -> Head | None:
    """Return the head of *script*, or None where the connection ends before one."""
    return next((op for op in script if isinstance(op, Head)), None)


def is_stream(script: Script) -> bool:
    """Whether *script* sends a stream (Rule 3)."""
    head = head_of(script)
    return head is not None and first_header(head.headers, "content-length") is None


def with_head(script: Script, status: int, **headers: str | None) -> Script:
    """Return *script* with *status* and with *headers* set, or removed where None; `_` in a name stands for `-`."""
    changes = {name.replace("_", "-"): value for name, value in headers.items()}

    def changed(head: Head) -> Head:
        kept = tuple((name, value) for name, value in head.headers if name not in changes)
        more = tuple((name, value) for name, value in changes.items() if value is not None)
        return Head(status, kept + more, head.version)

    return tuple(changed(op) if isinstance(op, Head) else op for op in script)


def instead(script: Script, status: int, body: bytes, *, content_type: str) -> Script:
    """Return *script* answering with *body* as a whole instead: waits before the head and other headers stay."""
    at = _head_index(script)
    if at is None:
        return script
    headed = with_head(script[: at + 1], status, content_type=content_type, content_length=str(len(body)))
    return (*headed, Send(body)) if body else headed


def refitted(script: Script) -> Script:
    """Return *script* with the content-length of a whole answer made true again."""
    head = head_of(script)
    if head is None or not is_whole(head):
        return script
    length = sum(len(op.data) for op in script if isinstance(op, Send))
    return with_head(script, head.status, content_length=str(length))


def is_whole(head: Head) -> bool:
    """Whether *head* announces a whole answer (Rule 3)."""
    return first_header(head.headers, "content-length") is not None


def after_frames(script: Script, frames: int) -> int | None:
    """Return the index right after the *frames*-th frame (0: right after the head), or None where there are fewer."""
    passed = -1
    for index, op in enumerate(script):
        passed += isinstance(op, Head | Send)
        if passed == frames:
            return index + 1
    return None


def split_before(script: Script, place: Place) -> tuple[Script, Script] | None:
    """Return *script* parted where *place* is due, or None where it has no such place."""
    match place:
        case "character_end":
            return _split_in_character(script)
        case "headers_end":
            return _split_in_headers(script)
        case "chunk_end":
            return _split_in_chunk(script)
        case _:
            pass
    for index, op in enumerate(script):
        match op:
            case Head():
                found = place == "headers"
            case Send(kind=kind):
                found = place in ("body", kind.value)
            case _:
                found = False
        if found:
            return script[:index], script[index:]
    return None


def split_after_bytes(script: Script, count: int) -> tuple[Script, Script] | None:
    """Return *script* parted after *count* bytes of its body, perhaps inside a frame; None where it is shorter."""
    if count == 0:
        index = after_frames(script, 0)
        return None if index is None else (script[:index], script[index:])
    left = count
    for index, op in enumerate(script):
        if not isinstance(op, Send):
            continue
        if left == len(op.data):
            return script[: index + 1], script[index + 1 :]
        if left < len(op.data):
            first, rest = Send(op.data[:left], op.kind), Send(op.data[left:], op.kind)
            return (*script[:index], first), (rest, *script[index + 1 :])
        left -= len(op.data)
    return None


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """Yield *data* in pieces of *size* bytes, the last one perhaps shorter."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def _head_index(script: Script) -> int | None:
    return next((index for index, op in enumerate(script) if isinstance(op, Head)), None)


def _split_in_headers(script: Script) -> tuple[Script, Script] | None:
    at = _head_index(script)
    if at is None:
        return None
    head = script[at]
    assert isinstance(head, Head)
    half = sum(len(name) + len(value) + 4 for name, value in head.headers) // 2
    return (*script[: at + 1], Hold(half)), script[at + 1 :]


def _split_in_chunk(script: Script) -> tuple[Script, Script] | None:
    if not is_stream(script):
        return None
    for index, op in enumerate(script):
        if isinstance(op, Send) and op.kind is Kind.CONTENT:
            return (*script[: index + 1], Hold(len(op.data) // 2)), script[index + 1 :]
    return None


def _split_in_character(script: Script) -> tuple[Script, Script] | None:
    sent = 0
    for op in script:
        if isinstance(op, Send):
            for offset, byte in enumerate(op.data):
                if byte >= 0xC0:  # the first byte of a character of two to four (RFC 3629, section 3)
                    return split_after_bytes(script, sent + offset + 1)
            sent += len(op.data)
    return None
