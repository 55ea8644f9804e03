"""What the Gemini API accepts (Gemini API reference, v1beta): JSON of protocol buffers.

Names come in camel case or in snake case, a number may be spelled as a text, null is absence, and one object may stand
for a list of one. The plain spelling is read at once; everything else goes through `gemini_spelling`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Struct

from routeproof_simulator.dialects import bodies, gemini_errors, gemini_spelling
from routeproof_simulator.dialects.persona import Strictness
from routeproof_spec.errors import NOT_JSON

EMBEDDED_MAX: Final = 100  # requests of one batch
DIMENSIONS_MAX: Final = 3072

Mode: TypeAlias = Literal["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"]
MimeType: TypeAlias = Literal["text/plain", "application/json", "text/x.enum"]
Penalty: TypeAlias = Annotated[float, Meta(ge=-2, le=2)]


class Wired(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A message of protocol buffers; fields that are not read are named all the same, so that unknown ones show."""


class FunctionCall(Wired, frozen=True, kw_only=True):
    """`parts[].functionCall`."""

    name: str = ""
    args: dict[str, Any] = {}
    id: str | None = None


class FunctionResponse(Wired, frozen=True, kw_only=True):
    """`parts[].functionResponse`."""

    name: str = ""
    response: dict[str, Any] = {}
    id: str | None = None
    parts: Any = None
    will_continue: bool | None = None
    scheduling: str | None = None


class Part(Wired, frozen=True, kw_only=True):
    """One part of a content."""

    text: str | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    inline_data: Any = None
    file_data: Any = None
    executable_code: Any = None
    code_execution_result: Any = None
    thought: bool | None = None
    thought_signature: str | None = None
    video_metadata: Any = None
    part_metadata: Any = None
    media_resolution: Any = None

    @property
    def is_empty(self) -> bool:
        """Whether none of what a part may be is there."""
        said = (self.text, self.function_call, self.function_response, self.inline_data, self.file_data)
        return all(each is None for each in (*said, self.executable_code, self.code_execution_result))


class Content(Wired, frozen=True, kw_only=True):
    """One turn of a conversation."""

    parts: list[Part] = []
    role: str | None = None

    @property
    def text(self) -> str:
        """The text of all parts."""
        return "".join([part.text for part in self.parts if part.text])

    @property
    def calls(self) -> int:
        """How many functions the turn calls."""
        return sum(part.function_call is not None for part in self.parts)

    @property
    def responses(self) -> int:
        """How many functions the turn answers for."""
        return sum(part.function_response is not None for part in self.parts)


class GenerationConfig(Wired, frozen=True, kw_only=True):
    """`generationConfig`."""

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=1)] | None = None
    candidate_count: Annotated[int, Meta(ge=1, le=8)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    stop_sequences: Annotated[list[str], Meta(max_length=5)] = []
    response_mime_type: MimeType | None = None
    response_schema: dict[str, Any] | None = None
    response_json_schema: dict[str, Any] | None = None
    response_format: Any = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: int | None = None
    response_logprobs: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    response_modalities: list[str] = []
    speech_config: Any = None
    thinking_config: Any = None
    image_config: Any = None
    media_resolution: str | None = None
    enable_enhanced_civic_answers: bool | None = None
    audio_transcription_config: Any = None


class FunctionDeclaration(Wired, frozen=True, kw_only=True):
    """A function that the model may call; its parameters are a schema of Google's or a JSON Schema."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    parameters_json_schema: dict[str, Any] | None = None
    response: Any = None
    response_json_schema: Any = None
    behavior: str | None = None


class Tool(Wired, frozen=True, kw_only=True):
    """`tools[]`; only functions are played."""

    function_declarations: list[FunctionDeclaration] = []
    google_search: Any = None
    google_search_retrieval: Any = None
    google_maps: Any = None
    code_execution: Any = None
    computer_use: Any = None
    file_search: Any = None
    url_context: Any = None
    mcp_servers: Any = None


class FunctionCallingConfig(Wired, frozen=True, kw_only=True):
    """Which function is to be called, if any."""

    mode: Mode = "AUTO"
    allowed_function_names: list[str] = []
    stream_function_call_arguments: bool | None = None


class ToolConfig(Wired, frozen=True, kw_only=True):
    """`toolConfig`."""

    function_calling_config: FunctionCallingConfig = FunctionCallingConfig()
    retrieval_config: Any = None
    include_server_side_tool_invocations: bool | None = None


class GenerateRequest(Wired, frozen=True, kw_only=True):
    """`:generateContent` and `:streamGenerateContent`."""

    contents: list[Content] = []
    system_instruction: Content | None = None
    generation_config: GenerationConfig = GenerationConfig()
    tools: list[Tool] = []
    tool_config: ToolConfig = ToolConfig()
    model: str | None = None
    safety_settings: Any = None
    cached_content: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    labels: Any = None
    continuation_token: str | None = None

    @property
    def functions(self) -> dict[str, FunctionDeclaration]:
        """The functions that the model may call, by name."""
        return {each.name: each for tool in self.tools for each in tool.function_declarations}


class CountRequest(Wired, frozen=True, kw_only=True):
    """`:countTokens`."""

    contents: list[Content] = []
    generate_content_request: GenerateRequest | None = None
    model: str | None = None


class EmbedRequest(Wired, frozen=True, kw_only=True):
    """`:embedContent`."""

    content: Content | None = None
    model: str | None = None
    task_type: str | None = None
    title: str | None = None
    output_dimensionality: Annotated[int, Meta(ge=1, le=DIMENSIONS_MAX)] | None = None
    embed_content_config: Any = None


class BatchEmbedRequest(Wired, frozen=True, kw_only=True):
    """`:batchEmbedContents`."""

    requests: Annotated[list[EmbedRequest], Meta(max_length=EMBEDDED_MAX)] = []
    model: str | None = None


T = TypeVar("T", bound=Wired)


def parse(body: bytes, kind: type[T], strict: Strictness) -> T:
    """Return *body* as a *kind*; raise `RefusedError` in Google's words."""
    try:
        return _read(body, kind, strict)
    except NOT_JSON:
        raise gemini_errors.RefusedError(400, "Invalid JSON payload received. Unexpected token.") from None


def _read(body: bytes, kind: type[T], strict: Strictness) -> T:
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError:
        tree: object = msgspec.json.decode(body)
    plain, unknown = gemini_spelling.plain(tree, kind)
    if unknown and strict is True:
        raise gemini_spelling.unknown(unknown)
    try:
        return msgspec.convert(plain, kind, strict=False) if strict else bodies.overlooking(plain, kind)
    except msgspec.ValidationError as error:
        raise gemini_spelling.wrong(str(error), plain) from None
