"""How programs ask a provider with the official SDKs, and what they get to know of its answer."""

# The types of Google's SDK name those of an image library that is not installed.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, cast

import anthropic
import openai
from anthropic.types import Message, RawMessageStreamEvent
from google import genai
from google.genai import types
from openai.types.chat import ChatCompletion, ChatCompletionChunk

KEY: Final = "sk-measured"
TIMEOUT: Final = 3.0  #: seconds; what the SDKs are told

PROMPT: Final = [{"role": "user", "content": "Say hi."}]
SCHEMA: Final = {"type": "object", "properties": {"where": {"type": "string"}}, "required": ["where"]}

#: To read the certificates of the world takes longer than all else, and nothing here is encrypted.
NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: *asks* times on one connection, the last answer counts."""

    tool: bool = False
    n: int = 1
    asks: int = 1
    stream: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a program gets to know of an answer."""

    text: str = ""
    model: str | None = None
    finish: str | None = None
    usage: tuple[int | None, int | None] | None = None
    choices: tuple[int, ...] = ()
    arguments: str = ""
    refusal: str = ""
    kind: str = ""  # what the SDK returned, where it is no answer at all


class Asking(Protocol):
    """How one SDK asks."""

    def __call__(self, url: str, question: Question) -> Heard:
        """Ask the provider at *url*; raises what the SDK raises."""
        ...


def ask_openai(url: str, question: Question) -> Heard:
    """Ask with OpenAI's SDK, for chat completions."""
    wish: dict[str, Any] = {"model": "gpt-4o", "messages": PROMPT, "n": question.n}
    if question.tool:
        wish["tools"] = [{"type": "function", "function": {"name": "find", "parameters": SCHEMA}}]
    http = openai.DefaultHttpxClient(verify=NO_TLS)
    with openai.OpenAI(base_url=url, api_key=KEY, max_retries=0, timeout=TIMEOUT, http_client=http) as client:
        for _ in range(question.asks - 1):
            client.chat.completions.create(**wish)
        if not question.stream:
            return _whole_of_openai(cast("object", client.chat.completions.create(**wish)))
        wish |= {"stream": True, "stream_options": {"include_usage": True}}
        return _stream_of_openai(cast("Iterable[ChatCompletionChunk]", client.chat.completions.create(**wish)))


def _whole_of_openai(answer: object) -> Heard:
    if not isinstance(answer, ChatCompletion):
        return Heard(kind=type(answer).__name__)
    # The types promise more than a broken provider keeps: what they call a list may be None.
    choices = answer.choices or []
    message = choices[0].message if choices else None
    calls = (message.tool_calls if message else None) or []
    return Heard(
        text=(message.content if message else None) or "",
        model=answer.model,
        finish=choices[0].finish_reason if choices else None,
        usage=(answer.usage.prompt_tokens, answer.usage.completion_tokens) if answer.usage else None,
        choices=tuple(sorted({choice.index for choice in choices})),
        arguments="".join(call.function.arguments for call in calls if call.type == "function"),
        refusal=(message.refusal if message else None) or "",
    )


def _stream_of_openai(chunks: Iterable[ChatCompletionChunk]) -> Heard:
    text = arguments = refusal = ""
    model = finish = usage = None
    indexes: set[int] = set()
    for chunk in chunks:
        model = chunk.model
        usage = (chunk.usage.prompt_tokens, chunk.usage.completion_tokens) if chunk.usage else usage
        for choice in chunk.choices:
            indexes.add(choice.index)
            if choice.index == min(indexes):
                text += choice.delta.content or ""
                refusal += choice.delta.refusal or ""
                functions = [call.function for call in choice.delta.tool_calls or []]
                arguments += "".join(each.arguments or "" for each in functions if each)
                finish = choice.finish_reason or finish
    return Heard(
        text=text,
        model=model,
        finish=finish,
        usage=usage,
        choices=tuple(sorted(indexes)),
        arguments=arguments,
        refusal=refusal,
    )


def ask_anthropic(url: str, question: Question) -> Heard:
    """Ask with Anthropic's SDK, for messages."""
    wish: dict[str, Any] = {"model": "claude-any", "max_tokens": 1_000, "messages": PROMPT}
    if question.tool:
        wish["tools"] = [{"name": "find", "input_schema": SCHEMA}]
    root, http = url.removesuffix("/v1"), anthropic.DefaultHttpxClient(verify=NO_TLS)
    with anthropic.Anthropic(base_url=root, api_key=KEY, max_retries=0, timeout=TIMEOUT, http_client=http) as client:
        for _ in range(question.asks - 1):
            client.messages.create(**wish)
        if not question.stream:
            return _whole_of_anthropic(cast("object", client.messages.create(**wish)))
        events = client.messages.create(**wish, stream=True)
        return _stream_of_anthropic(cast("Iterable[RawMessageStreamEvent]", events))


