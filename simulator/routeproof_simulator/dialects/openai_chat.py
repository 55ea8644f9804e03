"""`POST /v1/chat/completions`: from a request to the whole answer, or to the frames of its stream.

Sources: the OpenAI API reference (chat completions, streaming). Whole and stream say the same, token for token, and
count the same usage.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType

from routeproof_simulator import text
from routeproof_simulator.dialects.completion import Choice, Tool, Wish, by_turns, choose
from routeproof_simulator.dialects.openai_conversation import Message
from routeproof_simulator.dialects.openai_refusals import RefusedError
from routeproof_simulator.dialects.openai_requests import ChatRequest, StreamOptions, ToolChoice
from routeproof_simulator.dialects.openai_said import Spoken, Tails, in_json, origin
from routeproof_simulator.dialects.persona import Persona
from routeproof_simulator.script import Kind

SHARED_TOKENS_MAX: Final = 1024  # of an answer that is kept for the next one that says the same

_ANY_OBJECT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
}
_AFTER_TEXT: Final = b'},"logprobs":null,"finish_reason":null}'


class WholeMessage(Struct, frozen=True, kw_only=True, gc=False):
    """`choices[].message`."""

    role: str = "assistant"
    content: str | None
    refusal: None = None
    annotations: tuple[()] = ()
    tool_calls: list[dict[str, Any]] | UnsetType = UNSET


class WholeChoice(Struct, frozen=True, kw_only=True, gc=False):
    """`choices[]`."""

    index: int
    message: WholeMessage
    logprobs: dict[str, Any] | None
    finish_reason: str


def spoken(request: ChatRequest, persona: Persona, marker: str, unique: str) -> Spoken:
    """Return what *persona* answers to *request*, one choice for each of `n`."""
    limit = request.max_completion_tokens or request.max_tokens
    # Requests without a marker are answered alike, however many there are.
    if marker or not request.is_plain or persona.tokens > SHARED_TOKENS_MAX:
        return _spoken(request, persona, _say(request, persona, marker, limit), unique)
    return _shared(persona, request.model, limit, request.stops, bool(request.stream), request.includes_usage)


@lru_cache(maxsize=64)
def _shared(
    persona: Persona, model: str, limit: int | None, stops: tuple[str, ...], stream: bool, includes_usage: bool
) -> Spoken:
    options = StreamOptions(include_usage=includes_usage)
    plain = ChatRequest(model=model, messages=[], stop=list(stops), stream=stream, stream_options=options)
    return _spoken(plain, persona, _say(plain, persona, "", limit), "")


def _spoken(request: ChatRequest, persona: Persona, choices: tuple[Choice, ...], unique: str) -> Spoken:
    tokens = sum([len(choice.tokens) for choice in choices])
    made_by = origin(persona.seed, persona.name, request.model)
    if not request.stream:
        return Spoken(tokens=tokens, origin=made_by, choices=_whole(choices, request, unique))
    tails = _tails(choices, request, unique)
    return Spoken(tokens=tokens, origin=made_by, tails=tails, includes_usage=request.includes_usage)


def _say(request: ChatRequest, persona: Persona, marker: str, limit: int | None) -> tuple[Choice, ...]:
    wish = Wish(
        seeds=(persona.seed, request.model, marker),
        provider=persona.name,
        tokens=persona.tokens,
        tokens_max=limit,
        stop=request.stops,
        tool=_tool(request),
        schema=_schema(request),
    )
    return tuple(choose(wish, index) for index in range(request.n or 1))


def prompt_tokens(messages: list[Message]) -> int:
    """Return how many tokens *messages* count for: four for each, and its text."""
    return 4 * len(messages) + sum([text.count_tokens(message.text) for message in messages])


def _whole(choices: tuple[Choice, ...], request: ChatRequest, unique: str) -> bytes:
    return in_json(
        [
            WholeChoice(
                index=choice.index,
                message=_message(choice, unique),
                logprobs=_logprobs(choice.tokens, request) if choice.tool is None else None,
                finish_reason=choice.finish,
            )
            for choice in choices
        ]
    )


def _tails(choices: tuple[Choice, ...], request: ChatRequest, unique: str) -> tuple[tuple[bytes, Kind], ...]:
    """Return what the chunks say: roles, content by turns of the choices, finish reasons."""
    tails = Tails(includes_usage=request.includes_usage)

    def add(kind: Kind, choice: Choice, delta: dict[str, Any], *, finish: str | None = None, logs: Any = None) -> None:
        tails.add(kind, {"index": choice.index, "delta": delta, "logprobs": logs, "finish_reason": finish})

    for choice in choices:
        content = "" if choice.tool is None else None
        add(Kind.ROLE, choice, {"role": "assistant", "content": content, "refusal": None})
        if choice.tool is not None:
            add(Kind.CONTENT, choice, {"tool_calls": [{"index": 0, **_tool_call(choice, unique, "")}]})
    if len(choices) == 1 and choices[0].tool is None and not request.logprobs:
        tails.add_text(b'{"index":0,"delta":{"content":', choices[0].tokens, _AFTER_TEXT)
    else:
        for choice, piece in by_turns(choices):
            if choice.tool is not None:
                add(Kind.CONTENT, choice, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
            else:
                add(Kind.CONTENT, choice, {"content": piece}, logs=_logprobs((piece,), request))
    for choice in choices:
        add(Kind.FINISH, choice, {}, finish=choice.finish)
    return tails.added()


def _message(choice: Choice, unique: str) -> WholeMessage:
    if choice.tool is None:
        return WholeMessage(content=choice.text)
    return WholeMessage(content=None, tool_calls=[_tool_call(choice, unique, choice.text)])


def _tool_call(choice: Choice, unique: str, arguments: str) -> dict[str, Any]:
    called = {"name": choice.tool, "arguments": arguments}
    return {"id": f"call_{unique[-20:]}{choice.index}", "type": "function", "function": called}


def _tool(request: ChatRequest) -> Tool | None:
    """Return the tool that is to be called: the one named, else the first, unless the client has just run one."""
    if request.tools is None or request.tool_choice == "none":
        return None
    called = request.called
    if not called:
        return None
    chosen = next(iter(called.values()))
    if isinstance(request.tool_choice, ToolChoice) and request.tool_choice.function is not None:
        if request.tool_choice.function.name not in called:
            raise RefusedError(400, "Tool choice names a function that is not in 'tools'.", param="tool_choice")
        chosen = called[request.tool_choice.function.name]
    elif request.tool_choice != "required" and request.messages[-1].role == "tool":
        return None
    return Tool(name=chosen.name, parameters=chosen.parameters or _ANY_OBJECT)


def _schema(request: ChatRequest) -> dict[str, Any] | None:
    wanted = request.response_format
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return _ANY_OBJECT
    if wanted.json_schema is None:
        missing = "response_format.json_schema"
        raise RefusedError(400, f"Missing required parameter: '{missing}'.", param=missing)
    return wanted.json_schema.schema or _ANY_OBJECT


def _logprobs(pieces: tuple[str, ...], request: ChatRequest) -> dict[str, Any] | None:
    if not request.logprobs:
        return None
    count = request.top_logprobs or 0

    def entry(token: str, rank: int) -> dict[str, Any]:
        return {"token": token, "logprob": -0.125 - rank, "bytes": list(token.encode())}

    def ranked(token: str) -> list[dict[str, Any]]:
        return [entry(token if rank == 0 else f"{token}{rank}", rank) for rank in range(count)]

    return {"content": [{**entry(each, 0), "top_logprobs": ranked(each)} for each in pieces], "refusal": None}
