"""`POST /v1/messages`: from a request to the whole answer, or to the events of its stream.

Sources: the Anthropic API reference (Messages, Streaming). Whole and stream say the same, token for token, and count
the same usage. An answer is one block, a text or the call of a tool; thinking that was asked for is not shown.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from routeproof_simulator.dialects.anthropic_blocks import Tool as GivenTool
from routeproof_simulator.dialects.anthropic_blocks import ToolResultBlock
from routeproof_simulator.dialects.anthropic_requests import (
    AnyChoice,
    MessagesRequest,
    NoneChoice,
    ToolChoice,
)
from routeproof_simulator.dialects.completion import Choice, FinishReason, Tool, Wish, choose
from routeproof_simulator.dialects.persona import Persona
from routeproof_simulator.script import Kind, Send

PIECES_CACHED_MAX: Final = 4096  # events; the vocabulary of a fake model is small

_ANY_OBJECT: Final[dict[str, Any]] = {"type": "object", "properties": {"text": {"type": "string"}}}

_STOP_REASONS: Final[dict[FinishReason, str]] = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


_encode: Final = msgspec.json.Encoder().encode
_NO_CACHE: Final = msgspec.Raw(b'{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0}')


class Counts(Struct, frozen=True):
    """The usage as the end of a stream tells it."""

    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0


class Usage(Counts, frozen=True):
    """The usage as a message tells it."""

    cache_creation: msgspec.Raw = _NO_CACHE
    service_tier: str = "standard"


class Message(Struct, frozen=True, kw_only=True):
    """A whole answer, or the empty one that a stream begins with."""

    model: str
    id: str
    type: str = "message"
    role: str = "assistant"
    content: list[dict[str, object]]
    stop_reason: str | None
    stop_sequence: str | None
    usage: Usage


class Ended(Struct, frozen=True):
    """How a stream tells why it ends."""

    stop_reason: str
    stop_sequence: str | None


class Said(Struct, frozen=True, kw_only=True):
    """A completion and what identifies it."""

    id: str
    tool_id: str
    model: str
    choice: Choice
    stop_sequence: str | None  # the one that ended it
    prompt_tokens: int

    @property
    def tokens(self) -> int:
        """How many tokens it says."""
        return len(self.choice.tokens)

    @property
    def stop_reason(self) -> str:
        """Why it ends where it ends."""
        return _STOP_REASONS[self.choice.finish] if self.stop_sequence is None else "stop_sequence"


def say(request: MessagesRequest, persona: Persona, marker: str) -> tuple[Choice, str | None]:
    """Return what *persona* answers to *request*, and the stop sequence that ended it."""
    wish = Wish(
        seeds=(persona.seed, request.model, marker),
        provider=persona.name,
        tokens=persona.tokens,
        tokens_max=request.max_tokens,
        stop=tuple(request.stop_sequences or ()),
        tool=_tool(request),
        schema=_schema(request),
    )
    choice = choose(wish, 0)
    return choice, _stopped_by(wish, choice) if wish.stop and choice.finish == "stop" else None


def whole(said: Said) -> bytes:
    """Return the body of a whole answer."""
    return _encode(_message(said, _content(said), said.stop_reason, said.stop_sequence, said.tokens))


def frames(said: Said) -> tuple[Send, ...]:
    """Return the events of a stream: the message, its block piece by piece, the stop reason with the usage, the end."""
    # The first count of output tokens is of what was said when the event left; the last one is of all.
    begun = _message(said, [], None, None, min(1, said.tokens))
    ended = Ended(said.stop_reason, said.stop_sequence)
    start = Send(b'event: message_start\ndata: {"type":"message_start","message":%b}\n\n' % _encode(begun), Kind.ROLE)
    counted = _encode(Counts(said.prompt_tokens, said.tokens))
    end = Send(
        b'event: message_delta\ndata: {"type":"message_delta","delta":%b,"usage":%b}\n\n' % (_encode(ended), counted),
        Kind.FINISH,
    )
    return (start, *_block_events(said), end, _MESSAGE_STOP)


def counts(prompt: int, completion: int) -> dict[str, object]:
    """Return the two counts of a usage object."""
    return {"input_tokens": prompt, "output_tokens": completion}


def _message(
    said: Said, content: list[dict[str, object]], reason: str | None, sequence: str | None, tokens: int
) -> Message:
    return Message(
        model=said.model,
        id=said.id,
        content=content,
        stop_reason=reason,
        stop_sequence=sequence,
        usage=Usage(said.prompt_tokens, tokens),
    )


def _block_events(said: Said) -> tuple[Send, ...]:
    pieces = said.choice.tokens
    if said.choice.tool is not None:
        # The name of a tool is already part of what is said.
        start = _event("content_block_start", {"index": 0, "content_block": _tool_use(said, {})}, Kind.CONTENT)
        return (start, _PING, _NO_JSON, *map(_json_delta, pieces), _BLOCK_STOP)
    return (_TEXT_START, _PING, *map(_text_delta, pieces), _BLOCK_STOP) if pieces else ()


def _content(said: Said) -> list[dict[str, object]]:
    choice = said.choice
    if choice.tool is None:
        return [{"type": "text", "text": choice.text}] if choice.tokens else []
    # Arguments that were cut off are no JSON, and a whole answer has no way to show them.
    return [_tool_use(said, msgspec.Raw(choice.text.encode()) if choice.finish == "tool_calls" else {})]


def _tool_use(said: Said, given: object) -> dict[str, object]:
    return {"type": "tool_use", "id": said.tool_id, "name": said.choice.tool, "input": given}


def _tool(request: MessagesRequest) -> Tool | None:
    """Return the tool that is to be called: the one named, else the first, unless the client has just run one."""
    tools = [tool for tool in request.tools or () if tool.is_custom]
    match request.tool_choice:
        case NoneChoice():
            return None
        case ToolChoice(name=name):
            tools = [tool for tool in tools if tool.name == name] or tools
        case AnyChoice():
            pass
        case _ if any(isinstance(block, ToolResultBlock) for block in request.messages[-1].blocks):
            return None
        case _:
            pass
    return _callable(tools[0]) if tools else None


def _callable(tool: GivenTool) -> Tool:
    return Tool(name=tool.name, parameters=tool.input_schema or _ANY_OBJECT)


def _schema(request: MessagesRequest) -> dict[str, Any] | None:
    wanted = request.output_config.format if request.output_config is not None else None
    return wanted.schema if wanted is not None else None


def _stopped_by(wish: Wish, choice: Choice) -> str | None:
    """Return the stop sequence that would have come next, or None where *choice* says all there is to say."""
    unstopped = choose(structs.replace(wish, stop=(), tokens_max=None), choice.index).text
    rest = unstopped[len(choice.text) :]
    return next((word for word in wish.stop if word and rest.startswith(word)), None)


def _event(name: str, fields: dict[str, object], kind: Kind) -> Send:
    return Send(b"event: %b\ndata: %b\n\n" % (name.encode(), _encode({"type": name, **fields})), kind)


def _delta(delta: dict[str, object], kind: Kind = Kind.CONTENT) -> Send:
    return _event("content_block_delta", {"index": 0, "delta": delta}, kind)


# Every answer has one block, so that an event depends on its piece alone, and is the same in every stream.


@lru_cache(maxsize=PIECES_CACHED_MAX)
def _text_delta(piece: str) -> Send:
    return _delta({"type": "text_delta", "text": piece})


@lru_cache(maxsize=PIECES_CACHED_MAX)
def _json_delta(piece: str) -> Send:
    return _delta({"type": "input_json_delta", "partial_json": piece})


_PING: Final = _event("ping", {}, Kind.OTHER)
_NO_JSON: Final = _delta({"type": "input_json_delta", "partial_json": ""}, Kind.OTHER)
_TEXT_START: Final = _event(
    "content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}, Kind.OTHER
)
_BLOCK_STOP: Final = _event("content_block_stop", {"index": 0}, Kind.OTHER)
_MESSAGE_STOP: Final = _event("message_stop", {}, Kind.DONE)
