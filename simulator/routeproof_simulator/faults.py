"""The faults that a provider can be given; each a name and a few attributes with units.

Names follow Toxiproxy where it has one. Times are in seconds. Where a fault sets in is said in one of three ways:
`frames` (after so many frames; a whole answer is one frame), `before` (a place, at the moment it is due), `bytes`
(after so many bytes of the body). A place that the answer does not have changes nothing.
"""

# ruff: noqa: D102 - the docstring of a behaviour says what calling it does

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias, final, get_args

import msgspec

from routeproof_simulator.algebra import Behaviour, OutOfRangeError, Situation, within
from routeproof_simulator.script import (
    FOREVER,
    JSON,
    Close,
    Head,
    Kind,
    Place,
    Script,
    Send,
    Wait,
    after_frames,
    head_of,
    instead,
    is_stream,
    pieces,
    refitted,
    split_after_bytes,
    split_before,
    with_head,
)

Edit: TypeAlias = Callable[[dict[str, Any]], None]

_DATA: Final = b"data: "
_GZIP: Final = 16 + zlib.MAX_WBITS  # with the header and the checksum of RFC 1952


# How soon and how fast


@final
@dataclass(frozen=True, slots=True)
class Latency(Behaviour):
    """Nothing is sent for *seconds*, give or take up to *jitter*."""

    seconds: float
    jitter: float = 0.0

    def __post_init__(self) -> None:
        within("seconds", self.seconds, low=0.0)
        within("jitter", self.jitter, low=0.0, high=self.seconds)

    def __call__(self, script: Script, situation: Situation) -> Script:
        spread = self.jitter * (2 * situation.draw() - 1) if self.jitter else 0.0
        return (Wait(self.seconds + spread), *script)


@final
@dataclass(frozen=True, slots=True)
class Ttft(Behaviour):
    """The first content comes after *seconds*; a stream's head and role go before it, a whole answer's head waits."""

    seconds: float

    def __post_init__(self) -> None:
        within("seconds", self.seconds, low=0.0)

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        split = split_before(script, "content" if is_stream(script) else "headers")
        return script if split is None else (*split[0], Wait(self.seconds), *split[1])


@final
@dataclass(frozen=True, slots=True)
class Pace(Behaviour):
    """Content comes at *tokens_per_second*; a whole answer takes as long as its stream would."""

    tokens_per_second: float

    def __post_init__(self) -> None:
        within("tokens_per_second", self.tokens_per_second, low=0.0, above=True)

    def __call__(self, script: Script, situation: Situation) -> Script:
        gap = 1.0 / self.tokens_per_second
        if not is_stream(script):
            return (Wait(gap * max(0, situation.tokens - 1)), *script)
        paced: list[Any] = []
        begun = False
        for op in script:
            if isinstance(op, Send) and op.kind is Kind.CONTENT:
                paced += [Wait(gap)] if begun else []
                begun = True
            paced.append(op)
        return tuple(paced)


@final
@dataclass(frozen=True, slots=True)
class Slicer(Behaviour):
    """The body leaves in pieces of *bytes*, inside characters too, *delay* seconds apart."""

    bytes: int
    delay: float = 0.0

    def __post_init__(self) -> None:
        within("bytes", self.bytes, low=1)
        within("delay", self.delay, low=0.0)

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        sliced: list[Any] = []
        for op in script:
            if isinstance(op, Send):
                for piece in pieces(op.data, self.bytes):
                    sliced += [replace(op, data=piece), Wait(self.delay)]
            else:
                sliced.append(op)
        return tuple(sliced)


@final
@dataclass(frozen=True, slots=True)
class Drip(Behaviour):
    """The body leaves *bytes* at a time, every *seconds*: always alive, never done."""

    seconds: float
    bytes: int = 1

    def __post_init__(self) -> None:
        within("seconds", self.seconds, low=0.0, above=True)
        within("bytes", self.bytes, low=1)

    def __call__(self, script: Script, situation: Situation) -> Script:
        return Slicer(self.bytes, self.seconds)(script, situation)


# What is answered instead


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
            packed[index] = replace(send, data=packer.compress(send.data) + packer.flush(flush))
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
        voice = situation.voice
        return (*script[:index], Send(voice.event(voice.error(500, self.message, self.code)), Kind.ERROR))


# Where it breaks off


@dataclass(frozen=True, slots=True)
class _Placed(Behaviour):
    """A fault that sets in at one place, said in one of three ways."""

    frames: int | None = None
    before: Place | None = None
    bytes: int | None = None

    def __post_init__(self) -> None:
        within("frames", self.frames, low=0)
        within("bytes", self.bytes, low=0)
        said = [name for name in ("frames", "before", "bytes") if getattr(self, name) is not None]
        if len(said) != 1:
            raise OutOfRangeError("place", found=said, wanted="exactly one of frames, before, bytes")
        if self.before is not None and self.before not in get_args(Place):
            raise OutOfRangeError("before", found=self.before, wanted="one of " + ", ".join(get_args(Place)))

    def split(self, script: Script) -> tuple[Script, Script] | None:
        if self.before is not None:
            return split_before(script, self.before)
        if self.bytes is not None:
            return split_after_bytes(script, self.bytes)
        assert self.frames is not None
        index = after_frames(script, self.frames)
        return None if index is None else (script[:index], script[index:])


