"""What providers answer, read as far as the gateway must know it; all else passes through byte for byte.

Three things are the gateway's own in an answer: its `id`, its `model`, and that both and `created` stay the same
throughout a stream. Nothing that a provider left out is invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, TypeAlias, final

import msgspec

from routeproof_reference_server.routing.catalogue import Capability
from routeproof_spec.errors import NOT_JSON
from routeproof_spec.sse import DONE, Event

Fields: TypeAlias = dict[str, msgspec.Raw]

END: Final = b"data: [DONE]\n\n"  # of a stream, as the client gets it

ID_PREFIXES: Final[Mapping[Capability, str]] = {Capability.CHAT: "chatcmpl-th-", Capability.COMPLETIONS: "cmpl-th-"}


@final
class Unpromised(Exception):
    """What the provider sent is not what was asked for; the text says why, in the provider's words where it has any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What the gateway writes into an answer; an embedding answer has no id."""

    model: str
    id: str | None = None
    created: int = 0  #: Unix seconds; for answers of providers that tell none


_NULL: Final = msgspec.Raw(b"null")
_NOTHING: Final = (_NULL, *map(msgspec.Raw, (b'""', b"[]", b"{}")))  # a delta's value that says nothing


class _Choice(msgspec.Struct):
    index: int = 0
    finish_reason: str | None = None
    delta: Fields | None = None
    text: str | None = None

    @property
    def size(self) -> int:
        """How many bytes of text, of a refusal or of a call's arguments it brings."""
        brought = [value for name, value in (self.delta or {}).items() if name != "role" and value not in _NOTHING]
        return len(self.text or "") + sum(memoryview(value).nbytes for value in brought)

    @property
    def moves(self) -> bool:
        """Whether it moves the answer on: whatever it brings beside a role, but for nothing at all."""
        if self.finish_reason is not None or self.text:
            return True
        said = [name for name, value in (self.delta or {}).items() if value not in _NOTHING]
        return bool(said) and said != ["role"]


_moves = attrgetter("moves")
_size = attrgetter("size")


class _Answer(msgspec.Struct):
    error: msgspec.Raw = _NULL
    object: str | None = None
    choices: list[_Choice] | None = None
    data: list[msgspec.Raw] | None = None


_ANSWER = msgspec.json.Decoder(_Answer)
_encode = msgspec.json.Encoder().encode
_FIELDS = msgspec.json.Decoder(Fields)
_CHOICES = msgspec.json.Decoder(list[_Choice] | None)
_ERROR = msgspec.Raw(b'"error"')


def labelled_answer(data: bytes, capability: Capability, label: Label) -> tuple[bytes, msgspec.Raw | None]:
    """Return a whole answer under the gateway's *label*, and its `usage`; raise `Unpromised` where it is none."""
    try:
        data.decode("utf-8")
        answer, fields = _ANSWER.decode(data), _FIELDS.decode(data)
    except NOT_JSON as error:
        raise Unpromised(f"its answer cannot be read ({error})") from error
    if _is_error(answer):
        raise Unpromised(error_text(data))
    if not (answer.data if capability is Capability.EMBEDDINGS else answer.choices):
        raise Unpromised("its answer is empty")
    return msgspec.json.encode(_labelled(fields, label)), fields.get("usage")


def said_in(body: bytes) -> int:
    """Return how many bytes a whole answer says, with what frames its choices; 0 where it has none."""
    return memoryview(_FIELDS.decode(body).get("choices", msgspec.Raw())).nbytes


@final
class ChunkReader:
    """Reads the events of one stream in order."""

    def __init__(self, label: Label) -> None:
        self._named = {name: msgspec.Raw(_encode(value)) for name, value in _labelled({}, label).items()}
        self._created: msgspec.Raw | None = None
        self._open: set[int] = set()  # choices that have begun and not finished
        self._finished: set[int] = set()
        self.usage: msgspec.Raw | None = None
        self.said = 0  #: bytes that the client was told, without what frames them
        self.is_done = False

    def read(self, event: Event) -> tuple[bytes, bool]:
        """Return *event* as the client gets it, and whether it moves the answer on.

        Raises `Unpromised` for what no stream may hold.
        """
        if event.data == DONE:
            if self._open or not self._finished:
                raise Unpromised("its stream ended without a finish reason")
            self.is_done = True
            return END, True
        data = event.data.encode()
        try:
            fields = _FIELDS.decode(data)
            choices = _CHOICES.decode(fields.get("choices", _NULL))
        except NOT_JSON as error:
            raise Unpromised(f"an event of its stream cannot be read ({error})") from error
        if event.type == "error" or fields.get("error", _NULL) != _NULL or fields.get("object") == _ERROR:
            raise Unpromised(error_text(data))
        if choices is None:
            raise Unpromised("an event of its stream is not a chunk")
        self._follow(choices)
        self.usage = fields.get("usage", self.usage)
        self.said += sum(map(_size, choices))
        return self._written(fields), not choices or any(map(_moves, choices))

    def end(self) -> bytes:
        """Raise `Unpromised`: a stream ends with `[DONE]`, and not with its bytes."""
        raise Unpromised("its stream broke off before its end")

    def _follow(self, choices: list[_Choice]) -> None:
        for choice in choices:
            if choice.finish_reason is not None:
                self._finished.add(choice.index)
                self._open.discard(choice.index)
            elif choice.index not in self._finished:
                self._open.add(choice.index)

    def _written(self, fields: Fields) -> bytes:
        if self._created is None:
            self._created = fields.get("created")
        if self._created is not None:
            fields["created"] = self._created
        data = _encode(fields | self._named)
        if b"\n" in data:  # legal in JSON, but it would break the event
            data = msgspec.json.format(data, indent=-1)
        return b"data: %b\n\n" % data


def error_text(data: bytes) -> str:
    """Return the text of a provider's error body, whatever its shape; empty where it has none for people.

    OpenAI, Anthropic and Gemini put it into `error.message`, vLLM into `message`, some frameworks into `detail`.
    """
    try:
        tree = msgspec.json.decode(data)
    except NOT_JSON:
        text = data.decode("utf-8", "replace").strip()
        return "" if text.startswith("<") else text  # a page of HTML is for browsers
    match tree:
        case {"error": {"message": str(text)}} | {"error": str(text)} | {"message": str(text)} | {"detail": str(text)}:
            return text
        case _:
            return ""


def _is_error(answer: _Answer) -> bool:
    return answer.error != _NULL or answer.object == "error"


def _labelled(fields: Fields, label: Label) -> dict[str, object]:
    named: dict[str, object] = {**fields, "model": label.model}
    return named if label.id is None else {**named, "id": label.id}
