"""What the answers of the OpenAI API share: the envelope, the usage, the framing of events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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


def event(tree: dict[str, Any]) -> bytes:
    """Return *tree* as one event."""
    return b"data: " + msgspec.json.encode(tree) + b"\n\n"


def done() -> Send:
    """Return the frame that ends a stream."""
    return Send(b"data: [DONE]\n\n", Kind.DONE)


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
