"""What an answer says: its text, its identity and how it ends, read from the body's bytes alone.

Both sides are read by the same function, the client's answer and each provider's, so that one can be held against the
other. OpenAI's chat and completion shapes are read, Anthropic's and Gemini's, for a gateway may translate. The grammar
of a stream is not judged here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec

from routeproof_spec.errors import NOT_JSON, RemoteProtocolError
from routeproof_spec.history import Frame
from routeproof_spec.sse import DONE, SSEDecoder

Json: TypeAlias = dict[str, object]

CACHED_MAX = 4_096  # answers; the invariants read each several times


class Mark(StrEnum):
    """What one event of a stream means."""

    CONTENT = "content"  # says something: text, a refusal, a piece of a tool call
    FINISH = "finish"  # names a finish reason
    ERROR = "error"
    DONE = "done"
    OTHER = "other"  # role, usage, a ping
    BROKEN = "broken"  # not JSON


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer as far as it was sent, or as far as it arrived."""

    said: Mapping[str, str] = field(default_factory=dict[str, str])  # by choice: "0", "0.tool0", "0.refusal"
    ids: tuple[str, ...] = ()  # different ones, in the order of their appearance
    models: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()  # in the order of the events; one event may have two
    is_clean: bool = True  # no half event is left over, and all of it can be read

    def has(self, mark: Mark) -> bool:
        """Whether any event means *mark*."""
        return mark in self.marks

    @property
    def text(self) -> str:
        """All that is said, choice after choice."""
        return "".join(self.said[key] for key in sorted(self.said))

    def begins(self, other: Answer) -> bool:
        """Whether all that this says is the beginning of what *other* says."""
        return all(other.said.get(key, "").startswith(text) for key, text in self.said.items())


@lru_cache(maxsize=CACHED_MAX)
def read_stream(body: bytes) -> Answer:
    """Return what a stream of server-sent events says; one that cannot be read to its end says what it said so far."""
    decoder = SSEDecoder()
    reading = _Reading()
    try:
        for event in decoder.feed(body):
            reading.take(event.data)
    except RemoteProtocolError:
        return reading.answer(is_clean=False)
    return reading.answer(is_clean=decoder.is_clean)


@lru_cache(maxsize=CACHED_MAX)
def read_whole(body: bytes) -> Answer:
    """Return what a whole JSON answer says, or a stream of Gemini's that is one JSON array."""
    reading = _Reading()
    for item in _items(body):
        reading.take(item)
    return reading.answer(is_clean=True)


def first_at(frames: tuple[Frame, ...], wanted: Mark) -> float | None:
    """Return the second in which the first event that means *wanted* was complete, or None where none came."""
    decoder = SSEDecoder()
    try:
        for frame in frames:
            for event in decoder.feed(frame.data):
                if wanted in _Reading().take(event.data):
                    return frame.at
    except RemoteProtocolError:
        return None
    return None


def _items(body: bytes) -> list[bytes]:
    """Return the items of an array, or the one body that is none."""
    if not body.startswith(b"["):
        return [body]
    try:
        return [bytes(item) for item in msgspec.json.decode(body, type=list[msgspec.Raw])]
    except NOT_JSON:
        return [body]


_GEMINIS: Final = {"id": "responseId", "model": "modelVersion"}