@final
@dataclass(frozen=True, slots=True)
class Cut(_Placed):
    """The connection ends in order, too early; a whole answer's content-length stays true (Toxiproxy: limit_data)."""

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        split = self.split(script)
        return script if split is None else (*split[0], Close("fin"))

    def merged(self, later: Behaviour) -> Behaviour | None:
        match self, later:
            case Cut(frames=int(mine)), Cut(frames=int(other)):
                return Cut(frames=min(mine, other))
            case Cut(bytes=int(mine)), Cut(bytes=int(other)):
                return Cut(bytes=min(mine, other))
            case _:
                return self if self == later else None


@final
@dataclass(frozen=True, slots=True)
class Reset(_Placed):
    """The connection is reset (Toxiproxy: reset_peer)."""

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        split = self.split(script)
        return script if split is None else (*split[0], Close("rst"))


@final
@dataclass(frozen=True, slots=True)
class Stall(_Placed):
    """Nothing more comes and the connection stays open: for *seconds*, or for ever."""

    seconds: float | None = None

    def __post_init__(self) -> None:
        _Placed.__post_init__(self)
        within("seconds", self.seconds, low=0.0, above=True)

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        split = self.split(script)
        if split is None:
            return script
        return (*split[0], FOREVER) if self.seconds is None else (*split[0], Wait(self.seconds), *split[1])


# What is wrong inside


@final
@dataclass(frozen=True, slots=True)
class BadJson(Behaviour):
    """The frame after *frames* others holds half of its JSON, framed as if it were all."""

    frames: int = 0

    def __post_init__(self) -> None:
        within("frames", self.frames, low=0)

    def __call__(self, script: Script, situation: Situation) -> Script:
        index = after_frames(script, self.frames + 1)
        if index is None:
            return script
        send = script[index - 1]
        assert isinstance(send, Send)
        prefix, data, end = _json_of(send)
        broken = replace(send, data=prefix + data[: (len(data) + 1) // 2] + end)
        del situation
        return refitted((*script[: index - 1], broken, *script[index:]))


@final
@dataclass(frozen=True, slots=True)
class Insert(_Placed):
    """At the place one more frame goes out: *text* as it stands, its framing included."""

    text: str = ""

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        split = self.split(script)
        return script if split is None else refitted((*split[0], Send(self.text.encode(), Kind.OTHER), *split[1]))


@final
@dataclass(frozen=True, slots=True)
class Framing(Behaviour):
    """A stream's events are spelled in another way that means the same (WHATWG event-stream format)."""

    style: Literal["crlf", "comments", "lines", "unspaced"]

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        if not is_stream(script):
            return script
        spelled = _FRAMINGS[self.style]
        return tuple(replace(op, data=spelled(op.data)) if isinstance(op, Send) else op for op in script)


#: Each spells one event anew. A line end between the tokens of JSON means nothing (RFC 8259, section 2).
_FRAMINGS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "crlf": lambda event: event.replace(b"\n", b"\r\n"),
    "comments": lambda event: b": waiting\n\n: still\n" + event,
    "lines": lambda event: event.replace(b"data: {", b"data: {\ndata: ", 1),
    "unspaced": lambda event: event.replace(_DATA, b"data:", 1),
}


@final
@dataclass(frozen=True, slots=True)
class NoDone(Behaviour):
    """A stream ends without its `[DONE]`."""

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        return _without(script, Kind.DONE)


@final
@dataclass(frozen=True, slots=True)
class NoFinish(Behaviour):
    """A stream ends without a finish reason."""

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        return _without(script, Kind.FINISH)


@final
@dataclass(frozen=True, slots=True)
class Usage(Behaviour):
    """The answer counts *prompt* and *completion* tokens, whatever is true."""

    prompt: int
    completion: int

    def __post_init__(self) -> None:
        within("prompt", self.prompt, low=0)
        within("completion", self.completion, low=0)

    def __call__(self, script: Script, situation: Situation) -> Script:
        counted = situation.voice.usage(self.prompt, self.completion)

        def edit(tree: dict[str, Any]) -> None:
            if tree.get("usage") is not None:
                tree["usage"] = {**tree["usage"], **counted}

        return _edited(script, edit)


def _header_value(field: str, value: str | None) -> None:
    # RFC 9110, section 5.5: a value of printable ASCII cannot end its line or begin another.
    if value is not None and not (value.isascii() and value.isprintable()):
        raise OutOfRangeError(field, found=value, wanted="printable ASCII")


def _without(script: Script, kind: Kind) -> Script:
    return tuple(op for op in script if not (isinstance(op, Send) and op.kind is kind))


def _json_of(send: Send) -> tuple[bytes, bytes, bytes]:
    """Return what stands before the JSON of a frame, the JSON, and what stands after it."""
    before, found, rest = send.data.partition(_DATA)
    if send.kind is Kind.BODY or not found:
        return b"", send.data, b""
    data = rest.rstrip(b"\r\n")
    return before + found, data, rest[len(data) :]


def _edited(script: Script, edit: Edit) -> Script:
    """Return *script* with the JSON object of each of its frames changed by *edit*; what is not one stays."""

    def changed(op: Head | Send | Wait | Close) -> Head | Send | Wait | Close:
        if not isinstance(op, Send):
            return op
        before, data, after = _json_of(op)
        try:
            tree = msgspec.json.decode(data, type=dict[str, Any])
        except msgspec.DecodeError:
            return op
        edit(tree)
        return replace(op, data=before + msgspec.json.encode(tree) + after)

    return refitted(tuple(changed(op) for op in script))
