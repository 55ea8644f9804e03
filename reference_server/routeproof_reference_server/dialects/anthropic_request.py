"""A chat request of OpenAI's as one of Anthropic's (API reference, Messages; version 2023-06-01).

It is the last version that takes `temperature` and `top_p`. What has no counterpart is refused by name; the table of
all fields is in docs/translation.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec

from routeproof_reference_server.dialects import media
from routeproof_reference_server.dialects.chat import (
    NEUTRAL,
    AnyJson,
    AssistantMessage,
    Chat,
    Content,
    DeveloperMessage,
    FilePart,
    ImagePart,
    JsonFormat,
    Message,
    Part,
    RefusalPart,
    SystemMessage,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMessage,
    refuse_all_but,
)
from routeproof_reference_server.dialects.dialect import Tree, Untranslatable
from routeproof_spec.errors import NOT_JSON

API: Final = "Anthropic's API"

TEMPERATURE_MAX: Final = 1.0
IMAGES: Final = ("image/jpeg", "image/png", "image/gif", "image/webp")
PDF: Final = "application/pdf"

_EFFORTS: Final[Mapping[str, str]] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
}
_NEUTRAL: Final[Mapping[str, Sequence[object]]] = {
    **NEUTRAL,
    "n": (None, 1),
    "frequency_penalty": (None, 0),
    "presence_penalty": (None, 0),
}
_CHOICES: Final[Mapping[str, str]] = {"none": "none", "auto": "auto", "required": "any"}


def request(chat: Chat) -> Tree:
    """Return *chat* in Anthropic's words, less the model; raises `Untranslatable`."""
    refuse_all_but(_NEUTRAL, chat, API)
    if chat.temperature is not None and chat.temperature > TEMPERATURE_MAX:
        raise Untranslatable("temperature", f"{API} takes at most {TEMPERATURE_MAX:g}")
    system, turns = _parted(chat.messages)
    if not turns:
        raise Untranslatable("messages", f"{API} needs one of the user")
    tree: Tree = {"messages": turns, "max_tokens": chat.tokens_max}
    wishes: Tree = {
        "system": system or None,
        "temperature": chat.temperature,
        "top_p": chat.top_p,
        "stop_sequences": chat.stops or None,
        "stream": chat.stream or None,
        "tools": [_tool(each) for each in chat.tools or ()] or None,
        "tool_choice": _tool_choice(chat),
        "metadata": None if chat.user_id is None else {"user_id": chat.user_id},
        "output_config": _output(chat) or None,
        "thinking": {"type": "disabled"} if chat.reasoning_effort == "none" else None,
    }
    return {**tree, **{name: wish for name, wish in wishes.items() if wish is not None}}


def _parted(messages: Sequence[Message]) -> tuple[str | list[Tree], list[Tree]]:
    """Return what the application says before anybody else, and the turns of the conversation."""
    opening = 0
    while opening < len(messages) and isinstance(messages[opening], SystemMessage | DeveloperMessage):
        opening += 1
    said = [each for index in range(opening) for each in _blocks(messages[index], index)]
    turns: list[Tree] = []
    spoken = [(_role(each), index, each) for index, each in enumerate(messages) if index >= opening]
    for role, turn in groupby(spoken, key=lambda each: each[0]):
        blocks = [block for _, index, each in turn for block in _blocks(each, index)]
        turns.append({"role": role, "content": _plain(blocks)})
    return _plain(said), turns


def _plain(blocks: list[Tree]) -> str | list[Tree]:
    """Return *blocks*, or their text where it is one alone."""
    match blocks:
        case []:
            return ""
        case [{"type": "text", "text": str(text)}]:
            return text
        case _:
            return blocks


def _role(message: Message) -> str:
    match message:
        case SystemMessage() | DeveloperMessage():
            return "system"
        case AssistantMessage():
            return "assistant"
        case _:
            return "user"


