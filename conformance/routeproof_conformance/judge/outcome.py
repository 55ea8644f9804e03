"""What a check comes to. There is no skip: what was not judged says why, and counts as what it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, final

from routeproof_spec.errors import TargetUnreachable, Violation


class Outcome(StrEnum):
    """The one outcome of a check."""

    PASS = "pass"  # noqa: S105 - an outcome, no password
    FAIL = "fail"
    WARN = "warn"  # a SHOULD was broken
    NOT_APPLICABLE = "not_applicable"  # the capability is not declared
    NOT_TESTABLE = "not_testable"  # what the check needs is missing: never green
    EXPECTED_FAIL = "expected_fail"
    UNEXPECTED_PASS = "unexpected_pass"  # noqa: S105 - a stale expectation, no password
    OBSERVED = "observed"  # a fact, no verdict
    SETUP_FAIL = "setup_fail"  # the target or its providers do not answer
    HARNESS_ERROR = "harness_error"  # our own mistake


#: Outcomes that break a run; the others leave it green.
RED = frozenset(
    {
        Outcome.FAIL,
        Outcome.NOT_TESTABLE,
        Outcome.UNEXPECTED_PASS,
        Outcome.SETUP_FAIL,
        Outcome.HARNESS_ERROR,
    }
)


class CheckEnded(Exception):
    """A check ends without a verdict; the message is the reason."""


@final
class NotApplicable(CheckEnded):
    """The target declares that it does not have what the check is about."""


class NotTestable(CheckEnded):
    """What the check needs is missing, so that nothing was judged."""


@final
class NotDeclared(NotTestable):
    """The target file does not name what the check needs; *what* is its key path."""


@final
class Fact(CheckEnded):
    """The check observed something that no requirement judges."""


@final
class SkipRefused(Exception):
    """A check was skipped the bare way, which says nothing of the target: a mistake of the check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """An outcome and the sentence that explains it; *requirement* is the one that was broken."""

    outcome: Outcome
    reason: str = ""
    requirement: str | None = None


def single(error: BaseException) -> BaseException:
    """Return the one error that counts in nested groups: ours before all, for it spoils the others; else the first."""
    leaves = list(_leaves(error))
    spoilt = [leaf for leaf in leaves if not isinstance(leaf, (Violation, CheckEnded, TargetUnreachable))]
    return (spoilt or leaves)[0]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    match error:
        case BaseExceptionGroup(exceptions=nested):
            for each in nested:
                yield from _leaves(each)
        case _:
            yield error


def rule(error: BaseException | None, *, levels: frozenset[str]) -> Ruling:
    """Return what a check that raised *error* (None: nothing) comes to, its requirements having *levels*."""
    match error:
        case None:
            return Ruling(outcome=Outcome.PASS)
        case Violation():
            outcome = Outcome.FAIL if "MUST" in levels or not levels else Outcome.WARN
            return Ruling(outcome=outcome, reason=str(error), requirement=error.requirement)
        case _:
            ours = Ruling(outcome=Outcome.HARNESS_ERROR, reason=f"{type(error).__name__}: {error}")
            endings = (outcome for kind, outcome in _ENDINGS if isinstance(error, kind))
            return next((Ruling(outcome=outcome, reason=str(error)) for outcome in endings), ours)


#: What else may end a check, and what it comes to.
_ENDINGS: Final = (
    (NotApplicable, Outcome.NOT_APPLICABLE),
    (NotTestable, Outcome.NOT_TESTABLE),
    (Fact, Outcome.OBSERVED),
    (TargetUnreachable, Outcome.SETUP_FAIL),
)


def against_expectation(ruling: Ruling, *, why: str) -> Ruling:
    """Return *ruling* as it stands where the target file expects the check to fail, because of *why*."""
    match ruling.outcome:
        case Outcome.FAIL | Outcome.WARN:
            reason = f"expected ({why}): {ruling.reason}"
            return Ruling(outcome=Outcome.EXPECTED_FAIL, reason=reason, requirement=ruling.requirement)
        case Outcome.PASS:
            reason = f"expected to fail ({why}), but it held: remove the expectation from the target file"
            return Ruling(outcome=Outcome.UNEXPECTED_PASS, reason=reason)
        case _:
            return ruling
