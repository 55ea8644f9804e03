"""What the OpenAI API accepts, and what it refuses (OpenAI API reference); the words are beside, in `openai_refusals`.

Fields that are known and not read are named all the same, so that unknown ones show. What stands inside messages and
tools is checked as far as it is read.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Struct

from routeproof_simulator.dialects import bodies, openai_conversation, openai_refusals
from routeproof_simulator.dialects.openai_conversation import Message
from routeproof_simulator.dialects.openai_refusals import RefusedError
from routeproof_simulator.dialects.persona import Strictness
from routeproof_spec.errors import NOT_JSON

Count: TypeAlias = Annotated[int, Meta(ge=1, le=128)]
TokenIds: TypeAlias = list[int]

PROMPTS_MAX = 2048


class StreamOptions(Struct, frozen=True):
    """`stream_options`."""

    include_usage: bool | None = None


class Function(Struct, frozen=True):
    """A tool's function."""

    name: Annotated[str, Meta(min_length=1)]
    parameters: dict[str, Any] | None = None


class ToolSpec(Struct, frozen=True):
    """A tool that the model may call."""

    type: str
    function: Function | None = None


class ToolName(Struct, frozen=True):
    """A function by its name alone."""

    name: str


class ToolChoice(Struct, frozen=True):
    """`tool_choice`, where it names a tool."""

    type: str
    function: ToolName | None = None


class JsonSchema(Struct, frozen=True):
    """`response_format.json_schema`."""

    name: str
    schema: dict[str, Any] | None = None


class ResponseFormat(Struct, frozen=True):
    """`response_format`."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all endpoints share."""

    model: Annotated[str, Meta(min_length=1)]
    user: str | None = None

    def check(self) -> None:
        """Raise `RefusedError` for what the types do not forbid."""


T = TypeVar("T", bound=Request)


class Sampling(Request, frozen=True, kw_only=True):
    """What chat and legacy completions share."""

    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    n: Count | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    seed: int | None = None
    logit_bias: dict[str, Annotated[float, Meta(ge=-100, le=100)]] | None = None

    @property
    def includes_usage(self) -> bool:
        """Whether a stream is to end with a chunk of usage."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop sequences."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    def check(self) -> None:
        """Raise `RefusedError` for what the types do not forbid."""
        if self.stream_options is not None and not self.stream:
            raise only_with("stream_options", "'stream' is enabled")


class ChatRequest(Sampling, frozen=True, kw_only=True):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[Message], Meta(min_length=1)]
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    tools: Annotated[list[ToolSpec], Meta(min_length=1, max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    metadata: Annotated[dict[str, str], Meta(max_length=16)] | None = None
    store: bool | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: Any = None
    modalities: list[str] | None = None
    audio: Any = None
    prediction: Any = None
    web_search_options: Any = None
    moderation: Any = None
    functions: list[Function] | None = None  # deprecated since tools came
    function_call: Any = None

    @property
    def called(self) -> dict[str, Function]:
        """The functions that may be called, by name; tools of other kinds are not played."""
        return {tool.function.name: tool.function for tool in self.tools or () if tool.function is not None}

    @property
    def is_plain(self) -> bool:
        """Whether one answer in plain text is asked for, and nothing beside it."""
        return self.tools is None and self.response_format is None and not self.logprobs and self.n in {None, 1}

    def check(self) -> None:
        """Raise `RefusedError` for what the types do not forbid."""
        Sampling.check(self)
        openai_conversation.check(self.messages)
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
            raise RefusedError(400, message, param="max_tokens", code="invalid_parameter_combination")
        if self.response_format is not None and self.response_format.type == "json_object":
            openai_conversation.check_json(self.messages)
        if self.top_logprobs is not None and not self.logprobs:
            raise only_with("top_logprobs", "'logprobs' is enabled")
        if self.tools is None and self.tool_choice is not None:
            raise only_with("tool_choice", "'tools' are specified")
        if self.tools is None and self.parallel_tool_calls is not None:
            raise only_with("parallel_tool_calls", "'tools' are specified")
        for index, tool in enumerate(self.tools or ()):
            if tool.type == "function" and tool.function is None:
                raise openai_refusals.missing(f"tools[{index}].function")


class CompletionRequest(Sampling, frozen=True, kw_only=True):
    """`POST /v1/completions`, the legacy endpoint."""

    prompt: str | Annotated[list[str | int | TokenIds], Meta(min_length=1, max_length=PROMPTS_MAX)] = "<|endoftext|>"
    echo: bool | None = None
    best_of: Annotated[int, Meta(ge=1, le=20)] | None = None
    suffix: str | None = None
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None


class EmbeddingRequest(Request, frozen=True, kw_only=True):
    """`POST /v1/embeddings`."""

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


def only_with(param: str, condition: str) -> RefusedError:
    """Return the refusal of *param*, which needs another."""
    message = f"Invalid value for '{param}': '{param}' is only allowed when {condition}."
    return RefusedError(400, message, param=param)


def parse(body: bytes, kind: type[T], strict: Strictness = True) -> T:
    """Return *body* as a *kind*; raise `RefusedError` in the words of the OpenAI API."""
    try:
        try:
            request = msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError:
            request = _read(body, kind, strict)
    except NOT_JSON:
        raise RefusedError(400, openai_refusals.NOT_JSON) from None
    if strict:
        request.check()
    return request


def _read(body: bytes, kind: type[T], strict: Strictness) -> T:
    """Return *body*, JSON that is not altogether a *kind*, as one."""
    tree: object = msgspec.json.decode(body)
    if isinstance(tree, dict):
        fields = msgspec.convert(tree, dict[str, Any])
        unknown = fields.keys() - set(kind.__struct_encode_fields__)
        if unknown and strict is True:
            raise openai_refusals.unknown(unknown)
        tree = {name: value for name, value in fields.items() if name not in unknown}
    try:
        return msgspec.convert(tree, kind) if strict else bodies.overlooking(tree, kind)
    except msgspec.ValidationError as error:
        raise openai_refusals.wrong(str(error), tree) from None
