"""The forms in which the same question is asked: operation, whole or streamed. A failure must be met alike in all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One way to ask: *operation* is `chat`, `completions` or `embeddings`."""

    operation: str
    stream: bool = False

    def __str__(self) -> str:
        return f"{self.operation}-stream" if self.stream else self.operation

    @property
    def path(self) -> str:
        """The path below the base URL."""
        return PATHS[self.operation]


PATHS: Final = {"chat": "/chat/completions", "completions": "/completions", "embeddings": "/embeddings"}

CHAT: Final = Form(operation="chat")
CHAT_STREAM: Final = Form(operation="chat", stream=True)
COMPLETION: Final = Form(operation="completions")
COMPLETION_STREAM: Final = Form(operation="completions", stream=True)
EMBEDDING: Final = Form(operation="embeddings")

FORMS: Final = (CHAT, CHAT_STREAM, COMPLETION, COMPLETION_STREAM, EMBEDDING)
WHOLE: Final = (CHAT, COMPLETION, EMBEDDING)
STREAMS: Final = (CHAT_STREAM, COMPLETION_STREAM)
