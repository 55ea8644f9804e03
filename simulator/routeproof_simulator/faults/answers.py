"""What is answered instead of the answer."""

# ruff: noqa: D102 - the docstring of a behaviour says what calling it does

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, Final, final

from routeproof_simulator.algebra import Behaviour, OutOfRangeError, Situation, within
from routeproof_simulator.script import (
    JSON,
    Kind,
    Script,
    Send,
    after_frames,
    head_of,
    instead,
    is_stream,
    refitted,
    with_head,
)

_GZIP: Final = 16 + zlib.MAX_WBITS  # with the header and the checksum of RFC 1952


@final
@dataclass(frozen=True, slots=True)
class Fail(Behaviour):
    """The answer is an error, worded as this kind of provider words it, or *body* as it stands.

    *retry_after*: seconds, or text sent as it stands (a date). *code*: the machine-readable code inside the error.
    """

    status: int
    retry_after: float | str | None = None
    message: str | None = None
    code: str | None = None
    body: str | None = None
    content_type: str | None = None

    def __post_init__(self) -> None:
        within("status", self.status, low=300, high=599)
        if isinstance(self.retry_after, str):
            _header_value("retry_after", self.retry_after)
        else:
            within("retry_after", self.retry_after, low=0.0)
        _header_value("content_type", self.content_type)

    def __call__(self, script: Script, situation: Situation) -> Script:
        own = situation.voice.error(self.status, self.message, self.code)
        body = own if self.body is None else self.body.encode()
        failed = instead(script, self.status, body, content_type=self.content_type or JSON)
        if self.retry_after is None:
            return failed
        shown = self.retry_after if isinstance(self.retry_after, str) else f"{self.retry_after:g}"
        return with_head(failed, self.status, retry_after=shown)


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

    body: str

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
        head = head_of(script)
        sends = [index for index, op in enumerate(script) if isinstance(op, Send)]
        if head is None or not sends:
            return script
        packer = zlib.compressobj(wbits=_GZIP)
        packed: list[Any] = list(script)
        for index in sends:
            flush = zlib.Z_FINISH if index == sends[-1] else zlib.Z_SYNC_FLUSH
            send = packed[index]
            packed[index] = Send(packer.compress(send.data) + packer.flush(flush), send.kind)
        return refitted(with_head(tuple(packed), head.status, content_encoding="gzip"))


@final
@dataclass(frozen=True, slots=True)
class WrongContentType(Behaviour):
    """The answer is labelled *content_type*, which it is not."""

    content_type: str = "text/html"

    def __post_init__(self) -> None:
        _header_value("content_type", self.content_type)

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        head = head_of(script)
        return script if head is None else with_head(script, head.status, content_type=self.content_type)


@final
@dataclass(frozen=True, slots=True)
class ErrorIn200(Behaviour):
    """The status is 200 and the body an error: the whole body, or the stream's first event."""

    message: str | None = None
    code: str | None = None

    def __call__(self, script: Script, situation: Situation) -> Script:
        if is_stream(script):
            return StreamError(0, message=self.message, code=self.code)(script, situation)
        return instead(script, 200, situation.voice.error(500, self.message, self.code), content_type=JSON)


@final
@dataclass(frozen=True, slots=True)
class StreamError(Behaviour):
    """After *frames* of a stream comes an error event, and the stream ends without `[DONE]`."""

    frames: int = 0
    message: str | None = None
    code: str | None = None

    def __post_init__(self) -> None:
        within("frames", self.frames, low=0)

    def __call__(self, script: Script, situation: Situation) -> Script:
        index = after_frames(script, self.frames) if is_stream(script) else None
        if index is None:
            return script
        return (*script[:index], Send(situation.voice.stream_error(self.message, self.code), Kind.ERROR))


def _header_value(field: str, value: str | None) -> None:
    # RFC 9110, section 5.5: a value of printable ASCII cannot end its line or begin another.
    if value is not None and not (value.isascii() and value.isprintable()):
        raise OutOfRangeError(field, found=value, wanted="printable ASCII")
