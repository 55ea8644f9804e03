"""A chat request of OpenAI's as one of Gemini's (API reference, v1beta: generateContent).

Schemas pass as they are, in the fields for JSON Schema. What has no counterpart is refused by name; the table of all
fields is in docs/translation.md.
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
    AudioPart,
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

API: Final = "Gemini's API"

CANDIDATES_MAX: Final = 8
SEED_MAX: Final = 2**31 - 1

#: Tokens to think with, as Google's own interface in OpenAI's manner has them.
BUDGETS: Final[Mapping[str, int]] = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}

_MODES: Final[Mapping[str, str]] = {"none": "NONE", "auto": "AUTO", "required": "ANY"}


def request(chat: Chat) -> Tree:
    """Return *chat* in Gemini's words; raises `Untranslatable`."""
    refuse_all_but(NEUTRAL, chat, API)
    if chat.parallel_tool_calls is False and chat.tools:
        raise Untranslatable("parallel_tool_calls", f"{API} cannot be kept to one call")
    system, contents = _parted(chat.messages)
    if not contents:
        raise Untranslatable("messages", f"{API} needs one of the user")
    wishes: Tree = {
        "systemInstruction": {"parts": system} if system else None,
        "generationConfig": _config(chat) or None,
        "tools": [{"functionDeclarations": [_function(each) for each in chat.tools]}] if chat.tools else None,
        "toolConfig": _tool_config(chat),
    }
    return {"contents": contents, **_given(wishes)}


def _given(wishes: Tree) -> Tree:
    return {name: wish for name, wish in wishes.items() if wish is not None}


def _config(chat: Chat) -> Tree:
    for name, limit in (("n", CANDIDATES_MAX), ("seed", SEED_MAX)):
        if (getattr(chat, name) or 0) > limit:
            raise Untranslatable(name, f"{API} takes at most {limit}")
    wishes: Tree = {
        "temperature": chat.temperature,
        "topP": chat.top_p,
        "candidateCount": chat.n if chat.n != 1 else None,
        "maxOutputTokens": chat.tokens_max,
        "stopSequences": chat.stops or None,
        "presencePenalty": chat.presence_penalty,
        "frequencyPenalty": chat.frequency_penalty,
        "seed": chat.seed,
        "thinkingConfig": _thinking(chat.reasoning_effort),
    }
    return {**_given(wishes), **_format(chat)}


def _thinking(effort: str | None) -> Tree | None:
    if effort is None:
        return None
    if effort not in BUDGETS:
        raise Untranslatable("reasoning_effort", f"{API} knows {', '.join(BUDGETS)}")
    return {"thinkingBudget": BUDGETS[effort]}


def _format(chat: Chat) -> Tree:
    json: Tree = {"responseMimeType": "application/json"}
    match chat.response_format:
        case AnyJson():
            return json
        case JsonFormat(json_schema=wanted) if wanted.schema is not None:
            return {**json, "responseJsonSchema": wanted.schema}
        case JsonFormat():
            raise Untranslatable("response_format.json_schema.schema", f"{API} needs one")
        case _:
            return {}


def _parted(messages: Sequence[Message]) -> tuple[list[Tree], list[Tree]]:
    """Return what the application says before anybody else, and the contents of the conversation."""
    opening = 0
    while opening < len(messages) and isinstance(messages[opening], SystemMessage | DeveloperMessage):
        opening += 1
    calls = _calls(messages)
    system = [part for index in range(opening) for part in _said(messages[index], index, calls)]
    contents: list[Tree] = []
    spoken = [(_role(each, index), index, each) for index, each in enumerate(messages) if index >= opening]
    for role, turn in groupby(spoken, key=lambda each: each[0]):
        parts = [part for _, index, each in _results_in_order(list(turn), calls) for part in _said(each, index, calls)]
        contents.append({"role": role, "parts": parts})
    return system, contents


def _calls(messages: Sequence[Message]) -> dict[str, str]:
    """Return the name of the function behind the id of each call, in the order of the calls."""
    return {
        call.id: call.function.name
        for each in messages
        if isinstance(each, AssistantMessage)
        for call in each.tool_calls or ()
    }


def _results_in_order(turn: list[tuple[str, int, Message]], calls: Mapping[str, str]) -> list[tuple[str, int, Message]]:
    """Return *turn* with its results first, in the order of their calls: Gemini knows them by it, and not by an id."""
    order = {id_: place for place, id_ in enumerate(calls)}

    def place(each: tuple[str, int, Message]) -> int:
        message = each[2]
        return order.get(message.tool_call_id, -1) if isinstance(message, ToolMessage) else len(order)

    return sorted(turn, key=place)


