"""What stands in a request to the Messages API: messages, their blocks, tools (Anthropic API reference, Messages).

The tools that Anthropic runs itself are accepted among the tools, and never called; their blocks are not known.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from routeproof_simulator import text

Role: TypeAlias = Literal["user", "assistant", "system"]
MediaType: TypeAlias = Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
ToolId: TypeAlias = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]+$")]
ToolName: TypeAlias = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]

IMAGE_TOKENS = 1600  # about what the largest image costs that is not scaled down; what it shows is not looked at


class _Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whatever may be marked for the cache."""

    cache_control: dict[str, Any] | None = None


class Base64Source(Struct, tag="base64", frozen=True):
    """An image in the request itself."""

    media_type: MediaType
    data: str


class UrlSource(Struct, tag="url", frozen=True):
    """An image elsewhere."""

    url: str


class FileSource(Struct, tag="file", frozen=True):
    """A file that was uploaded before."""

    file_id: str


class TextBlock(_Strict, tag="text", frozen=True, kw_only=True):
    """A text."""

    text: str
    citations: list[dict[str, Any]] | None = None

    @property
    def tokens(self) -> int:
        """How many tokens it counts for; so for each block."""
        return text.count_tokens(self.text)


class ImageBlock(_Strict, tag="image", frozen=True, kw_only=True):
    """An image."""

    source: Base64Source | UrlSource | FileSource

    @property
    def tokens(self) -> int:
        """How many tokens it counts for, whatever it shows."""
        return IMAGE_TOKENS


class DocumentBlock(_Strict, tag="document", frozen=True, kw_only=True):
    """A document, in whatever form."""

    source: dict[str, Any]
    title: str | None = None
    context: str | None = None
    citations: dict[str, Any] | None = None

    @property
    def tokens(self) -> int:
        """How many tokens its source counts for, as it stands in the request."""
        return text.count_tokens(str(self.source.get("data", "")))


class ToolUseBlock(_Strict, tag="tool_use", frozen=True, kw_only=True):
    """The call of a tool, as an earlier answer held it."""

    id: ToolId
    name: str
    input: dict[str, Any]
    caller: dict[str, Any] | None = None
    toolset_name: str | None = None

    @property
    def tokens(self) -> int:
        """How many tokens its name and its input count for."""
        return text.count_tokens(self.name) + _json_tokens(self.input)


class ToolResultBlock(_Strict, tag="tool_result", frozen=True, kw_only=True):
    """What a tool returned."""

    tool_use_id: ToolId
    content: str | list[TextBlock | ImageBlock | DocumentBlock] | None = None
    is_error: bool | None = None

    @property
    def tokens(self) -> int:
        """How many tokens the result counts for."""
        return content_tokens(self.content or "")


class ThinkingBlock(Struct, tag="thinking", frozen=True, forbid_unknown_fields=True):
    """What an earlier answer was thought over with; it counts for nothing."""

    thinking: str
    signature: str

    @property
    def tokens(self) -> int:
        """None: earlier thinking is left out of the prompt."""
        return 0


class RedactedThinkingBlock(Struct, tag="redacted_thinking", frozen=True, forbid_unknown_fields=True):
    """The same, not for the client's eyes."""

    data: str

    @property
    def tokens(self) -> int:
        """None: earlier thinking is left out of the prompt."""
        return 0


Block: TypeAlias = (
    TextBlock | ImageBlock | DocumentBlock | ToolUseBlock | ToolResultBlock | ThinkingBlock | RedactedThinkingBlock
)


class Message(Struct, frozen=True, forbid_unknown_fields=True):
    """One turn of the conversation."""

    role: Role
    content: str | list[Block]

    @property
    def blocks(self) -> list[Block]:
        """The blocks of the content; none where it is a plain text."""
        return [] if isinstance(self.content, str) else self.content


class Tool(Struct, frozen=True, kw_only=True):
    """A tool: a custom one has a schema; one that Anthropic runs has a type with a date instead."""

    name: ToolName
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None

    @property
    def is_custom(self) -> bool:
        """Whether the client runs it."""
        return self.type in (None, "custom")

    @property
    def tokens(self) -> int:
        """How many tokens its description counts for, the schema included."""
        return text.count_tokens(self.name + (self.description or "")) + _json_tokens(self.input_schema)


def content_tokens(content: str | list[TextBlock | ImageBlock | DocumentBlock] | list[Block] | list[TextBlock]) -> int:
    """Return how many tokens *content* counts for."""
    return text.count_tokens(content) if isinstance(content, str) else sum(block.tokens for block in content)


def _json_tokens(value: object) -> int:
    return text.count_tokens(msgspec.json.encode(value).decode())
