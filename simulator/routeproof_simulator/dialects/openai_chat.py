"""`POST /v1/chat/completions`: from a request to the whole answer, or to the frames of its stream.

Sources: the OpenAI API reference (chat completions, streaming). Whole and stream say the same, token for token, and
count the same usage.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType

from routeproof_simulator import text
from routeproof_simulator.dialects.completion import Choice, Tool, Wish, by_turns, choose
from routeproof_simulator.dialects.openai_conversation import Message
from routeproof_simulator.dialects.openai_refusals import RefusedError
from routeproof_simulator.dialects.openai_requests import ChatRequest, ToolChoice
from routeproof_simulator.dialects.openai_said import Frames, Said
from routeproof_simulator.dialects.persona import Persona
from routeproof_simulator.script import Kind, Send

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


def say(request: ChatRequest, persona: Persona, marker: str) -> tuple[Choice, ...]:
    """Return what *persona* answers to *request*, one choice for each of `n`."""
    wish = Wish(
        seeds=(persona.seed, request.model, marker),
        provider=persona.name,
        tokens=persona.tokens,
        tokens_max=request.max_completion_tokens or request.max_tokens,
        stop=request.stops,
        tool=_tool(request),
        schema=_schema(request),
    )
    if request.n is None or request.n == 1:
        return (choose(wish, 0),)
    return tuple(choose(wish, index) for index in range(request.n))


def prompt_tokens(messages: list[Message]) -> int:
    """Return how many tokens *messages* count for: four for each, and its text."""
    return 4 * len(messages) + sum([text.count_tokens(message.text) for message in messages])


def whole(said: Said, request: ChatRequest) -> bytes:
    """Return the body of a whole answer."""
    choices = [
        WholeChoice(
            index=choice.index,
            message=_message(choice, said.id),
            logprobs=_logprobs(choice.tokens, request) if choice.tool is None else None,
            finish_reason=choice.finish,
        )
        for choice in said.choices
    ]
    return said.body("chat.completion", tuple(choices))


def frames(said: Said, request: ChatRequest) -> tuple[Send, ...]:
    """Return the frames of a stream: roles, content by turns of the choices, finish reasons, usage, `[DONE]`."""
    sent = Frames(said, "chat.completion.chunk", includes_usage=request.includes_usage)

    def add(kind: Kind, choice: Choice, delta: dict[str, Any], *, finish: str | None = None, logs: Any = None) -> None:
        sent.add(kind, {"index": choice.index, "delta": delta, "logprobs": logs, "finish_reason": finish})

    for choice in said.choices:
        content = "" if choice.tool is None else None
        add(Kind.ROLE, choice, {"role": "assistant", "content": content, "refusal": None})
        if choice.tool is not None:
            add(Kind.CONTENT, choice, {"tool_calls": [{"index": 0, **_tool_call(choice, said.id, "")}]})
    if len(said.choices) == 1 and said.choices[0].tool is None and not request.logprobs:
        sent.add_text(b'{"index":0,"delta":{"content":', said.choices[0].tokens, _AFTER_TEXT)
    else:
        for choice, piece in by_turns(said.choices):
            if choice.tool is not None:
                add(Kind.CONTENT, choice, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
            else:
                add(Kind.CONTENT, choice, {"content": piece}, logs=_logprobs((piece,), request))
    for choice in said.choices:
        add(Kind.FINISH, choice, {}, finish=choice.finish)
    return sent.ended()


def _message(choice: Choice, answer_id: str) -> WholeMessage:
    if choice.tool is None:
        return WholeMessage(content=choice.text)
    return WholeMessage(content=None, tool_calls=[_tool_call(choice, answer_id, choice.text)])


def _tool_call(choice: Choice, answer_id: str, arguments: str) -> dict[str, Any]:
    called = {"name": choice.tool, "arguments": arguments}
    return {"id": f"call_{answer_id[-20:]}{choice.index}", "type": "function", "function": called}


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