def _role(message: Message, index: int) -> str:
    match message:
        case SystemMessage() | DeveloperMessage():
            raise Untranslatable(f"messages[{index}].role", f"{API} takes it before the conversation alone")
        case AssistantMessage():
            return "model"
        case _:
            return "user"


def _said(message: Message, index: int, calls: Mapping[str, str]) -> Iterator[Tree]:
    place = f"messages[{index}]"
    if message.name is not None and not isinstance(message, ToolMessage):  # a call's result is known by its id
        raise Untranslatable(f"{place}.name", f"{API} has no names for who speaks")
    match message:
        case ToolMessage(tool_call_id=id_):
            if id_ not in calls:
                raise Untranslatable(f"{place}.tool_call_id", "there is no call of that id before it")
            output = _text(message.content, f"{place}.content")
            yield {"functionResponse": {"name": calls[id_], "response": {"output": output}}}
        case AssistantMessage():
            if message.audio is not None or message.function_call is not None:
                raise Untranslatable(place, f"{API} knows neither audio nor function_call; tool_calls it does")
            yield from _parts(message.content or message.refusal or "", f"{place}.content")
            for number, each in enumerate(message.tool_calls or ()):
                yield _function_call(each, f"{place}.tool_calls[{number}]")
        case _:
            yield from _parts(message.content, f"{place}.content")


def _text(content: Content, place: str) -> str:
    if isinstance(content, str):
        return content
    for number, part in enumerate(content):
        if not isinstance(part, TextPart):
            raise Untranslatable(f"{place}[{number}]", f"{API} takes text from a tool alone")
    return "".join(part.text for part in content if isinstance(part, TextPart))


def _parts(content: Content, place: str) -> Iterator[Tree]:
    if isinstance(content, str):
        if content:
            yield {"text": content}
        return
    for number, part in enumerate(content):
        yield _part(part, f"{place}[{number}]")


def _part(part: Part, place: str) -> Tree:
    match part:
        case TextPart(text=text) | RefusalPart(refusal=text):
            return {"text": text}
        case ImagePart(image_url=image):
            return _media(image.url, f"{place}.image_url.url")
        case AudioPart(input_audio=audio):
            return {"inlineData": {"mimeType": f"audio/{audio.format}", "data": audio.data}}
        case FilePart(file=file):
            if file.file_data is None:
                raise Untranslatable(f"{place}.file.file_id", f"{API} knows no file of another's")
            return _media(file.file_data, f"{place}.file.file_data")


def _media(url: str, place: str) -> Tree:
    data = media.data_of(url)
    if data is not None:
        return {"inlineData": {"mimeType": data[0], "data": data[1]}}
    if media.is_address(url):
        return {"fileData": {"fileUri": url}}
    raise Untranslatable(place, "neither a data URL in base64 nor an address")


def _function_call(call: ToolCall, place: str) -> Tree:
    try:
        args = msgspec.json.decode(call.function.arguments or "{}", type=dict[str, Any])
    except NOT_JSON:
        raise Untranslatable(f"{place}.function.arguments", f"{API} needs a JSON object") from None
    part: Tree = {"functionCall": {"name": call.function.name, "args": args}}
    match call.extra_content:
        case {"google": {"thought_signature": str(signature)}}:
            return {**part, "thoughtSignature": signature}
        case _:
            return part


def _function(tool: Tool) -> Tree:
    function = tool.function
    wishes: Tree = {"description": function.description, "parametersJsonSchema": function.parameters}
    return {"name": function.name, **_given(wishes)}


def _tool_config(chat: Chat) -> Tree | None:
    if not chat.tools:
        if isinstance(chat.tool_choice, ToolChoice) or chat.tool_choice == "required":
            raise Untranslatable("tool_choice", "there are no tools")
        return None
    match chat.tool_choice:
        case ToolChoice(function=function):
            calling: Tree = {"mode": "ANY", "allowedFunctionNames": [function.name]}
        case None | "auto" if any(each.function.strict for each in chat.tools):
            calling = {"mode": "VALIDATED"}  # the model may call, and what it calls with fits the schema
        case None:
            return None
        case word:
            calling = {"mode": _MODES[word]}
    return {"functionCallingConfig": calling}
