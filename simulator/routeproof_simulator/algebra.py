"""A behaviour is a value that rewrites the script of an answer.

Behaviours compose with `|`, left to right, and obey laws (held by property tests):
`(a | b) | c == a | (b | c)`, `b | ok == b == ok | b`, `first(0, b) == ok`, `chance(0, b) == ok`, `chance(1, b) == b`,
`cut(n) | cut(m) == cut(min(n, m))`. What it leaves alone, it leaves alone: a behaviour that finds no place to act
changes nothing, and the journal then names no fault.

To add a fault, write a class in `faults`: its fields are its attributes in every spelling, calling it is
what it does. Its name is the class's name in snake case; `behaviours` gives it the same name in Python.
"""

# ruff: noqa: D102 - the docstring of a behaviour says what calling it does

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, Final, Literal, Protocol, TypeAlias, final

from routeproof_simulator.allowance import Standing
from routeproof_simulator.ranges import Attempts, Share, check
from routeproof_simulator.script import Script
from routeproof_spec.history import Headers

Meaning: TypeAlias = Literal["model", "text", "arguments", "finish", "usage", "index", "refusal"]

BY_NAME: Final[dict[str, type[Behaviour]]] = {}  # every behaviour that can be spelled; filled by the classes themselves


class Voice(Protocol):
    """How a dialect words what a behaviour needs said."""

    def error(self, status: int, message: str | None, code: str | None) -> bytes:
        """Return the error body for *status*; None stands for what this provider usually says."""
        ...

    def stream_error(self, message: str | None, code: str | None) -> bytes:
        """Return the event by which this provider tells of an error within a stream; None as for `error`."""
        ...

    def usage(self, prompt: int, completion: int) -> dict[str, object]:
        """Return the fields that count the tokens."""
        ...

    def rate_limit_headers(self, standing: Standing, *, now: int) -> Headers:
        """Return the headers that tell of *standing*, beside Retry-After; *now* is Unix time in seconds."""
        ...

    @property
    def places(self) -> Mapping[Meaning, tuple[str, ...]]:
        """Where the JSON of an answer, or of one event of a stream, holds what: `choices.*.delta.content`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a behaviour may know of the attempt that it answers."""

    attempt: int  # 0-based among those with the same marker since the behaviour was set
    tokens: int  # of the completion
    voice: Voice
    draw: Callable[[], float]  # uniform in [0, 1), of this attempt alone
    prompt_tokens: int = 0
    path: str = ""  # of the request, without its query
    running: int = 1  # attempts at this provider that have not ended, this one among them
    now: float = 0.0  #: seconds, on the run's clock
    created: int = 0  # Unix time in seconds
    memory: dict[object, Any] = field(default_factory=dict[object, Any])
    """What a behaviour keeps from one attempt to the next, by itself as the key; lost when it is no longer set."""


@dataclass(frozen=True, slots=True)
class Behaviour(ABC):
    """What one provider does to its answers: called with a script, it returns the script that is played instead."""

    name: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        """Enter the class among those that can be spelled, unless it is abstract or a composition."""
        if not cls.__name__.startswith("_") and "__call__" in vars(cls):
            cls.name = re.sub(r"(?<=[a-z])(?=[A-Z0-9])", "_", cls.__name__).lower()
            BY_NAME[cls.name] = cls

    def __post_init__(self) -> None:
        """Raise `OutOfRangeError` unless every attribute is what its type says (`ranges`)."""
        check(self)

    @abstractmethod
    def __call__(self, script: Script, situation: Situation) -> Script:
        """Return *script* as this behaviour changes it in *situation*."""

    def merged(self, later: Behaviour) -> Behaviour | None:  # noqa: ARG002 - most behaviours merge with nothing
        """Return the one behaviour that does the same as this and then *later*, or None where there is none."""
        return None

    def __or__(self, later: Behaviour) -> Behaviour:
        """Return the behaviour that does this and then *later*."""
        return compose(*parts(self), *parts(later))

    def __str__(self) -> str:
        """Return the behaviour as it is written in Python, attributes at their defaults left out."""
        shown = [
            f"{name}={value}" if isinstance(value, Behaviour) else f"{name}={value!r}"
            for name, value in attributes(self).items()
        ]
        return f"{self.name}({', '.join(shown)})"


@final
@dataclass(frozen=True, slots=True)
class _Chain(Behaviour):
    """Several behaviours in their order: the normal form of every composition of none or more than one."""

    behaviours: tuple[Behaviour, ...]

    def __call__(self, script: Script, situation: Situation) -> Script:
        for behaviour in self.behaviours:
            script = behaviour(script, situation)
        return script

    def __str__(self) -> str:
        return " | ".join(map(str, self.behaviours)) or "ok"


ok: Final[Behaviour] = _Chain(())


@final
@dataclass(frozen=True, slots=True)
class First(Behaviour):
    """The first *n* attempts with the same marker behave so; unmarked ones share one series."""

    n: Attempts
    behaviour: Behaviour

    def __call__(self, script: Script, situation: Situation) -> Script:
        return self.behaviour(script, situation) if situation.attempt < self.n else script


@final
@dataclass(frozen=True, slots=True)
class Chance(Behaviour):
    """An attempt behaves so with probability *p*."""

    p: Share
    behaviour: Behaviour

    def __call__(self, script: Script, situation: Situation) -> Script:
        return self.behaviour(script, situation) if situation.draw() < self.p else script


def first(n: int, behaviour: Behaviour) -> Behaviour:
    """Return *behaviour* for the first *n* attempts with the same marker, since it was set."""
    return normal(First(n, behaviour))


def chance(p: float, behaviour: Behaviour) -> Behaviour:
    """Return *behaviour* for a share *p* (0 to 1) of the attempts, drawn for each on its own."""
    return normal(Chance(p, behaviour))


def normal(behaviour: Behaviour) -> Behaviour:
    """Return the simplest behaviour that does the same as *behaviour*."""
    match behaviour:
        case First(n=0) | Chance(p=0.0) | First(behaviour=_Chain(())) | Chance(behaviour=_Chain(())):
            return ok
        case Chance(p=1.0, behaviour=inner):
            return inner
        case _:
            return behaviour


def compose(*behaviours: Behaviour) -> Behaviour:
    """Return the behaviour that does all of *behaviours*, left to right; `ok` for none."""
    chain: list[Behaviour] = []
    for behaviour in behaviours:
        for part in parts(behaviour):
            one = chain[-1].merged(part) if chain else None
            chain = [*chain[:-1], one] if one is not None else [*chain, part]
    if not chain:
        return ok
    return chain[0] if len(chain) == 1 else _Chain(tuple(chain))


def parts(behaviour: Behaviour) -> tuple[Behaviour, ...]:
    """Return what *behaviour* is composed of, in order; nothing for `ok`."""
    return behaviour.behaviours if isinstance(behaviour, _Chain) else (behaviour,)


def rewrite(behaviour: Behaviour, script: Script, situation: Situation) -> tuple[Script, tuple[str, ...]]:
    """Return *script* as *behaviour* changes it, and those of its parts that did change it, in words."""
    faults: list[str] = []
    for part in parts(behaviour):
        changed = part(script, situation)
        if changed is not script and changed != script:
            faults.append(str(part))
        script = changed
    return script, tuple(faults)


def attributes(behaviour: Behaviour) -> dict[str, Any]:
    """Return the attributes of *behaviour* that are not at their defaults, by name."""
    return {
        field.name: getattr(behaviour, field.name)
        for field in fields(behaviour)
        if field.default is MISSING or getattr(behaviour, field.name) != field.default
    }
