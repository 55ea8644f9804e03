"""What an answer says: its text, its identity and how it ends, read from the body's bytes alone.

Both sides are read by the same function, the client's answer and each provider's, so that one can be held against the
other. OpenAI's chat and completion shapes are read, and the text of Anthropic's and Gemini's, for a gateway may
translate. The grammar of a stream is not judged here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias

import msgspec

from routeproof_spec.errors import RemoteProtocolError
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
    """Return what a whole JSON answer says."""
    reading = _Reading()
    reading.take(body)
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


class _Reading:
    def __init__(self) -> None:
        self._said: dict[str, list[str]] = {}
        self._ids: Counter[str] = Counter()
        self._models: Counter[str] = Counter()
        self._marks: list[Mark] = []

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
        except (msgspec.DecodeError, UnicodeDecodeError):
            return (Mark.BROKEN,)
        if tree.get("error") is not None or tree.get("object") == "error" or tree.get("type") == "error":
            return (Mark.ERROR,)
        for name, found in (("id", self._ids), ("model", self._models)):
            value = tree.get(name)
            if isinstance(value, str):
                found[value] += 1
        said = False
        for key, text in _texts(tree):
            if text:
                said = True
                self._said.setdefault(key, []).append(text)
        marks = (Mark.CONTENT,) * said + (Mark.FINISH,) * _finishes(tree)
        return marks or (Mark.OTHER,)


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
    delta = _table(tree.get("delta"))  # Anthropic
    yield "0", _text(delta.get("text"))
    for block in _tables(tree.get("content")):
        yield "0", _text(block.get("text"))
    for number, candidate in enumerate(_tables(tree.get("candidates"))):  # Gemini
        for part in _tables(_table(candidate.get("content")).get("parts")):
            yield str(number), _text(part.get("text"))


def _finishes(tree: Json) -> bool:
    choices = [*_tables(tree.get("choices")), *_tables(tree.get("candidates"))]
    reasons = [each.get("finish_reason") or each.get("finishReason") for each in choices]
    return any(reasons) or bool(_table(tree.get("delta")).get("stop_reason"))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _table(value: object) -> Json:
    return msgspec.convert(value, Json) if isinstance(value, dict) else {}


def _tables(value: object) -> list[Json]:
    if not isinstance(value, list):
        return []
    return [_table(each) for each in msgspec.convert(value, list[object])]
