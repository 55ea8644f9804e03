"""What an invariant says when it does not hold, and what must be declared of a gateway before it can be judged."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from routeproof_spec.contract import load_contract
from routeproof_spec.history import History


class Kind(StrEnum):
    """Whether something bad happened, or something good did not."""

    SAFETY = "safety"
    LIVENESS = "liveness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One breach of one invariant: a sentence about the gateway, and the requests that show it."""

    number: int
    name: str
    kind: Kind
    sentence: str
    markers: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the finding as one line."""
        return f"invariant {self.number} ({self.name}, {self.kind}): {self.sentence}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a gateway names what it tells in its headers; None: it does not tell."""

    provider: str | None
    request_id: str | None
    latency_ms: str | None
    fallback: str | None  # of the request: the ordered list of models, comma-separated

    @classmethod
    def of_contract(cls) -> Dialect:
        """Return the names that the contract fixes."""
        names = load_contract().headers
        return cls(
            provider=names["provider"],
            request_id=names["request_id"],
            latency_ms=names["latency_ms"],
            fallback=names["fallback"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerDeclared:
    """What a gateway says of its circuit breakers."""

    failures: int  # in a row that open one
    cooldown: float  #: seconds for which it stays open at least
    out_max: float  #: seconds after a failure for which a provider may be left alone at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What is declared of a gateway and of the run; a history is judged by this and by nothing else."""

    dialect: Dialect = field(default_factory=Dialect.of_contract)
    #: providers behind each name a client may ask for; empty: the order of the chain is not judged
    serves: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    attempts_max: int = 8  # of one request, at one provider's model once each
    amplification_max: float = 3.0  # attempts a request, over the whole run
    client_mistakes: frozenset[int] = field(default_factory=lambda: load_contract().relayed_statuses)
    leave_within: float = 0.5  #: seconds in which a client that left must be felt by every provider
    request_within: float = 60.0  #: seconds in which every request ends
    recover_within: float = math.inf  #: seconds after the last heal from which on every request succeeds
    breaker: BreakerDeclared | None = None  # None: nobody healthy is ever left alone
    client_keys: tuple[str, ...] = ()  # must never reach a provider
    provider_keys: tuple[str, ...] = ()  # must never reach a client


Found: TypeAlias = Iterator[tuple[str, tuple[str, ...]]]  # a sentence, and the markers concerned
Judge: TypeAlias = Callable[[History, Declared], Found]
