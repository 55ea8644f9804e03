"""A chat request of OpenAI's, understood field by field: what stands here is known, and all else is refused by name.

Sources: the OpenAI API reference, and the contract's schema, which has seen every body before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from routeproof_reference_server.dialects.dialect import Untranslatable


class Known(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a request says in one place; null is absence."""


class TextPart(Known, tag_field="type", tag="text", frozen=True, kw_only=True):
    """A text."""

    text: str


class RefusalPart(Known, tag_field="type", tag="refusal", frozen=True, kw_only=True):
    """What an earlier answer declined with."""

    refusal: str


class ImageUrl(Known, frozen=True, kw_only=True):
    """Where an image is: an address, or the image itself as a data URL."""

    url: str
    detail: str | None = None


class ImagePart(Known, tag_field="type", tag="image_url", frozen=True, kw_only=True):
    """An image."""

    image_url: ImageUrl


class InputAudio(Known, frozen=True, kw_only=True):
    """A recording, in base64."""

    data: str
    format: str


class AudioPart(Known, tag_field="type", tag="input_audio", frozen=True, kw_only=True):
    """A recording."""

    input_audio: InputAudio


class InputFile(Known, frozen=True, kw_only=True):
    """A file: in the request as a data URL, or uploaded before."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FilePart(Known, tag_field="type", tag="file", frozen=True, kw_only=True):
    """A file."""

    file: InputFile


Part: TypeAlias = TextPart | RefusalPart | ImagePart | AudioPart | FilePart
Content: TypeAlias = str | list[Part]


class _Message(Known, tag_field="role", frozen=True, kw_only=True):
    name: str | None = None


class SystemMessage(_Message, tag="system", frozen=True, kw_only=True):
    """What the application wants."""

    content: Content


class DeveloperMessage(_Message, tag="developer", frozen=True, kw_only=True):
    """The same, by its newer name."""

    content: Content


class UserMessage(_Message, tag="user", frozen=True, kw_only=True):
    """What the user says."""

    content: Content


class CalledFunction(Known, frozen=True, kw_only=True):
    """A function with the arguments that the model wrote."""

    name: str
    arguments: str


class ToolCall(Known, tag_field="type", tag="function", frozen=True, kw_only=True):
    """An earlier answer's call of a function; *extra_content* is what a provider wants to see again."""

    id: str
    function: CalledFunction
    index: int | None = None  # of a delta; clients that join deltas leave it in
    extra_content: dict[str, Any] | None = None


class AssistantMessage(_Message, tag="assistant", frozen=True, kw_only=True):
    """An earlier answer, which clients hand back with all that it had."""

    content: Content | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    audio: Any = None
    function_call: Any = None
    annotations: Any = None


class ToolMessage(_Message, tag="tool", frozen=True, kw_only=True):
    """What a tool returned."""

    content: Content
    tool_call_id: str


Message: TypeAlias = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage


class Function(Known, frozen=True, kw_only=True):
    """A function that the model may call; *parameters* is a JSON Schema."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Known, tag_field="type", tag="function", frozen=True, kw_only=True):
    """A tool."""

    function: Function


class NamedFunction(Known, frozen=True, kw_only=True):
    """A function by its name."""

    name: str


class ToolChoice(Known, tag_field="type", tag="function", frozen=True, kw_only=True):
    """The one tool to call."""

    function: NamedFunction


class TextFormat(Known, tag_field="type", tag="text", frozen=True, kw_only=True):
    """An answer in words."""


class AnyJson(Known, tag_field="type", tag="json_object", frozen=True, kw_only=True):
    """An answer in JSON of whatever shape."""


class JsonSchema(Known, frozen=True, kw_only=True):
    """A shape for JSON."""

    name: str | None = None
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class JsonFormat(Known, tag_field="type", tag="json_schema", frozen=True, kw_only=True):
    """An answer in JSON of this shape."""

    json_schema: JsonSchema


class StreamOptions(Known, frozen=True, kw_only=True):
    """How to stream."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Chat(Known, frozen=True, kw_only=True):
    """`POST /chat/completions`."""

    messages: list[Message]
    model: str = ""
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: int | None = None
    stop: str | list[str] | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    seed: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: Any = None
    function_call: Any = None
    response_format: TextFormat | AnyJson | JsonFormat | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    modalities: list[str] | None = None
    audio: Any = None
    prediction: Any = None
    web_search_options: Any = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: Any = None
    store: bool | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None

    @property
    def tokens_max(self) -> int | None:
        """How many tokens the answer may have; the newer field counts where there are both."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def stops(self) -> list[str]:
        """At which words the answer ends."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    @property
    def user_id(self) -> str | None:
        """Whom the request is for."""
        return self.safety_identifier or self.user


#: Values that ask for nothing, of fields that no other API has; whatever else they say is refused.
NEUTRAL: Final[Mapping[str, tuple[object, ...]]] = {
    "logit_bias": (None, {}),
    "logprobs": (None, False),
    "top_logprobs": (None, 0),
    "functions": (None,),
    "function_call": (None,),
    "verbosity": (None, "medium"),
    "modalities": (None, ["text"]),
    "audio": (None,),
    "web_search_options": (None,),
    "store": (None, False),
    "service_tier": (None, "auto", "default"),
}

_DECODER: Final = msgspec.json.Decoder(Chat)
_PLACE: Final = re.compile(r" - at `\$\.?(?P<place>[^`]*)`$")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<name>.*)`")
_VALUE: Final = re.compile(r"Invalid (?:enum )?value (?P<value>'.*')")


def understood(fields: Mapping[str, msgspec.Raw], api: str) -> Chat:
    """Return the chat request of *fields*; raises `Untranslatable` for what *api* cannot be told of."""
    try:
        return _DECODER.decode(msgspec.json.encode(fields))
    except msgspec.ValidationError as error:
        raise _unknown(str(error), api) from None


def refuse_all_but(neutral: Mapping[str, Sequence[object]], chat: Chat, api: str) -> None:
    """Raise `Untranslatable` for the first field of *chat* that says something else than the values of *neutral*."""
    for name, values in neutral.items():
        found = getattr(chat, name)
        if found not in values:
            raise Untranslatable(name, f"{api} has nothing like it")


def _unknown(sentence: str, api: str) -> Untranslatable:
    found = _PLACE.search(sentence)
    said, place = _PLACE.sub("", sentence), found["place"] if found else ""
    if unknown := _UNKNOWN.match(said):
        return Untranslatable(f"{place}.{unknown['name']}".lstrip("."), f"{api} has nothing like it")
    if value := _VALUE.match(said):
        return Untranslatable(place, f"{api} has nothing like {value['value']}")
    return Untranslatable(place or "The body", f"{said}, as {api} needs it")


def asks_for_usage(fields: Mapping[str, msgspec.Raw]) -> bool:
    """Whether a stream that answers *fields* is to end with its usage."""
    options = msgspec.json.decode(fields.get("stream_options", b"null"), type=StreamOptions | None)
    return options is not None and options.include_usage is True
