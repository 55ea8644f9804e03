"""What the answers of the OpenAI API share: the envelope, the usage, the frames of a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import msgspec

from routeproof_simulator.dialects.completion import Choice
from routeproof_simulator.script import Kind, Send


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A completion and what identifies it."""

    id: str
    created: int
    model: str
    fingerprint: str
    choices: tuple[Choice, ...]
    prompt_tokens: int

    @property
    def completion_tokens(self) -> int:
        """How many tokens all choices say together."""
        return sum(len(choice.tokens) for choice in self.choices)

    def envelope(self, kind: str) -> dict[str, Any]:
        """Return the fields that every body and every chunk of this answer bears."""
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "service_tier": "default",
            "system_fingerprint": self.fingerprint,
        }


@final
class Frames:
    """The frames of one stream, as they are added: what all chunks share is encoded once."""

    def __init__(self, said: Said, kind: str, *, includes_usage: bool) -> None:
        self._said = said
        self._includes_usage = includes_usage
        self._shared = b"data: " + msgspec.json.encode(said.envelope(kind))[:-1]  # open for more fields
        self._end = b'],"usage":null}\n\n' if includes_usage else b"]}\n\n"
        self._sent: list[Send] = []

    def add(self, kind: Kind, choice: dict[str, Any]) -> None:
        """Add a chunk of one choice."""
        self._sent.append(Send(self._shared + b',"choices":[' + msgspec.json.encode(choice) + self._end, kind))

    def ended(self) -> tuple[Send, ...]:
        """Return all frames, with usage where it was asked for, and `[DONE]`."""
        ends = [Send(b"data: [DONE]\n\n", Kind.DONE)]
        if self._includes_usage:
            counted = msgspec.json.encode(usage(self._said.prompt_tokens, self._said.completion_tokens))
            ends.insert(0, Send(self._shared + b',"choices":[],"usage":' + counted + b"}\n\n", Kind.USAGE))
        return (*self._sent, *ends)


def usage(prompt: int, completion: int) -> dict[str, Any]:
    """Return the usage object with its details."""
    return {
        **counts(prompt, completion),
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def counts(prompt: int, completion: int) -> dict[str, object]:
    """Return the three counts of a usage object."""
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
