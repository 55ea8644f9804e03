"""What is wrong with the events of a stream, each as a whole."""

# ruff: noqa: D102 - the docstring of a behaviour says what calling it does

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, Literal, final

from routeproof_simulator.algebra import Behaviour, Situation
from routeproof_simulator.faults.lens import DATA, json_of
from routeproof_simulator.faults.places import Placed
from routeproof_simulator.ranges import Frames, Range, Size, Text
from routeproof_simulator.script import Kind, Raw, Repeat, Script, Send, after_frames, head_of, is_stream, refitted


@final
@dataclass(frozen=True, slots=True)
class BadJson(Behaviour):
    """The frame after *frames* others holds half of its JSON, framed as if it were all."""

    frames: Frames = 0

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        index = after_frames(script, self.frames + 1)
        if index is None:
            return script
        send = _send(script, index - 1)
        prefix, data, end = json_of(send)
        half = data[: (len(data) + 1) // 2].decode(errors="ignore").encode()  # no half character: JSON alone is broken
        broken = Send(prefix + half + end, send.kind)
        return refitted((*script[: index - 1], broken, *script[index:]))


@final
@dataclass(frozen=True, slots=True)
class Insert(Placed):
    """At the place one more frame goes out: *text* as it stands, its framing included."""

    text: Text = ""

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        split = self.split(script)
        if split is None:
            return script
        before, after = split
        told = self.text.encode()
        # Before the head there are no frames: what stands there is no part of the answer.
        return refitted((*before, Raw(told) if head_of(before) is None else Send(told, Kind.OTHER), *after))


@final
@dataclass(frozen=True, slots=True)
class Framing(Behaviour):
    """A stream's events are spelled in another way that means the same (WHATWG event-stream format)."""

    style: Literal["crlf", "comments", "lines", "unspaced"]

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        return _respelled(script, _FRAMINGS[self.style])


#: Each spells one event anew. A line end between the tokens of JSON means nothing (RFC 8259, section 2).
_FRAMINGS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "crlf": lambda event: event.replace(b"\n", b"\r\n"),
    "comments": lambda event: b": waiting\n\n: still\n" + event,
    "lines": lambda event: event.replace(b"data: {", b"data: {\ndata: ", 1),
    "unspaced": lambda event: event.replace(DATA, b"data:", 1),
}


@final
@dataclass(frozen=True, slots=True)
class NoBlankLine(Behaviour):
    """A stream's events are not parted by empty lines, so that all of it is one event."""

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        return _respelled(script, lambda event: event.rstrip(b"\r\n") + b"\n")


@final
@dataclass(frozen=True, slots=True)
class NoDone(Behaviour):
    """A stream ends without its `[DONE]`."""

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        return without(script, Kind.DONE)


@final
@dataclass(frozen=True, slots=True)
class NoFinish(Behaviour):
    """A stream ends without a finish reason."""

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        return without(script, Kind.FINISH)


@final
@dataclass(frozen=True, slots=True)
class DataAfterDone(Behaviour):
    """After the end of a stream, `[DONE]` included, its first content comes once more."""

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        content = next((op for op in script if isinstance(op, Send) and op.kind is Kind.CONTENT), None)
        done = [index for index, op in enumerate(script) if isinstance(op, Send) and op.kind is Kind.DONE]
        if content is None or not done:
            return script
        return (*script[: done[-1] + 1], Send(content.data, Kind.OTHER), *script[done[-1] + 1 :])


@final
@dataclass(frozen=True, slots=True)
class DuplicateEvent(Behaviour):
    """The event after *frames* others of a stream comes twice."""

    frames: Frames = 1

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        index = after_frames(script, self.frames + 1) if is_stream(script) else None
        return script if index is None else (*script[:index], script[index - 1], *script[index:])


@final
@dataclass(frozen=True, slots=True)
class SwapEvents(Behaviour):
    """The event after *frames* others of a stream and the one that follows it change places."""

    frames: Frames = 1

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        one, other = after_frames(script, self.frames + 1), after_frames(script, self.frames + 2)
        if one is None or other is None:
            return script
        swapped = list(script)
        swapped[one - 1], swapped[other - 1] = script[other - 1], script[one - 1]
        return tuple(swapped) if is_stream(script) else script


@final
@dataclass(frozen=True, slots=True)
class GiantEvent(Behaviour):
    """The event after *frames* others of a stream is at least *bytes* long: white space in its JSON."""

    bytes: Size = 2**20
    frames: Frames = 1

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        index = after_frames(script, self.frames + 1) if is_stream(script) else None
        if index is None:
            return script
        send = _send(script, index - 1)
        prefix, data, end = json_of(send)
        lacking = self.bytes - len(send.data)
        if lacking <= 0 or not data.startswith(b"{"):
            return script
        giant = Send(prefix + b"{" + b" " * lacking + data[1:] + end, send.kind)
        return (*script[: index - 1], giant, *script[index:])


@final
@dataclass(frozen=True, slots=True)
class OnlyComments(Behaviour):
    """A stream is comments alone, every *seconds*, for ever: always alive, and nothing said."""

    seconds: Annotated[float, Range(low=0.01, unit="seconds")] = 1.0

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        index = after_frames(script, 0) if is_stream(script) else None
        return script if index is None else (*script[:index], Repeat(b": waiting\n\n", self.seconds))


@final
@dataclass(frozen=True, slots=True)
class StreamError(Behaviour):
    """After *frames* of a stream comes an error event, and the stream ends without `[DONE]`."""

    frames: Frames = 0
    message: Text | None = None
    code: Text | None = None

    def __call__(self, script: Script, situation: Situation) -> Script:
        index = after_frames(script, self.frames) if is_stream(script) else None
        if index is None:
            return script
        return (*script[:index], Send(situation.voice.stream_error(self.message, self.code), Kind.ERROR))


def without(script: Script, kind: Kind) -> Script:
    """Return *script* without its frames of *kind*."""
    return tuple(op for op in script if not (isinstance(op, Send) and op.kind is kind))


def _respelled(script: Script, spelled: Callable[[bytes], bytes]) -> Script:
    if not is_stream(script):
        return script
    return tuple(Send(spelled(op.data), op.kind) if isinstance(op, Send) else op for op in script)


def _send(script: Script, index: int) -> Send:
    send = script[index]
    assert isinstance(send, Send)  # `after_frames` counts nothing else after the head
    return send
