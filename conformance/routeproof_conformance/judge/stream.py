"""The grammar of a streamed answer: an automaton over its events.

The stream as a whole is open until its usage chunk, its error or its `[DONE]`; every choice is new until its role,
then open until its finish reason. What is absent from the two tables is a flaw, which the rule beside it names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, final

from routeproof_conformance.dig import dig, fields_of, items_of, parsed
from routeproof_spec.sse import DONE, Event


class Whole(Enum):
    """Where a stream stands."""

    OPEN = auto()
    USAGE = auto()
    ERRORED = auto()
    DONE = auto()


class Kind(Enum):
    """What an event is."""

    CHUNK = auto()
    USAGE = auto()
    ERROR = auto()
    DONE = auto()


WHOLE: Final[dict[tuple[Whole, Kind], Whole]] = {
    (Whole.OPEN, Kind.CHUNK): Whole.OPEN,
    (Whole.OPEN, Kind.USAGE): Whole.USAGE,
    (Whole.OPEN, Kind.ERROR): Whole.ERRORED,
    (Whole.OPEN, Kind.DONE): Whole.DONE,
    (Whole.USAGE, Kind.DONE): Whole.DONE,
    (Whole.USAGE, Kind.ERROR): Whole.ERRORED,
}

#: Which rule an event breaks that the table does not have, by the state it came in.
BROKEN: Final = {
    Whole.OPEN: "chunk_shape",
    Whole.USAGE: "usage_last",
    Whole.ERRORED: "error_undone",
    Whole.DONE: "done_last",
}


class Part(Enum):
    """What a delta of one choice brings."""

    ROLE = auto()
    TEXT = auto()
    FINISH = auto()


class Choice(Enum):
    """Where one choice of a chat stands; a completion's choice begins open."""

    NEW = auto()
    OPEN = auto()
    FINISHED = auto()


CHOICE: Final[dict[tuple[Choice, Part], Choice]] = {
    (Choice.NEW, Part.ROLE): Choice.OPEN,
    (Choice.OPEN, Part.TEXT): Choice.OPEN,
    (Choice.OPEN, Part.FINISH): Choice.FINISHED,
}

RULES: Final = (
    "chunk_shape",
    "constant",
    "role_first",
    "index_contiguous",
    "finish_once",
    "text_after_finish",
    "tool_index",
    "tool_arguments",
    "usage_last",
    "usage_null",
    "usage_unasked",
    "done_present",
    "done_last",
    "error_undone",
)

