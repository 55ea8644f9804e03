"""Invariants: pure predicates over a whole history, whoever wrote it.

To add one, write a function that yields a sentence for each breach, and give it a row in the table below; its number is
its place in the project's list and is never used again for another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from routeproof_simulator.invariants import attempts, breakers, liveness, streams, truth
from routeproof_simulator.invariants.finding import BreakerDeclared, Declared, Dialect, Finding, Judge, Kind
from routeproof_spec.history import History

__all__ = ["INVARIANTS", "BreakerDeclared", "Declared", "Dialect", "Finding", "Invariant", "Kind", "judge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """One row of the table."""

    number: int
    name: str
    kind: Kind
    judge: Judge

    @property
    def sentence(self) -> str:
        """What must hold, in one sentence."""
        return (self.judge.__doc__ or "").strip()


def _row(number: int, name: str, kind: Kind, function: Judge) -> Invariant:
    return Invariant(number=number, name=name, kind=kind, judge=function)


INVARIANTS: Final[tuple[Invariant, ...]] = (
    _row(1, "one-outcome", Kind.SAFETY, streams.one_outcome),
    _row(2, "text-of-one-attempt", Kind.SAFETY, streams.text_of_one_attempt),
    _row(3, "honest-end", Kind.SAFETY, streams.honest_end),
    _row(4, "nothing-after-the-end", Kind.SAFETY, streams.nothing_after_the_end),
    _row(5, "no-fallback-after-content", Kind.SAFETY, streams.no_fallback_after_content),
    _row(7, "constant-identity", Kind.SAFETY, streams.constant_identity),
    _row(8, "bounded-and-distinct", Kind.SAFETY, attempts.bounded_and_distinct),
    _row(9, "chain-in-order", Kind.SAFETY, attempts.chain_in_order),
    _row(10, "mistakes-not-retried", Kind.SAFETY, attempts.mistakes_not_retried),
    _row(11, "retry-after-handed-on", Kind.SAFETY, attempts.retry_after_handed_on),
    _row(12, "bounded-amplification", Kind.SAFETY, attempts.bounded_amplification),
    _row(13, "open-means-left-alone", Kind.SAFETY, breakers.open_means_left_alone),
    _row(15, "leaving-is-felt", Kind.SAFETY, attempts.leaving_is_felt),
    _row(25, "headers-tell-the-truth", Kind.SAFETY, truth.headers_tell_the_truth),
    _row(26, "no-secret-crosses", Kind.SAFETY, truth.no_secret_crosses),
    _row(27, "recovers", Kind.LIVENESS, liveness.recovers),
    _row(29, "every-request-ends", Kind.LIVENESS, liveness.every_request_ends),
    _row(30, "comes-back", Kind.LIVENESS, breakers.comes_back),
    _row(32, "fallback-saves", Kind.LIVENESS, liveness.fallback_saves),
)


def judge(history: History, declared: Declared, *, but: frozenset[str] = frozenset()) -> tuple[Finding, ...]:
    """Return every breach of every invariant, those named in *but* left out, in the order of the table."""
    return tuple(
        Finding(number=each.number, name=each.name, kind=each.kind, sentence=sentence, markers=markers)
        for each in INVARIANTS
        if each.name not in but
        for sentence, markers in each.judge(history, declared)
    )
