"""What Anthropic refuses although every field by itself is right; the sentences are its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from routeproof_simulator.dialects.anthropic_blocks import (
    DocumentBlock,
    Message,
    TextBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
)
from routeproof_simulator.dialects.anthropic_reading import RefusedError
from routeproof_simulator.dialects.anthropic_requests import (
    LATEST,
    AnyChoice,
    CountRequest,
    Enabled,
    MessagesRequest,
    SampledRequest,
    ToolChoice,
)

#: The type of a tool that Anthropic runs bears the date of its version.
_DATED: Final = re.compile(r"[a-z0-9_]+_20\d{6}")


def check(request: CountRequest, version: str) -> None:
    """Raise `RefusedError` for what is wrong between the fields of *request*, as *version* of the API has them."""
    for sentence in _wrong(request, version):
        raise RefusedError(400, sentence)


def _wrong(request: CountRequest, version: str) -> Iterator[str]:
    for index, message in enumerate(request.messages):
        is_last = index == len(request.messages) - 1
        yield from _wrong_message(index, message, is_last=is_last)
    if any(message.blocks for message in request.messages):
        yield from _wrong_pairs(request.messages)
        if version == LATEST:
            yield from _wrong_since_latest(request.messages)
    if request.tools or request.tool_choice:
        yield from _wrong_tools(request.tools or [], request)
    if isinstance(request, MessagesRequest):
        yield from _wrong_sampling(request)


def _wrong_message(index: int, message: Message, *, is_last: bool) -> Iterator[str]:
    if message.role == "system" and index == 0:
        yield (
            'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, '
            'not "system" as an input message role.'
        )
    if not message.content and not (is_last and message.role == "assistant"):
        but_last = "except for the optional final assistant message"
        yield f"messages.{index}: all messages must have non-empty content {but_last}"
    for block in message.blocks:
        if isinstance(block, TextBlock) and not block.text.strip():
            lack = "contain non-whitespace text" if block.text else "be non-empty"
            yield f"messages: text content blocks must {lack}"
    if is_last and message.role == "assistant" and _last_text(message)[-1:].isspace():
        yield "messages: final assistant content cannot end with trailing whitespace"


def _wrong_since_latest(messages: list[Message]) -> Iterator[str]:
    for index, message in enumerate(messages):
        for number, block in enumerate(message.blocks):
            place = f"messages.{index}.content.{number}"
            if isinstance(block, DocumentBlock) and message.role == "assistant":
                yield f"{place}: `document` blocks can only be in `user` messages"
            if isinstance(block, TextBlock) and block.citations and message.role == "user":
                yield f"{place}.text.citations: Extra inputs are not permitted"


def _last_text(message: Message) -> str:
    if isinstance(message.content, str):
        return message.content
    last = message.content[-1] if message.content else None
    return last.text if isinstance(last, TextBlock) else ""


def _wrong_pairs(messages: list[Message]) -> Iterator[str]:
    """Yield where a call of a tool is not followed by its result, or a result not preceded by its call."""
    called: dict[str, int] = {}  # in the turn before: by id, in which message
    spoken = [(index, message) for index, message in enumerate(messages) if message.role != "system"]
    for role, turn in groupby(spoken, key=lambda each: each[1].role):
        calls: dict[str, int] = {}
        returned: set[str] = set()
        for index, number, block in ((at, n, block) for at, message in turn for n, block in enumerate(message.blocks)):
            if isinstance(block, ToolUseBlock):
                calls[block.id] = index
                if role == "user":
                    yield f"messages.{index}: `tool_use` blocks can only be in `assistant` messages"
            elif isinstance(block, ToolResultBlock):
                returned.add(block.tool_use_id)
                if block.tool_use_id not in called:
                    yield (
                        f"messages.{index}.content.{number}: unexpected `tool_use_id` found in `tool_result` blocks: "
                        f"{block.tool_use_id}. Each `tool_result` block must have a corresponding `tool_use` block in "
                        "the previous message."
                    )
        yield from _without_result({each: at for each, at in called.items() if each not in returned})
        called = calls
    yield from _without_result(called)


def _without_result(calls: dict[str, int]) -> Iterator[str]:
    if calls:
        index = min(calls.values())
        yield (
            f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(calls)}. Each `tool_use` block must have a corresponding `tool_result` block in the next "
            "message."
        )


def _wrong_tools(tools: list[Tool], request: CountRequest) -> Iterator[str]:
    for index, tool in enumerate(tools):
        if tool.type is not None and not tool.is_custom and not _DATED.fullmatch(tool.type):
            expected = "'custom', or that of a tool of Anthropic's"
            yield (
                f"tools.{index}: Input tag '{tool.type}' found using 'type' does not match any of the expected tags: "
                f"{expected}"
            )
        if tool.is_custom:
            yield from _wrong_schema(f"tools.{index}.custom.input_schema", tool)
    names = {tool.name for tool in tools}
    if len(names) < len(tools):
        yield "tools: Tool names must be unique."
    if request.tool_choice is not None and not tools:
        yield "tool_choice may only be specified while providing tools"
    if isinstance(request.tool_choice, ToolChoice) and request.tool_choice.name not in names:
        yield f"Tool '{request.tool_choice.name}' not found in provided tools"
    if isinstance(request.tool_choice, AnyChoice | ToolChoice) and isinstance(request.thinking, Enabled):
        yield "Thinking may not be enabled when tool_choice forces tool use."


def _wrong_schema(place: str, tool: Tool) -> Iterator[str]:
    if tool.input_schema is None:
        yield f"{place}: Field required"
    elif "type" not in tool.input_schema:
        yield f"{place}.type: Field required"
    elif tool.input_schema["type"] != "object":
        yield f"{place}.type: Input should be 'object'"


def _wrong_sampling(request: MessagesRequest) -> Iterator[str]:
    for index, word in enumerate(request.stop_sequences or ()):
        if not word.strip():
            yield f"stop_sequences.{index}: each stop sequence must contain non-whitespace"
    if isinstance(request.thinking, Enabled):
        if request.max_tokens <= request.thinking.budget_tokens:
            yield "`max_tokens` must be greater than `thinking.budget_tokens`."
        if isinstance(request, SampledRequest) and request.temperature not in (None, 1):
            yield "`temperature` may only be set to 1 when thinking is enabled."
