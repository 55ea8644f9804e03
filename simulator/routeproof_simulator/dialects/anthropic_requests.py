"""What `POST /v1/messages` and `POST /v1/messages/count_tokens` accept (Anthropic API reference).

Unlike others, Anthropic refuses fields that it does not know; and which it knows depends on the version of the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from routeproof_simulator.dialects.anthropic_blocks import Message, TextBlock, Tool, content_tokens

MESSAGE_TOKENS = 4  # what a message counts for beside its content


class _Choice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    disable_parallel_tool_use: bool | None = None


class AutoChoice(_Choice, tag="auto", frozen=True):
    """The model decides whether to call a tool."""


class AnyChoice(_Choice, tag="any", frozen=True):
    """The model calls some tool."""


class ToolChoice(_Choice, tag="tool", frozen=True, kw_only=True):
    """The model calls this tool."""

    name: str


class NoneChoice(Struct, tag="none", frozen=True):
    """The model calls no tool."""


class Enabled(Struct, tag="enabled", frozen=True):
    """Thinking within a budget."""

    budget_tokens: Annotated[int, Meta(ge=1024)]


class Disabled(Struct, tag="disabled", frozen=True):
    """No thinking."""


class Adaptive(Struct, tag="adaptive", frozen=True):
    """Thinking as the model likes."""


class BetweenTools(Struct, tag="between_tools", frozen=True):
    """Thinking between the calls of tools."""


Thinking: TypeAlias = Enabled | Disabled | Adaptive | BetweenTools


class JsonFormat(Struct, tag="json_schema", frozen=True):
    """The answer is to be JSON that fits *schema*."""

    schema: dict[str, Any]


class OutputConfig(Struct, frozen=True, kw_only=True):
    """How to answer."""

    effort: str | None = None
    format: JsonFormat | None = None


class Metadata(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom the request is for."""

    user_id: Annotated[str, Meta(max_length=256)] | None = None


class CountRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/messages/count_tokens`: a prompt."""

    model: Annotated[str, Meta(min_length=1)]
    messages: Annotated[list[Message], Meta(min_length=1)]
    system: str | list[TextBlock] | None = None
    tools: list[Tool] | None = None
    tool_choice: AutoChoice | AnyChoice | ToolChoice | NoneChoice | None = None
    thinking: Thinking | None = None
    cache_control: dict[str, Any] | None = None
    context_management: dict[str, Any] | None = None
    mcp_servers: list[dict[str, Any]] | None = None
    output_config: OutputConfig | None = None
    speed: Literal["standard", "fast"] | None = None

    @property
    def tokens(self) -> int:
        """How many tokens the prompt counts for."""
        # Lists, and not generators: it is counted for every answer.
        messages = MESSAGE_TOKENS * len(self.messages) + sum([content_tokens(each.content) for each in self.messages])
        return messages + content_tokens(self.system or "") + sum([tool.tokens for tool in self.tools or ()])


class MessagesRequest(CountRequest, frozen=True, kw_only=True):
    """`POST /v1/messages`: a prompt, and what is to be said."""

    max_tokens: Annotated[int, Meta(ge=0)]  # 0 fills the cache and says nothing
    container: str | dict[str, Any] | None = None
    diagnostics: dict[str, Any] | None = None
    inference_geo: str | None = None
    metadata: Metadata | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    user_profile_id: str | None = None


class SampledRequest(MessagesRequest, frozen=True, kw_only=True):
    """The same in versions before 2026-10-21, which knew parameters of sampling."""

    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None


LATEST: Final = "2026-10-21"

#: What each version of the API takes for a request (API reference, Versions).
VERSIONS: Final[Mapping[str, type[MessagesRequest]]] = {
    "2023-01-01": SampledRequest,
    "2023-06-01": SampledRequest,
    LATEST: MessagesRequest,
}
