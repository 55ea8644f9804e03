"""What is wrong inside an answer that looks right."""

# ruff: noqa: D102 - the docstring of a behaviour says what calling it does

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, final

import msgspec

from routeproof_simulator.algebra import Behaviour, Situation, within
from routeproof_simulator.faults.breaks import Placed
from routeproof_simulator.script import Kind, Op, Script, Send, after_frames, is_stream, refitted

Edit: TypeAlias = Callable[[dict[str, Any]], None]

_DATA: Final = b"data: "


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
        broken = Send(prefix + data[: (len(data) + 1) // 2] + end, send.kind)
        del situation
        return refitted((*script[: index - 1], broken, *script[index:]))


@final
@dataclass(frozen=True, slots=True)
class Insert(Placed):
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
        return tuple(Send(spelled(op.data), op.kind) if isinstance(op, Send) else op for op in script)


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

    def changed(op: Op) -> Op:
        if not isinstance(op, Send):
            return op
        before, data, after = _json_of(op)
        try:
            tree = msgspec.json.decode(data, type=dict[str, Any])
        except msgspec.DecodeError:
            return op
        edit(tree)
        return Send(before + msgspec.json.encode(tree) + after, op.kind)

    return refitted(tuple(changed(op) for op in script))
