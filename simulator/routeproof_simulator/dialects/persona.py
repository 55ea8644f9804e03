"""What a dialect knows of the provider that it speaks for, what it is asked, and what it answers."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from routeproof_simulator.algebra import Voice
from routeproof_simulator.received import Received
from routeproof_simulator.script import Script

Strictness: TypeAlias = bool | Literal["values"]
"""True: what the real provider refuses is refused. "values": fields that it does not know pass. False: whatever can be
answered is answered."""


class Persona(Struct, frozen=True, kw_only=True, cache_hash=True):
    """Who answers: the same persona gives the same request the same text."""

    name: str
    key: str  # the only credential it accepts
    models: tuple[str, ...]  # the ids it serves; none: whatever it is asked for
    seed: str
    tokens: int  # of an ordinary answer, where the request sets no lower limit
    strict: Strictness = True


class Call(Struct, frozen=True, kw_only=True, gc=False):
    """One request, and what sets it apart from all others."""

    request: Received
    marker: str  # empty where it bears none
    attempt: int  # 0-based among those with the same marker at this provider
    created: int  # Unix seconds


class Answer(Struct, frozen=True, kw_only=True, gc=False):
    """The script of an answer, how many tokens it says, and how many it was asked with."""

    script: Script
    tokens: int = 0
    prompt_tokens: int = 0
    voice: Voice | None = None  # of this answer, where the errors of a provider bear what sets one answer apart


class Dialect(Voice, Protocol):
    """One provider's API, as pure functions."""

    def answer(self, call: Call, persona: Persona) -> Answer:
        """Return the answer of *persona* to *call*, its refusals included; never raises for what was received."""
        ...

    def refuse(self, status: int, message: str, *, created: int) -> Script:
        """Return the answer to bytes that are no request: too long, or not HTTP."""
        ...