def _whole_of_anthropic(answer: object) -> Heard:
    if not isinstance(answer, Message):
        return Heard(kind=type(answer).__name__)
    blocks = answer.content or []
    return Heard(
        text="".join(block.text or "" for block in blocks if block.type == "text"),
        model=answer.model,
        finish=answer.stop_reason,
        usage=(answer.usage.input_tokens, answer.usage.output_tokens) if answer.usage else None,
        choices=tuple(range(len(blocks))),
        arguments="".join(str(block.input) for block in blocks if block.type == "tool_use"),
    )


def _stream_of_anthropic(events: Iterable[RawMessageStreamEvent]) -> Heard:
    text = arguments = ""
    model = finish = asked = answered = None
    indexes: set[int] = set()
    for event in events:
        match event.type:
            case "message_start":
                model = event.message.model
                asked = event.message.usage.input_tokens if event.message.usage else None
            case "content_block_delta":
                indexes.add(event.index)
                if event.delta.type == "text_delta":
                    text += event.delta.text or ""
                elif event.delta.type == "input_json_delta":
                    arguments += event.delta.partial_json or ""
            case "message_delta":
                finish = event.delta.stop_reason
                answered = event.usage.output_tokens if event.usage else None
            case _:
                pass
    return Heard(
        text=text,
        model=model,
        finish=finish,
        usage=None if asked is None and answered is None else (asked, answered),
        choices=tuple(sorted(indexes)),
        arguments=arguments,
    )


def ask_gemini(url: str, question: Question) -> Heard:
    """Ask with Google's SDK, for generated content."""
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="find", parameters_json_schema=SCHEMA)])
    wish = types.GenerateContentConfig(
        candidate_count=question.n if question.n > 1 else None, tools=[tool] if question.tool else None
    )
    args: dict[str, Any] = {"trust_env": False, "verify": NO_TLS}
    told = types.HttpOptions(base_url=url, timeout=int(TIMEOUT * 1000), client_args=args, async_client_args=args)
    with genai.Client(api_key=KEY, http_options=told) as client:
        ask = partial(client.models.generate_content, model="gemini-any", contents="Say hi.", config=wish)
        for _ in range(question.asks - 1):
            ask()
        if not question.stream:
            return _of_gemini([ask()])
        return _of_gemini(
            client.models.generate_content_stream(model="gemini-any", contents="Say hi.", config=wish),
        )


def _of_gemini(answers: Iterable[types.GenerateContentResponse]) -> Heard:
    text = arguments = ""
    model = finish = usage = None
    indexes: set[int] = set()
    for answer in answers:
        counted = answer.usage_metadata
        model = answer.model_version or model
        usage = (counted.prompt_token_count, counted.candidates_token_count) if counted else usage
        for candidate in answer.candidates or []:
            indexes.add(candidate.index or 0)
            if (candidate.index or 0) == min(indexes):
                parts = (candidate.content.parts if candidate.content else None) or []
                text += "".join(part.text or "" for part in parts)
                arguments += "".join(str(part.function_call.args) for part in parts if part.function_call)
                finish = candidate.finish_reason or finish
    return Heard(
        text=text,
        model=model,
        finish=finish.value if finish else None,
        usage=usage,
        choices=tuple(sorted(indexes)),
        arguments=arguments,
    )


def difference(heard: Heard, good: Heard) -> str:
    """Return what *heard* says otherwise than *good*, the same question answered without a fault."""
    if heard.kind:
        return f"returns a `{heard.kind}`"
    told: list[str] = []
    for name in ("text", "arguments"):
        said, whole = getattr(heard, name), getattr(good, name)
        if said != whole:
            told.append(
                f"no {name}" if not said else f"{name} cut short" if whole.startswith(said) else f"other {name}"
            )
    if heard.refusal:
        told.append("a refusal")
    if heard.finish != good.finish:
        told.append(f"finish `{heard.finish}`" if heard.finish else "no finish reason")
    if heard.model != good.model:
        told.append(f"model `{heard.model}`" if heard.model else "no model")
    if heard.usage != good.usage:
        told.append("usage " + " + ".join(map(str, heard.usage)) if heard.usage else "no usage")
    if heard.choices != good.choices and (heard.choices or not told):
        told.append(f"choices {list(heard.choices)}")
    return "parsed" + (": " + ", ".join(told) if told else "")