_OBJECTS: Final = {"chat": "chat.completion.chunk", "completions": "text_completion"}
_CONSTANT: Final = ("id", "model", "created")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One breach of the grammar: by which rule, at which event (0-based; None: the stream as a whole)."""

    rule: str
    expected: str
    actual: str
    event: int | None = None

    def __str__(self) -> str:
        place = "the stream" if self.event is None else f"event {self.event}"
        return f"{place}: {self.actual}"


def flaws(events: Sequence[Event], *, operation: str, include_usage: bool = False) -> tuple[Flaw, ...]:
    """Return every breach of the grammar in *events*, in their order."""
    reader = _Reader(operation=operation, include_usage=include_usage)
    for index, event in enumerate(events):
        reader.take(index, event)
    reader.close()
    return tuple(reader.flaws)


def kind_of(event: Event) -> Kind:
    """Return what *event* is: `[DONE]`, an error, a usage chunk, or an ordinary chunk."""
    if event.data.strip() == DONE:
        return Kind.DONE
    data = parsed(event.data)
    if event.type == "error" or dig(data, "error") is not None or dig(data, "object") == "error":
        return Kind.ERROR
    if fields_of(data) and dig(data, "choices") == [] and dig(data, "usage") is not None:
        return Kind.USAGE
    return Kind.CHUNK


def texts(events: Iterable[Event], *, operation: str) -> dict[int, str]:
    """Return the text of every choice, by its index, as far as the stream went."""
    joined: dict[int, str] = {}
    for event in events:
        for choice in items_of(dig(parsed(event.data), "choices")):
            index = dig(choice, "index")
            text = dig(choice, "delta", "content") if operation == "chat" else dig(choice, "text")
            if isinstance(index, int) and isinstance(text, str):
                joined[index] = joined.get(index, "") + text
    return joined


@final
@dataclass(kw_only=True)
class _Reader:
    operation: str
    include_usage: bool
    state: Whole = Whole.OPEN
    choices: dict[int, Choice] = field(default_factory=dict[int, Choice])
    arguments: dict[tuple[int, int], str] = field(default_factory=dict[tuple[int, int], str])
    constant: dict[str, object] = field(default_factory=dict[str, object])
    flaws: list[Flaw] = field(default_factory=list[Flaw])
    has_usage: bool = False

    def take(self, index: int, event: Event) -> None:
        kind = kind_of(event)
        after = WHOLE.get((self.state, kind))
        if after is None:
            expected = f"nothing but the end after {self.state.name.lower()}"
            self._flaw(BROKEN[self.state], expected, f"{kind.name.lower()} {event.data[:80]!r}", index)
            after = self.state if kind is not Kind.DONE else Whole.DONE
        self.state = after
        if kind in (Kind.CHUNK, Kind.USAGE):
            self._chunk(index, event, kind)

    def close(self) -> None:
        if self.state is Whole.ERRORED:
            return  # a stream that told of its failure has no more to keep
        if self.state is not Whole.DONE:
            self._flaw("done_present", "[DONE] as the last event", "a stream that ends without it")
        if sorted(self.choices) != list(range(len(self.choices))):
            self._flaw("index_contiguous", "choices numbered from 0 without a gap", f"{sorted(self.choices)}")
        for choice, state in sorted(self.choices.items()):
            if state is not Choice.FINISHED:
                self._flaw("finish_once", "one finish reason for each choice", f"none for choice {choice}")
        if self.include_usage and not self.has_usage:
            self._flaw("usage_last", "a last chunk with the usage", "none")
        for (choice, tool), text in sorted(self.arguments.items()):
            if parsed(text) is None:
                self._flaw("tool_arguments", "pieces that join to JSON", f"{text!r} (choice {choice}, call {tool})")

    def _chunk(self, index: int, event: Event, kind: Kind) -> None:
        data = parsed(event.data)
        wanted = _OBJECTS[self.operation]
        if dig(data, "object") != wanted or not isinstance(dig(data, "choices"), list):
            self._flaw("chunk_shape", f"a {wanted} with choices", event.data[:120], index)
            return
        for name in _CONSTANT:
            value = dig(data, name)
            if value is None or self.constant.setdefault(name, value) != value:
                self._flaw(
                    "constant", f"the same {name} in every chunk ({self.constant.get(name)!r})", repr(value), index
                )
        self._usage(index, data, kind)
        for choice in items_of(dig(data, "choices")):
            self._choice(index, choice)

    def _usage(self, index: int, data: object, kind: Kind) -> None:
        self.has_usage |= kind is Kind.USAGE
        is_empty = dig(data, "choices") == []
        if not self.include_usage and is_empty:
            self._flaw("usage_unasked", "no chunk without choices", "an empty choices", index)
        elif self.include_usage and kind is Kind.CHUNK:
            if dig(data, "usage") is not None:
                self._flaw(
                    "usage_last", "usage in the last chunk only, which has no choices", "usage beside choices", index
                )
            elif "usage" not in fields_of(data):
                self._flaw("usage_null", "usage: null", "no usage field", index)

    def _choice(self, index: int, choice: object) -> None:
        number = dig(choice, "index")
        if not isinstance(number, int):
            self._flaw("chunk_shape", "an index in every choice", repr(number), index)
            return
        state = self.choices.get(number, Choice.NEW if self.operation == "chat" else Choice.OPEN)
        for part in self._parts(index, number, choice):
            after = CHOICE.get((state, part))
            if after is None:
                self._out_of_place(index, number, state, part)
                after = {Part.ROLE: state, Part.TEXT: state, Part.FINISH: Choice.FINISHED}[part]
                after = Choice.OPEN if after is Choice.NEW else after
            state = after
        self.choices[number] = state

    def _parts(self, index: int, number: int, choice: object) -> list[Part]:
        """Return what the delta brings, in the order in which it counts."""
        parts: list[Part] = []
        delta = fields_of(dig(choice, "delta"))
        if self.operation == "chat" and not isinstance(dig(choice, "delta"), dict):
            self._flaw("chunk_shape", "a delta in every choice", repr(dig(choice, "delta")), index)
        if dig(delta, "role") is not None:
            parts.append(Part.ROLE)
        self._tools(index, number, delta)
        text = dig(delta, "content") if self.operation == "chat" else dig(choice, "text")
        if text or dig(delta, "tool_calls") or dig(delta, "refusal"):
            parts.append(Part.TEXT)
        if dig(choice, "finish_reason") is not None:
            parts.append(Part.FINISH)
        return parts

    def _tools(self, index: int, number: int, delta: object) -> None:
        for call in items_of(dig(delta, "tool_calls")):
            tool = dig(call, "index")
            if not isinstance(tool, int):
                self._flaw("tool_index", "an index in every delta of a tool call", repr(tool), index)
                continue
            piece = dig(call, "function", "arguments")
            key = (number, tool)
            self.arguments[key] = self.arguments.get(key, "") + (piece if isinstance(piece, str) else "")

    def _out_of_place(self, index: int, number: int, state: Choice, part: Part) -> None:
        match state, part:
            case Choice.FINISHED, Part.FINISH:
                self._flaw("finish_once", "one finish reason for each choice", f"a second for choice {number}", index)
            case Choice.FINISHED, _:
                rule = "role_first" if part is Part.ROLE else "text_after_finish"
                self._flaw(
                    rule, "nothing of a choice after its finish reason", f"{part.name.lower()} of {number}", index
                )
            case Choice.NEW, _:
                self._flaw("role_first", "the role in a choice's first delta", f"none for choice {number}", index)
            case _:
                self._flaw("role_first", "the role once", f"a second one for choice {number}", index)

    def _flaw(self, rule: str, expected: str, actual: str, event: int | None = None) -> None:
        self.flaws.append(Flaw(rule=rule, expected=expected, actual=actual, event=event))
