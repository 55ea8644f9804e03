"""What is wrong with the head of an answer, with its framing, or with its body as a whole."""

# ruff: noqa: D102 - the docstring of a behaviour says what calling it does

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias, final

from routeproof_simulator.algebra import Behaviour, Situation
from routeproof_simulator.ranges import BYTES_MAX, Header, OutOfRangeError, Range, Size, Text, Times
from routeproof_simulator.script import (
    JSON,
    Head,
    Kind,
    Op,
    Raw,
    Script,
    Send,
    after_frames,
    head_of,
    instead,
    is_stream,
    refitted,
    with_head,
)
from routeproof_simulator.wire.framing import LAST_CHUNK, chunk, head_bytes
from routeproof_spec.history import first_header

_GZIP: Final = 16 + zlib.MAX_WBITS  # with the header and the checksum of RFC 1952
_GZIP_HEAD_BYTES: Final = 10

Chunking: TypeAlias = Literal["not_hex", "unended", "twice", "header_twice"]


@final
@dataclass(frozen=True, slots=True)
class Empty(Behaviour):
    """The status and headers of success, and a body of no bytes."""

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        index = after_frames(script, 0)
        return script if index is None else refitted(script[:index])


@final
@dataclass(frozen=True, slots=True)
class Answer(Behaviour):
    """The status and headers of success, and *body* as it stands: a whole answer, or all events of a stream."""

    body: Text

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        index = after_frames(script, 0)
        return script if index is None else refitted((*script[:index], Send(self.body.encode())))


@final
@dataclass(frozen=True, slots=True)
class Gzip(Behaviour):
    """The answer is compressed, a stream event by event, whatever the gateway said that it accepts."""

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        return _compressed(script)


@final
@dataclass(frozen=True, slots=True)
class BadGzip(Behaviour):
    """The answer is compressed, and nobody can unpack it: the first byte after gzip's own header is wrong."""

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        packed = list(_compressed(script))
        for index, op in enumerate(packed):
            if isinstance(op, Send):
                good = op.data
                # Three bits of this byte name the kind of the first block; all of them set is none (RFC 1951, 3.2.3).
                packed[index] = Send(good[:_GZIP_HEAD_BYTES] + b"\xff" + good[_GZIP_HEAD_BYTES + 1 :], op.kind)
                return tuple(packed)
        return script


@final
@dataclass(frozen=True, slots=True)
class WrongContentType(Behaviour):
    """The answer is labelled *content_type*, which it is not."""

    content_type: Header = "text/html"

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        head = head_of(script)
        return script if head is None else with_head(script, head.status, content_type=self.content_type)


@final
@dataclass(frozen=True, slots=True)
class WrongContentLength(Behaviour):
    """A whole answer announces *bytes* more than it has, or fewer where negative; the connection stays open."""

    bytes: Annotated[int, Range(low=-BYTES_MAX, high=BYTES_MAX, unit="bytes")]

    def __post_init__(self) -> None:
        Behaviour.__post_init__(self)
        if self.bytes == 0:
            raise OutOfRangeError("bytes", found=0, wanted="more or less than the truth")

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        head = head_of(script)
        told = None if head is None else first_header(head.headers, "content-length")
        if head is None or told is None:
            return script
        return with_head(script, head.status, content_length=str(max(0, int(told) + self.bytes)))


@final
@dataclass(frozen=True, slots=True)
class BadChunk(Behaviour):
    """A stream's chunks are framed wrongly.

    *style*: the first size is `not_hex`; the first chunk is `unended`, without the line end after its data; the body is
    framed `twice`, a chunk in each chunk; or transfer-encoding is a `header_twice`.
    """

    style: Chunking

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        head = head_of(script)
        if head is None or not is_stream(script):
            return script
        match self.style:
            case "header_twice":
                return with_head(script, head.status, transfer_encoding="chunked")  # the wire adds its own
            case "twice":
                framed = (Send(chunk(op.data), op.kind) if isinstance(op, Send) and op.data else op for op in script)
                return (*framed, Send(LAST_CHUNK, Kind.OTHER))
            case "not_hex":
                return _first_replaced(script, lambda data: Raw(b"size\r\n" + data + b"\r\n"))
            case "unended":
                return _first_replaced(script, lambda data: Raw(b"%x\r\n%b" % (len(data), data), data))


@final
@dataclass(frozen=True, slots=True)
class OversizedHeaders(Behaviour):
    """The answer has one more header, of *bytes*."""

    bytes: Size = 2**20

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        head = head_of(script)
        return script if head is None else with_head(script, head.status, x_padding="x" * self.bytes)


@final
@dataclass(frozen=True, slots=True)
class OversizedBody(Behaviour):
    """A whole answer is at least *bytes* long: white space after its JSON, which means nothing."""

    bytes: Size = 2**24

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        sends = [index for index, op in enumerate(script) if isinstance(op, Send)]
        lacking = self.bytes - sum(len(op.data) for op in script if isinstance(op, Send))
        if is_stream(script) or not sends or lacking <= 0:
            return script
        last = sends[-1]
        return refitted((*script[: last + 1], Send(b" " * lacking, Kind.OTHER), *script[last + 1 :]))


@final
@dataclass(frozen=True, slots=True)
class Redirect(Behaviour):
    """The answer redirects to *location*; without one to where the request went, in a loop."""

    status: Annotated[int, Range(low=300, high=399)] = 307
    location: Header | None = None

    def __call__(self, script: Script, situation: Situation) -> Script:
        sent = instead(script, self.status, b"", content_type=JSON)
        return with_head(sent, self.status, location=self.location or situation.path)


@final
@dataclass(frozen=True, slots=True)
class Interim(Behaviour):
    """An interim *status* (100 to 199) comes *times* before the answer, as `103 Early Hints` may."""

    status: Annotated[int, Range(low=100, high=199)] = 103
    times: Times = 1

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        hint = Raw(head_bytes(Head(self.status)))
        ops: list[Op] = []
        for op in script:
            ops += [*[hint] * self.times, op] if isinstance(op, Head) else [op]
        return tuple(ops)


@final
@dataclass(frozen=True, slots=True)
class Http10(Behaviour):
    """The answer is HTTP/1.0: a stream is not chunked, and the end of the connection is its end."""

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        return tuple(Head(op.status, op.headers, "1.0") if isinstance(op, Head) else op for op in script)


def _compressed(script: Script) -> Script:
    head = head_of(script)
    sends = [index for index, op in enumerate(script) if isinstance(op, Send)]
    if head is None or not sends:
        return script
    packer = zlib.compressobj(wbits=_GZIP)
    packed: list[Op] = list(script)
    for index in sends:
        flush = zlib.Z_FINISH if index == sends[-1] else zlib.Z_SYNC_FLUSH
        send = script[index]
        assert isinstance(send, Send)
        packed[index] = Send(packer.compress(send.data) + packer.flush(flush), send.kind)
    return refitted(with_head(tuple(packed), head.status, content_encoding="gzip"))


def _first_replaced(script: Script, replace: Callable[[bytes], Raw]) -> Script:
    for index, op in enumerate(script):
        if isinstance(op, Send) and op.data:
            return (*script[:index], replace(op.data), *script[index + 1 :])
    return script