def _blocks(message: Message, index: int) -> Iterator[Tree]:
    place = f"messages[{index}]"
    if message.name is not None and not isinstance(message, ToolMessage):  # a call's result is known by its id
        raise Untranslatable(f"{place}.name", f"{API} has no names for who speaks")
    match message:
        case ToolMessage():
            content = _plain(list(_parts(message.content, f"{place}.content")))
            yield {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": content}
        case AssistantMessage():
            if message.audio is not None or message.function_call is not None:
                raise Untranslatable(place, f"{API} knows neither audio nor function_call; tool_calls it does")
            yield from _parts(message.content or message.refusal or "", f"{place}.content")
            for number, each in enumerate(message.tool_calls or ()):
                yield _tool_use(each, f"{place}.tool_calls[{number}]")
        case _:
            yield from _parts(message.content, f"{place}.content")


def _parts(content: Content, place: str) -> Iterator[Tree]:
    if isinstance(content, str):
        if content:
            yield {"type": "text", "text": content}
        return
    for number, part in enumerate(content):
        yield _part(part, f"{place}[{number}]")


def _part(part: Part, place: str) -> Tree:
    match part:
        case TextPart(text=text) | RefusalPart(refusal=text):
            return {"type": "text", "text": text}
        case ImagePart():
            return {"type": "image", "source": _image(part.image_url.url, f"{place}.image_url.url")}
        case FilePart():
            return _document(part, f"{place}.file")
        case _:
            raise Untranslatable(place, f"{API} hears no audio")


def _image(url: str, place: str) -> Tree:
    data = media.data_of(url)
    if data is None:
        if media.is_address(url):
            return {"type": "url", "url": url}
        raise Untranslatable(place, "neither a data URL in base64 nor an address")
    if data[0].lower() not in IMAGES:
        raise Untranslatable(place, f"{API} sees {', '.join(IMAGES)} alone")
    return {"type": "base64", "media_type": data[0].lower(), "data": data[1]}


def _document(part: FilePart, place: str) -> Tree:
    data = media.data_of(part.file.file_data or "")
    if data is None or data[0].lower() != PDF:
        raise Untranslatable(f"{place}.file_data", f"{API} reads {PDF} as a data URL in base64 alone")
    document: Tree = {"type": "document", "source": {"type": "base64", "media_type": PDF, "data": data[1]}}
    return document if part.file.filename is None else {**document, "title": part.file.filename}


def _tool_use(call: ToolCall, place: str) -> Tree:
    try:
        given = msgspec.json.decode(call.function.arguments or "{}", type=dict[str, Any])
    except NOT_JSON:
        raise Untranslatable(f"{place}.function.arguments", f"{API} needs a JSON object") from None
    return {"type": "tool_use", "id": call.id, "name": call.function.name, "input": given}


def _tool(tool: Tool) -> Tree:
    function = tool.function
    told: Tree = {"name": function.name, "input_schema": {"type": "object", **(function.parameters or {})}}
    if function.description is not None:
        told["description"] = function.description
    if function.strict:
        told["strict"] = True
    return told


def _tool_choice(chat: Chat) -> Tree | None:
    if not chat.tools:
        if isinstance(chat.tool_choice, ToolChoice) or chat.tool_choice == "required":
            raise Untranslatable("tool_choice", "there are no tools")
        return None
    alone: Tree = {"disable_parallel_tool_use": True} if chat.parallel_tool_calls is False else {}
    match chat.tool_choice:
        case ToolChoice(function=function):
            return {"type": "tool", "name": function.name, **alone}
        case "none":
            return {"type": "none"}
        case None:
            return {"type": "auto", **alone} if alone else None
        case word:
            return {"type": _CHOICES[word], **alone}


def _output(chat: Chat) -> Tree:
    told: Tree = {}
    match chat.response_format:
        case AnyJson():
            raise Untranslatable("response_format.type", f"{API} needs a json_schema")
        case JsonFormat(json_schema=wanted) if wanted.schema is None:
            raise Untranslatable("response_format.json_schema.schema", f"{API} needs one")
        case JsonFormat(json_schema=wanted):
            told["format"] = {"type": "json_schema", "schema": wanted.schema}
        case _:
            pass
    effort = chat.reasoning_effort
    if effort is not None and effort != "none":
        if effort not in _EFFORTS:
            raise Untranslatable("reasoning_effort", f"{API} knows none, {', '.join(_EFFORTS)}")
        told["effort"] = _EFFORTS[effort]
    return told
