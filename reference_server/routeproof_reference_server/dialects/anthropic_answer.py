"""What Anthropic answers, whole or as events, told as OpenAI would (API reference, Messages and Streaming).

Thinking is not told, for OpenAI's chat API has no place for it; its tokens are counted. A new kind of block or event is
passed over, as Anthropic asks of its clients; a new reason to stop is a failure, for nobody could say what it means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, final

import msgspec
from msgspec import Struct

from routeproof_reference_server.dialects import told
from routeproof_reference_server.payload import Label, Unpromised, error_text
from routeproof_spec.errors import NOT_JSON
from routeproof_spec.sse import Event

#: `pause_turn` is absent: it tells of tools that Anthropic runs itself, and none were asked for.
REASONS: Final[Mapping[str, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class _Thought(Struct):
    thinking_tokens: int


class _Counts(Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens_details: _Thought | None = None


class _Block(Struct):
    type: str
    text: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Message(Struct):
    type: str = ""
    content: list[_Block] | None = None
    stop_reason: str | None = None
    usage: _Counts | None = None


class _Delta(Struct):
    type: str = ""
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    stop_reason: str | None = None


class _Event(Struct):
    type: str = ""
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Counts | None = None


_MESSAGE: Final = msgspec.json.Decoder(_Message)
_EVENT: Final = msgspec.json.Decoder(_Event)


def answer(data: bytes, label: Label) -> tuple[bytes, msgspec.Raw | None]:
    """Return a whole answer as OpenAI's, and its usage; raises `Unpromised` where it is none."""
    try:
        message = _MESSAGE.decode(data)
    except NOT_JSON as error:
        raise Unpromised(f"its answer cannot be read ({error})") from error
    if message.type == "error":
        raise Unpromised(error_text(data))
    if message.content is None:
        raise Unpromised("its answer is empty")
    text = "".join([each.text or "" for each in message.content if each.type == "text"])
    calls = [
        told.call(each.id or "", each.name or "", bytes(each.input).decode())
        for each in message.content
        if each.type == "tool_use"
    ]
    counted = _usage(message.usage or _Counts())
    choice = told.choice(0, text if text or not calls else None, calls, _reason(message.stop_reason))
    return told.completion(label, [choice], counted), counted


@final
class AnthropicReader:
    """Reads the events of one stream in order."""

    def __init__(self, label: Label, *, include_usage: bool) -> None:
        self._chunks = told.Chunks(label, include_usage=include_usage)
        self._counts: dict[str, object] = {}
        self._calls = 0  # begun so far
        self._call_is_open = False
        self._call_has_arguments = False
        self._is_finished = False
        self.usage: msgspec.Raw | None = None
        self.is_done = False

    @property
    def said(self) -> int:
        """How many bytes of text and of calls the client was told so far."""
        return self._chunks.said

    def read(self, event: Event) -> tuple[bytes, bool]:
        """Return what the client gets for *event*, and whether it moves the answer on."""
        data = event.data.encode()
        try:
            said = _EVENT.decode(data)
        except NOT_JSON as error:
            raise Unpromised(f"an event of its stream cannot be read ({error})") from error
        if event.type == "error" or said.type == "error":
            raise Unpromised(error_text(data))
        self._count(said.usage if said.message is None else said.message.usage)
        return self._told(said)

    def _told(self, said: _Event) -> tuple[bytes, bool]:
        match said:
            case _Event(type="content_block_start", content_block=_Block() as block):
                return self._begun(block)
            case _Event(type="content_block_delta", delta=_Delta() as delta):
                return self._said(delta)
            case _Event(type="content_block_stop"):
                return self._block_ended(), False
            case _Event(type="message_delta", delta=_Delta(stop_reason=reason)):
                return self._finished(reason)
            case _Event(type="message_stop"):
                return self._ended(), True
            case _Event(type=""):
                raise Unpromised("an event of its stream is of no type")
            case _:
                return b"", False  # the beginning, a ping, or what is newer than this

    def end(self) -> bytes:
        """Raise `Unpromised`: a stream ends with its last event, and not with its bytes."""
        raise Unpromised("its stream broke off before its end")

    def _begun(self, block: _Block) -> tuple[bytes, bool]:
        if block.type == "text" and block.text:
            return self._chunks.delta(0, {"content": block.text}), True
        if block.type != "tool_use":
            return b"", False
        given = bytes(block.input).decode()
        arguments = "" if given == "{}" else given
        self._calls += 1
        self._call_is_open, self._call_has_arguments = True, bool(arguments)
        return self._chunks.call(0, self._calls - 1, block.id or "", block.name or "", arguments), True

    def _said(self, delta: _Delta) -> tuple[bytes, bool]:
        match delta:
            case _Delta(type="text_delta", text=text) if text:
                return self._chunks.delta(0, {"content": text}), True
            case _Delta(type="input_json_delta", partial_json=piece) if piece and self._call_is_open:
                self._call_has_arguments = True
                return self._chunks.arguments(0, self._calls - 1, piece), True
            case _:
                return b"", bool(delta.thinking)

    def _block_ended(self) -> bytes:
        lacks = self._call_is_open and not self._call_has_arguments
        self._call_is_open = False
        # Without arguments Anthropic sends no piece of them; of OpenAI's they are always JSON.
        return self._chunks.arguments(0, self._calls - 1, "{}") if lacks else b""

    def _finished(self, reason: str | None) -> tuple[bytes, bool]:
        if reason is None:
            return b"", False
        if self._is_finished:
            raise Unpromised("its stream ended twice")
        self._is_finished = True
        return self._chunks.delta(0, {}, _reason(reason)), True

    def _ended(self) -> bytes:
        if not self._is_finished:
            raise Unpromised("its stream ended without a finish reason")
        self.is_done = True
        return self._chunks.done(self.usage)

    def _count(self, usage: _Counts | None) -> None:
        if usage is not None:  # each count is of all so far, and a later event may leave some out
            self._counts |= {name: count for name, count in msgspec.structs.asdict(usage).items() if count is not None}
            self.usage = _usage(msgspec.convert(self._counts, _Counts, from_attributes=True))


def _reason(reason: str | None) -> str:
    if reason is None or reason not in REASONS:
        raise Unpromised(f"it stopped for {reason}" if reason else "its answer has no finish reason")
    return REASONS[reason]


def _usage(counts: _Counts) -> msgspec.Raw | None:
    if counts.input_tokens is None or counts.output_tokens is None:
        return None
    cached = counts.cache_read_input_tokens
    thought = counts.output_tokens_details
    return told.usage(
        counts.input_tokens + (counts.cache_creation_input_tokens or 0) + (cached or 0),
        counts.output_tokens,
        cached=cached,
        reasoning=None if thought is None else thought.thinking_tokens,
    )
