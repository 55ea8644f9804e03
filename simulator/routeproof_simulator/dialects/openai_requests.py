"""What the OpenAI API accepts, as far as a fake provider reads it: unknown fields pass (docs: OpenAI API reference)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Struct

T = TypeVar("T", bound=Struct)

Count: TypeAlias = Annotated[int, Meta(ge=1, le=128)]
TokenIds: TypeAlias = list[int]

PROMPTS_MAX = 2048


class RefusedError(Exception):
    """The request is wrong: the status and the four fields of OpenAI's error."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code


class StreamOptions(Struct, frozen=True):
    """`stream_options`."""

    include_usage: bool | None = None


class Message(Struct, frozen=True):
    """One message of a conversation; assistants and tools bear more, which is not read."""

    role: str
    content: str | list[dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        """The text of all parts."""
        if isinstance(self.content, list):
            return "".join(part["text"] for part in self.content if isinstance(part.get("text"), str))
        return self.content or ""


class Function(Struct, frozen=True):
    """A tool's function."""

    name: Annotated[str, Meta(min_length=1)]
    parameters: dict[str, Any] | None = None


class ToolSpec(Struct, frozen=True):
    """A tool that the model may call."""

    function: Function
    type: str = "function"


class ToolName(Struct, frozen=True):
    """A function by its name alone."""

    name: str


class ToolChoice(Struct, frozen=True):
    """`tool_choice`, where it names a tool."""

    function: ToolName
    type: str = "function"


class JsonSchema(Struct, frozen=True):
    """`response_format.json_schema`."""

    name: str
    schema: dict[str, Any] | None = None


class ResponseFormat(Struct, frozen=True):
    """`response_format`."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class Sampling(Struct, frozen=True, kw_only=True):
    """What chat and legacy completions share."""

    model: str
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    n: Count | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @property
    def includes_usage(self) -> bool:
        """Whether a stream is to end with a chunk of usage."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop sequences."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class ChatRequest(Sampling, frozen=True, kw_only=True):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[Message], Meta(min_length=1)]
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    tools: Annotated[list[ToolSpec], Meta(min_length=1, max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoice | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None


class CompletionRequest(Sampling, frozen=True, kw_only=True):
    """`POST /v1/completions`, the legacy endpoint."""

    prompt: str | Annotated[list[str | int | TokenIds], Meta(min_length=1, max_length=PROMPTS_MAX)] = "<|endoftext|>"
    echo: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None


class EmbeddingRequest(Struct, frozen=True, kw_only=True):
    """`POST /v1/embeddings`."""

    model: str
    input: str | Annotated[list[str | int | TokenIds], Meta(min_length=1, max_length=PROMPTS_MAX)]
    encoding_format: str = "float"
    dimensions: Annotated[int, Meta(ge=1, le=3072)] | None = None


def inputs(given: str | list[str | int | TokenIds]) -> list[str | TokenIds]:
    """Return *given* as a list: a text, a list of texts, one list of tokens, or a list of such lists."""
    if isinstance(given, str):
        return [given]
    numbers = [each for each in given if isinstance(each, int)]
    if len(numbers) == len(given):
        return [numbers]
    if numbers:
        raise RefusedError(400, "An input is either texts or tokens, not both.", param="input")
    return [each for each in given if not isinstance(each, int)]


_PLACE: Final = re.compile(r" - at `\$\.?(?P<place>[^`]*)`$")
_MISSING: Final = re.compile(r"Object missing required field `(?P<field>[^`]*)`")


def parse(body: bytes, kind: type[T]) -> T:
    """Return *body* as a *kind*; raise `RefusedError` in the words of the OpenAI API."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        message = (
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
            "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"
        )
        raise RefusedError(400, message) from None


def _invalid(sentence: str) -> RefusedError:
    found = _PLACE.search(sentence)
    place = found["place"] if found else ""
    if missing := _MISSING.match(sentence):
        param = f"{place}.{missing['field']}" if place else missing["field"]
        return RefusedError(
            400, f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter"
        )
    wrong = _PLACE.sub("", sentence)
    kind = "invalid_type" if ", got " in wrong else "invalid_value"
    return RefusedError(400, f"Invalid value for '{place}': {wrong}.", param=place or None, code=kind)