class _Reading:
    def __init__(self) -> None:
        self._said: dict[str, list[str]] = {}
        self._ids: Counter[str] = Counter()
        self._models: Counter[str] = Counter()
        self._marks: list[Mark] = []
        self._tools: dict[str, str] = {}  # the keys of Anthropic's blocks that call a tool, by the block's index

    def take(self, data: str | bytes) -> tuple[Mark, ...]:
        marks = (Mark.DONE,) if data == DONE else self._take_json(data)
        self._marks += marks
        return marks

    def answer(self, *, is_clean: bool) -> Answer:
        return Answer(
            said={key: "".join(texts) for key, texts in self._said.items()},
            ids=tuple(self._ids),
            models=tuple(self._models),
            marks=tuple(self._marks),
            is_clean=is_clean and Mark.BROKEN not in self._marks,
        )

    def _take_json(self, data: str | bytes) -> tuple[Mark, ...]:
        try:
            tree = msgspec.json.decode(data, type=dict[str, object])
        except NOT_JSON:
            return (Mark.BROKEN,)
        if tree.get("error") is not None or tree.get("object") == "error" or tree.get("type") == "error":
            return (Mark.ERROR,)
        is_anthropic = "type" in tree  # of a message, or of an event
        for holder in (tree, _table(tree.get("message"))) if is_anthropic else (tree,):
            for name, found in (("id", self._ids), ("model", self._models)):
                value = holder.get(name, tree.get(_GEMINIS[name]))
                if isinstance(value, str):
                    found[value] += 1
        if tree.get("type") == "message_stop":
            return (Mark.DONE,)
        said = False
        for key, text in self._blocks(tree) if is_anthropic else _texts(tree):
            if text:
                said = True
                self._said.setdefault(key, []).append(text)
        marks = (Mark.CONTENT,) * said + (Mark.FINISH,) * _finishes(tree)
        return marks or (Mark.OTHER,)

    def _blocks(self, tree: Json) -> Iterator[tuple[str, str]]:
        """Yield what Anthropic's blocks say: all of them in a whole answer, or one in an event."""
        for index, block in enumerate(_tables(tree.get("content"))):
            yield from self._block(index, block)
            if block.get("type") == "tool_use":
                yield self._tool(index), msgspec.json.encode(block.get("input")).decode()
        at = tree.get("index")
        yield from self._block(at, _table(tree.get("content_block")))
        delta = _table(tree.get("delta"))
        yield "0", _text(delta.get("text"))
        if arguments := _text(delta.get("partial_json")):
            yield self._tool(at), arguments

    def _block(self, index: object, block: Json) -> Iterator[tuple[str, str]]:
        yield "0", _text(block.get("text"))
        if block.get("type") == "tool_use":
            yield self._tool(index), _text(block.get("name"))

    def _tool(self, index: object) -> str:
        """Return the key of the block at *index*: tools are counted by themselves, as by OpenAI."""
        return self._tools.setdefault(str(index), f"0.tool{len(self._tools)}")


def _texts(tree: Json) -> Iterator[tuple[str, str]]:
    for choice in _tables(tree.get("choices")):
        index = str(choice.get("index", 0))
        yield index, _text(choice.get("text"))
        for message in (_table(choice.get("delta")), _table(choice.get("message"))):
            yield index, _text(message.get("content"))
            yield f"{index}.refusal", _text(message.get("refusal"))
            for order, call in enumerate(_tables(message.get("tool_calls"))):
                function = _table(call.get("function"))
                key = f"{index}.tool{call.get('index', order)}"
                yield key, _text(function.get("name")) + _text(function.get("arguments"))
    for candidate in _tables(tree.get("candidates")):  # Gemini, which leaves an index of 0 out at times
        index = str(candidate.get("index", 0))
        parts = _tables(_table(candidate.get("content")).get("parts"))
        for part in parts:
            yield index, _text(part.get("text"))
        for order, call in enumerate(_table(part["functionCall"]) for part in parts if "functionCall" in part):
            yield f"{index}.tool{order}", _text(call.get("name")) + msgspec.json.encode(call.get("args", {})).decode()


def _finishes(tree: Json) -> bool:
    choices = [*_tables(tree.get("choices")), *_tables(tree.get("candidates"))]
    reasons = [each.get("finish_reason") or each.get("finishReason") for each in choices]
    anthropic = tree.get("stop_reason") or _table(tree.get("delta")).get("stop_reason")
    blocked = _table(tree.get("promptFeedback")).get("blockReason")  # Gemini, instead of any candidate
    return any(reasons) or bool(anthropic or blocked)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _table(value: object) -> Json:
    return msgspec.convert(value, Json) if isinstance(value, dict) else {}


def _tables(value: object) -> list[Json]:
    if not isinstance(value, list):
        return []
    return [_table(each) for each in msgspec.convert(value, list[object])]
