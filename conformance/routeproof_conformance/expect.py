"""Assertions of a check: each that does not hold is a `Violation` of one requirement, told with both sides' facts."""

from __future__ import annotations

from collections import Counter
from typing import final

from routeproof_conformance.ask import Ask
from routeproof_conformance.case import Case
from routeproof_conformance.dig import dig
from routeproof_conformance.judge import order, stream
from routeproof_conformance.judge.outcome import NotTestable
from routeproof_conformance.observed import Observed
from routeproof_spec.contract import load_contract
from routeproof_spec.errors import Violation


@final
class Expect:
    """Call it with a condition, or use one of its named expectations; bound to one requirement of the check."""

    def __init__(self, case: Case, requirement: str | None = None) -> None:
        self._case = case
        self.requirement = requirement or case.requirement

    def of(self, requirement: str) -> Expect:
        """Return the same expectations, bound to another *requirement* of the check's marker."""
        assert requirement in self._case.requirements, f"{requirement} is not in the check's requirement marker"
        return Expect(self._case, requirement)

    def __call__(self, condition: object, *, expected: str, actual: object) -> None:
        """Raise `Violation` unless *condition* holds."""
        if not condition:
            raise Violation(self.requirement, expected=expected, actual=str(actual))

    def success(self, seen: Observed) -> None:
        """A 200 that is complete; of a stream also: no error event, and `[DONE]`."""
        self(seen.ok, expected="a complete 200", actual=_both(seen))

    def status(self, seen: Observed, *statuses: int) -> None:
        """One of *statuses*."""
        wanted = " or ".join(map(str, statuses))
        self(seen.status in statuses, expected=f"status {wanted}", actual=_both(seen))

    def error(self, seen: Observed, status: int, error_type: str, code: str | None = None) -> None:
        """That *status* with the error envelope of that type, and of that *code* where one is given."""
        self.status(seen, status)
        self(seen.error.type == error_type, expected=f"error.type {error_type}", actual=seen.said)
        if code is not None:
            self(seen.error.code == code, expected=f"error.code {code}", actual=seen.said)

    def refused(self, seen: Observed, row: str) -> None:
        """The error of the contract that is named *row*: its status, type and code."""
        error = load_contract().errors[row]
        self.error(seen, error.status, error.type, error.code)

    def attempts(self, seen: Observed, *providers: str) -> None:
        """Exactly these providers were asked, in this order (each as often in a row as retries are declared)."""
        found = order.breach(seen.providers, providers, retries=self._case.bench.target.routing.retries)
        wanted = " → ".join(providers) or "no attempt"
        self(found is None, expected=f"attempts {wanted}", actual=f"{found}; the client got {seen.said}")

    def attempt_count(self, seen: Observed, count: int) -> None:
        """So many attempts were made."""
        self(len(seen.attempts) == count, expected=f"{count} attempts", actual=_both(seen))

    def unsent(self, seen: Observed) -> None:
        """No provider was asked."""
        self(not seen.attempts, expected="nothing sent to a provider", actual=_both(seen))

    def served_by(self, seen: Observed, provider: str) -> None:
        """That *provider*'s answer reached the client."""
        self(seen.served_by == provider, expected=f"an answer of {provider}", actual=_both(seen))

    def grammar(self, seen: Observed, *rules: str) -> None:
        """The stream keeps these *rules* of the grammar (all where none is named)."""
        unknown = set(rules) - {*stream.RULES, "media_type"}
        assert not unknown, f"the stream's grammar has no rule {sorted(unknown)}"
        wanted = rules or ("media_type", *stream.RULES)
        if "media_type" in wanted:
            kind = seen.exchange.header("content-type")
            self(seen.is_stream, expected="content-type text/event-stream", actual=kind)
        ask = seen.ask
        assert isinstance(ask, Ask), "only an Ask has a stream's grammar"
        include_usage = dig(dict(ask.body), "stream_options", "include_usage") is True
        for flaw in stream.flaws(seen.events, operation=ask.form.operation, include_usage=include_usage):
            self(flaw.rule not in wanted, expected=flaw.expected, actual=flaw)

    def at_least(self, seconds: float, limit: float, what: str) -> None:
        """*what* took no less than *limit*: a hard bound."""
        self(seconds >= limit, expected=f"{what}: at least {limit:.3f} s", actual=f"{seconds:.3f} s")

    def at_most(self, seconds: float, limit: float, what: str) -> None:
        """*what* took no more than *limit* and the target's slack; not testable on a machine that is later than so."""
        slack = self._case.bench.target.timing.slack
        late = self._case.bench.calibration.worst
        if late > slack:
            raise NotTestable(f"this machine wakes up to {late:.3f} s late, more than the slack of {slack:g} s")
        bound = f"{limit:.3f} s, and {slack:g} s of slack"
        self(seconds <= limit + slack, expected=f"{what}: at most {bound}", actual=f"{seconds:.3f} s")


def _both(seen: Observed) -> str:
    """Return one line with the client's answer and, where known, the providers' attempts."""
    if seen.journal is None:
        return seen.said
    asked = ", ".join(f"{each.provider} ({each.status or each.ended})" for each in seen.journal) or "none"
    counted = Counter(each.provider for each in seen.journal)
    return f"{seen.said}; attempts: {asked}" if counted else f"{seen.said}; no attempt at a provider"
