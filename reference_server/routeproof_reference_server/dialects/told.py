"""What providers answered, as OpenAI would have told it: whole, or chunk by chunk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

import msgspec

from routeproof_reference_server.payload import END, Label

_encode: Final = msgspec.json.Encoder().encode


def usage(prompt: int, completion: int, *, cached: int | None = None, reasoning: int | None = None) -> msgspec.Raw:
    """Return OpenAI's usage object; *prompt* and *completion* are of all tokens, those of a cache or a thought too."""
    tree: dict[str, object] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    if cached is not None:
        tree["prompt_tokens_details"] = {"cached_tokens": cached}
    if reasoning is not None:
        tree["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return msgspec.Raw(_encode(tree))


def call(id_: str, name: str, arguments: str, **more: object) -> dict[str, object]:
    """Return the call of a function."""
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def choice(index: int, text: str | None, calls: Sequence[dict[str, object]], reason: str) -> dict[str, object]:
    """Return one choice of a whole answer."""
    message: dict[str, object] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = calls
    return {"index": index, "message": message, "finish_reason": reason}


def completion(label: Label, choices: Sequence[dict[str, object]], counted: msgspec.Raw | None) -> bytes:
    """Return a whole answer."""
    tree: dict[str, object] = {
        "id": label.id,
        "object": "chat.completion",
        "created": label.created,
        "model": label.model,
        "choices": choices,
    }
    return _encode(tree if counted is None else {**tree, "usage": counted})


@final
class Chunks:
    """Writes the chunks of one stream; each choice's first one bears the role."""

    def __init__(self, label: Label, *, include_usage: bool) -> None:
        self._include_usage = include_usage
        self._begun: set[int] = set()
        self.said = 0  #: bytes of text and of calls
        self._head: dict[str, object] = {
            "id": label.id,
            "object": "chat.completion.chunk",
            "created": label.created,
            "model": label.model,
        }

    def delta(self, index: int, delta: dict[str, object], reason: str | None = None) -> bytes:
        """Return a chunk with one *delta*."""
        if delta:
            self.said += len(_encode(list(delta.values())))
        if index not in self._begun:
            self._begun.add(index)
            delta = {"role": "assistant", **delta}
        return self._chunk([{"index": index, "delta": delta, "finish_reason": reason}], None)

    def call(self, index: int, number: int, id_: str, name: str, arguments: str = "", **more: object) -> bytes:
        """Return the chunk that begins the *number*-th call of a choice."""
        return self.delta(index, {"tool_calls": [{"index": number, **call(id_, name, arguments, **more)}]})

    def arguments(self, index: int, number: int, piece: str) -> bytes:
        """Return a chunk with a *piece* of the arguments of a call."""
        return self.delta(index, {"tool_calls": [{"index": number, "function": {"arguments": piece}}]})

    def done(self, counted: msgspec.Raw | None) -> bytes:
        """Return the end: the usage, where it was asked for and told, and `[DONE]`."""
        if not self._include_usage or counted is None:
            return END
        return self._chunk([], counted) + END

    def _chunk(self, choices: list[dict[str, object]], counted: msgspec.Raw | None) -> bytes:
        tree: dict[str, object] = {**self._head, "choices": choices}
        if self._include_usage:
            tree["usage"] = counted
        return b"data: %b\n\n" % _encode(tree)
