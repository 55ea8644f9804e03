"""What the answers of the OpenAI API share: the envelope, the usage, the frames of a stream.

An answer is what it says (`Spoken`) in an envelope that sets it apart from the next one: answers that say the same
share the former, in JSON already.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, final

import msgspec
from msgspec import Struct

from routeproof_simulator import text
from routeproof_simulator.script import Kind, Send

_USAGE: Final = (
    b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,'
    b'"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},'
    b'"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,'
    b'"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}'
)
_ENVELOPE: Final = b'{"id":"%b","object":"%b","created":%d%b,"choices":['
_BODY: Final = _ENVELOPE + b'%b],"usage":' + _USAGE + b"}"
_COUNTED: Final = b'],"usage":' + _USAGE + b"}\n\n"
_DONE: Final = Send(b"data: [DONE]\n\n", Kind.DONE)

_encode: Final = msgspec.json.Encoder().encode


class Spoken(Struct, frozen=True, kw_only=True):
    """What an answer says: the choices of a whole one, or that of each chunk of a stream."""

    tokens: int  # of all choices together
    origin: bytes  # `origin`, in JSON
    choices: bytes = b""
    tails: tuple[tuple[bytes, Kind], ...] = ()
    includes_usage: bool = False  # the stream


class Said(Struct, frozen=True, gc=False):
    """What an answer says, and what sets it apart."""

    spoken: Spoken
    id: bytes
    created: int
    prompt_tokens: int

    def body(self, kind: bytes) -> bytes:
        """Return the body of a whole answer of *kind*."""
        spoken, prompt = self.spoken, self.prompt_tokens
        total = prompt + spoken.tokens
        return _BODY % (self.id, kind, self.created, spoken.origin, spoken.choices, prompt, spoken.tokens, total)

    def frames(self, kind: bytes) -> tuple[Send, ...]:
        """Return the frames of a stream of *kind*, with usage where it was asked for, and `[DONE]`."""
        shared = b"data: " + _ENVELOPE % (self.id, kind, self.created, self.spoken.origin)
        sent = [Send(shared + tail, meaning) for tail, meaning in self.spoken.tails]
        if self.spoken.includes_usage:
            prompt, completion = self.prompt_tokens, self.spoken.tokens
            sent.append(Send(shared + _COUNTED % (prompt, completion, prompt + completion), Kind.USAGE))
        sent.append(_DONE)
        return tuple(sent)


@final
class Tails:
    """What the chunks of one stream say, as they are added."""

    def __init__(self, *, includes_usage: bool) -> None:
        self._end = b'],"usage":null}\n\n' if includes_usage else b"]}\n\n"
        self._added: list[tuple[bytes, Kind]] = []

    def add(self, kind: Kind, choice: dict[str, Any]) -> None:
        """Add a chunk of one choice."""
        self._added.append((_encode(choice) + self._end, kind))

    def add_text(self, before: bytes, pieces: tuple[str, ...], after: bytes) -> None:
        """Add a chunk of content for each of *pieces*; its choice is *before*, the piece in quotes, and *after*."""
        last = after + self._end
        self._added += [(before + quoted(piece) + last, Kind.CONTENT) for piece in pieces]

    def added(self) -> tuple[tuple[bytes, Kind], ...]:
        """Return all of them."""
        return tuple(self._added)


def in_json(choices: list[Any]) -> bytes:
    """Return *choices* in JSON, without the brackets of the list."""
    return _encode(choices)[1:-1]


@lru_cache(maxsize=4096)
def quoted(piece: str) -> bytes:
    """Return *piece* as a JSON string; answers are made of few different ones."""
    return _encode(piece)


@lru_cache(maxsize=256)
def origin(seed: str, provider: str, model: str) -> bytes:
    """Return the fields that tell which model spoke, of whose making."""
    fingerprint = text.digest(5, seed, provider, model).hex()
    return b',"model":%b,"service_tier":"default","system_fingerprint":"fp_%b"' % (_encode(model), fingerprint.encode())


def counts(prompt: int, completion: int) -> dict[str, object]:
    """Return the three counts of a usage object."""
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
