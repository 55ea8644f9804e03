"""From outcomes to the verdict of a profile, and from all of them to the exit code. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum, StrEnum

from routeproof_conformance.judge.outcome import Outcome


class Verdict(StrEnum):
    """What a run says of one profile."""

    CONFORMANT = "conformant"  # every requirement of the profile was checked and held
    PARTIAL = "partial"  # what was checked held, but not all of the profile was
    NONCONFORMANT = "nonconformant"  # a requirement is broken
    UNVERIFIED = "unverified"  # nothing that counts was checked, or a check could not be made


class Exit(IntEnum):
    """The exit code of a run."""

    HELD = 0
    VIOLATED = 1
    USAGE = 2
    UNVERIFIED = 3
    OURS = 4


#: A broken requirement stays broken where it was expected to be.
BROKEN = frozenset({Outcome.FAIL, Outcome.EXPECTED_FAIL})
#: No verdict came about, so that nothing can be said of the profile.
UNSETTLED = frozenset({Outcome.NOT_TESTABLE, Outcome.SETUP_FAIL, Outcome.HARNESS_ERROR})
#: The requirement was checked and holds (a SHOULD that is broken breaks no profile).
SETTLED = frozenset({Outcome.PASS, Outcome.WARN, Outcome.UNEXPECTED_PASS})


def verdict(required: Sequence[str], outcomes: Mapping[str, Sequence[Outcome]], *, is_complete: bool) -> Verdict:
    """Return the verdict of a profile that asks for *required*, given each requirement's checks' *outcomes*."""
    all_of_them = [outcome for each in required for outcome in outcomes.get(each, ())]
    if any(outcome in BROKEN for outcome in all_of_them):
        return Verdict.NONCONFORMANT
    if not is_complete or any(outcome in UNSETTLED for outcome in all_of_them):
        return Verdict.UNVERIFIED
    if not any(outcome in SETTLED for outcome in all_of_them):
        return Verdict.UNVERIFIED
    covered = all(outcomes.get(each) and all(o in SETTLED for o in outcomes[each]) for each in required)
    return Verdict.CONFORMANT if covered else Verdict.PARTIAL


def exit_code(outcomes: Sequence[Outcome], *, is_complete: bool) -> Exit:
    """Return the exit code of a run: a broken requirement is the strongest thing to say, then our own mistake."""
    found = set(outcomes)
    if found & {Outcome.FAIL, Outcome.UNEXPECTED_PASS}:
        return Exit.VIOLATED
    if Outcome.HARNESS_ERROR in found:
        return Exit.OURS
    if not is_complete or found & {Outcome.NOT_TESTABLE, Outcome.SETUP_FAIL}:
        return Exit.UNVERIFIED
    judged = found & {Outcome.PASS, Outcome.WARN, Outcome.EXPECTED_FAIL}
    return Exit.HELD if judged else Exit.UNVERIFIED
