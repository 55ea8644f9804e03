"""The messages of a chat: which may follow which, and what each must bear (OpenAI API reference, chat completions)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from routeproof_simulator.dialects import openai_refusals
from routeproof_simulator.dialects.openai_refusals import RefusedError

ROLES: Final = ("system", "assistant", "user", "function", "tool", "developer")
PARTS: Final = ("text", "image_url", "input_audio", "refusal", "audio", "file")


class CalledTool(Struct, frozen=True):
    """A tool call that the model has made; only its id is read."""

    id: str


class Message(Struct, frozen=True):
    """One message of a conversation; it may bear more, which is not read."""

    role: str
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[CalledTool] | None = None
    tool_call_id: str | None = None
    function_call: Any = None
    refusal: Any = None
    audio: Any = None

    @property
    def text(self) -> str:
        """The text of all parts."""
        if isinstance(self.content, list):
            return "".join(part["text"] for part in self.content if isinstance(part.get("text"), str))
        return self.content or ""

    @property
    def is_silent(self) -> bool:
        """Whether it says nothing at all, not even a tool call."""
        return self.content is None and not (self.tool_calls or self.function_call or self.refusal or self.audio)


def check(messages: Sequence[Message]) -> None:
    """Raise `RefusedError` for a conversation that the API does not take."""
    awaited: set[str] = set()  # ids of tool calls that no message has answered
    for index, message in enumerate(messages):
        if message.role != "tool" and awaited:
            raise _unanswered(awaited)
        if message.role == "assistant":
            awaited = {call.id for call in message.tool_calls or ()}
        elif message.role == "tool":
            _check_tool(message, index, awaited)
            awaited.discard(message.tool_call_id or "")
        elif message.role not in ROLES:
            raise openai_refusals.one_of(f"messages[{index}].role", message.role, ROLES)
        if type(message.content) is not str:
            _check_content(message, index)
    if awaited:
        raise _unanswered(awaited)


def check_json(messages: Sequence[Message]) -> None:
    """Raise `RefusedError` unless *messages* speak of JSON, without which the API answers in none."""
    if not any("json" in message.text.lower() for message in messages):
        wish = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        raise RefusedError(400, wish, param="messages")


def _check_tool(message: Message, index: int, awaited: set[str]) -> None:
    if message.tool_call_id is None:
        raise openai_refusals.missing(f"messages[{index}].tool_call_id")
    if message.tool_call_id not in awaited:
        sentence = "messages with role 'tool' must be a response to a preceding message with 'tool_calls'"
        raise RefusedError(400, f"Invalid parameter: {sentence}.", param=f"messages.[{index}].role")


def _check_content(message: Message, index: int) -> None:
    if message.is_silent:
        raise RefusedError(
            400, "Invalid value for 'content': expected a string, got null.", param=f"messages.[{index}].content"
        )
    if isinstance(message.content, list):
        for number, part in enumerate(message.content):
            if part.get("type") not in PARTS:
                raise openai_refusals.one_of(f"messages[{index}].content[{number}].type", part.get("type"), PARTS)


def _unanswered(ids: set[str]) -> RefusedError:
    message = (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        f"The following tool_call_ids did not have response messages: {', '.join(sorted(ids))}"
    )
    return RefusedError(400, message, param="messages")
