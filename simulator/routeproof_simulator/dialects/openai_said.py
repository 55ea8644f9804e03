"""What the answers of the OpenAI API share: the envelope, the usage, the frames of a stream."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, final

import msgspec
from msgspec import Raw, Struct

from routeproof_simulator.dialects.completion import Choice
from routeproof_simulator.script import Kind, Send

_PROMPT_DETAILS: Final = Raw(b'{"cached_tokens":0,"audio_tokens":0}')
_COMPLETION_DETAILS: Final = Raw(
    b'{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}'
)

_encode: Final = msgspec.json.Encoder().encode


class Usage(Struct, frozen=True, gc=False):
    """The usage object with its details."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: Raw = _PROMPT_DETAILS
    completion_tokens_details: Raw = _COMPLETION_DETAILS


class Envelope(Struct, frozen=True, kw_only=True, gc=False):
    """The fields that every body and every chunk of an answer bears."""

    id: str
    object: str
    created: int
    model: str
    service_tier: str = "default"
    system_fingerprint: str


class Body(Envelope, frozen=True, kw_only=True, gc=False):
    """A whole answer; the choices are as the endpoint has them."""

    choices: tuple[Any, ...]
    usage: Usage


class Said(Struct, frozen=True, kw_only=True, gc=False):
    """A completion and what identifies it."""

    id: str
    created: int
    model: str
    fingerprint: str
    choices: tuple[Choice, ...]
    prompt_tokens: int
    completion_tokens: int  # of all choices together

    @property
    def usage(self) -> Usage:
        """What the answer cost."""
        prompt, completion = self.prompt_tokens, self.completion_tokens
        return Usage(prompt, completion, prompt + completion)

    def body(self, kind: str, choices: tuple[Any, ...]) -> bytes:
        """Return the body of a whole answer of *kind*."""
        return _encode(
            Body(
                id=self.id,
                object=kind,
                created=self.created,
                model=self.model,
                system_fingerprint=self.fingerprint,
                choices=choices,
                usage=self.usage,
            )
        )

    def envelope(self, kind: str) -> bytes:
        """Return the fields that every chunk of *kind* bears, as JSON."""
        return _encode(
            Envelope(
                id=self.id, object=kind, created=self.created, model=self.model, system_fingerprint=self.fingerprint
            )
        )


@final
class Frames:
    """The frames of one stream, as they are added: what all chunks share is encoded once."""

    def __init__(self, said: Said, kind: str, *, includes_usage: bool) -> None:
        self._said = said
        self._includes_usage = includes_usage
        self._shared = b"data: " + said.envelope(kind)[:-1]  # open for more fields
        self._end = b'],"usage":null}\n\n' if includes_usage else b"]}\n\n"
        self._sent: list[Send] = []

    def add(self, kind: Kind, choice: dict[str, Any]) -> None:
        """Add a chunk of one choice."""
        self._sent.append(Send(self._shared + b',"choices":[' + _encode(choice) + self._end, kind))

    def add_text(self, before: bytes, pieces: tuple[str, ...], after: bytes) -> None:
        """Add a chunk of content for each of *pieces*; its choice is *before*, the piece in quotes, and *after*."""
        first, last = self._shared + b',"choices":[' + before, after + self._end
        content = Kind.CONTENT
        self._sent += [Send(first + quoted(piece) + last, content) for piece in pieces]

    def ended(self) -> tuple[Send, ...]:
        """Return all frames, with usage where it was asked for, and `[DONE]`."""
        if self._includes_usage:
            counted = self._shared + b',"choices":[],"usage":' + _encode(self._said.usage) + b"}\n\n"
            self._sent.append(Send(counted, Kind.USAGE))
        return (*self._sent, _DONE)


_DONE: Final = Send(b"data: [DONE]\n\n", Kind.DONE)


@lru_cache(maxsize=4096)
def quoted(piece: str) -> bytes:
    """Return *piece* as a JSON string; answers are made of few different ones."""
    return _encode(piece)


def counts(prompt: int, completion: int) -> dict[str, object]:
    """Return the three counts of a usage object."""
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
