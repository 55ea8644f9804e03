import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_conformance.judge.outcome import (
    Fact,
    NotApplicable,
    NotDeclared,
    NotTestable,
    Outcome,
    Ruling,
    SkipRefused,
    against_expectation,
    rule,
    single,
)
from routeproof_conformance.judge.verdict import Exit, Verdict, exit_code, verdict
from routeproof_spec.errors import TargetUnreachable, Violation

BREACH = Violation("a.b.c", expected="1", actual="2")
MUST, SHOULD = frozenset({"MUST"}), frozenset({"SHOULD"})


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, Outcome.PASS),
        (BREACH, Outcome.FAIL),
        (NotApplicable("no"), Outcome.NOT_APPLICABLE),
        (NotTestable("no"), Outcome.NOT_TESTABLE),
        (NotDeclared("no"), Outcome.NOT_TESTABLE),
        (Fact("so"), Outcome.OBSERVED),
        (TargetUnreachable("gone"), Outcome.SETUP_FAIL),
        (SkipRefused("lazy"), Outcome.HARNESS_ERROR),
        (KeyError("x"), Outcome.HARNESS_ERROR),
        (AssertionError("ours"), Outcome.HARNESS_ERROR),
    ],
)
def test_what_a_check_raises_decides_its_outcome(error: BaseException | None, outcome: Outcome) -> None:
    assert rule(error, levels=MUST).outcome is outcome


def test_breach_of_a_should_is_a_warning() -> None:
    assert rule(BREACH, levels=SHOULD) == Ruling(outcome=Outcome.WARN, reason=str(BREACH), requirement="a.b.c")


def test_our_own_mistake_outweighs_findings_beside_it() -> None:
    ours = ValueError("ours")
    assert single(ExceptionGroup("", [BREACH, ExceptionGroup("", [ours])])) is ours
    assert single(ExceptionGroup("", [BREACH, TargetUnreachable("gone")])) is BREACH


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Outcome.FAIL, Outcome.EXPECTED_FAIL),
        (Outcome.PASS, Outcome.UNEXPECTED_PASS),
        (Outcome.NOT_TESTABLE, Outcome.NOT_TESTABLE),
        (Outcome.SETUP_FAIL, Outcome.SETUP_FAIL),
    ],
)
def test_expectation_turns_failures_and_passes_only(before: Outcome, after: Outcome) -> None:
    assert against_expectation(Ruling(outcome=before), why="issue 7").outcome is after


@pytest.mark.parametrize(
    ("outcomes", "wanted"),
    [
        ({"a": [Outcome.PASS], "b": [Outcome.PASS, Outcome.WARN]}, Verdict.CONFORMANT),
        ({"a": [Outcome.PASS], "b": []}, Verdict.PARTIAL),
        ({"a": [Outcome.PASS], "b": [Outcome.NOT_APPLICABLE]}, Verdict.PARTIAL),
        ({"a": [Outcome.PASS], "b": [Outcome.FAIL]}, Verdict.NONCONFORMANT),
        ({"a": [Outcome.PASS], "b": [Outcome.EXPECTED_FAIL]}, Verdict.NONCONFORMANT),
        ({"a": [Outcome.PASS], "b": [Outcome.NOT_TESTABLE]}, Verdict.UNVERIFIED),
        ({"a": [Outcome.PASS], "b": [Outcome.HARNESS_ERROR]}, Verdict.UNVERIFIED),
        ({"a": [Outcome.NOT_APPLICABLE], "b": [Outcome.NOT_APPLICABLE]}, Verdict.UNVERIFIED),
        ({}, Verdict.UNVERIFIED),
    ],
)
def test_verdict_of_a_profile(outcomes: dict[str, list[Outcome]], wanted: Verdict) -> None:
    assert verdict(["a", "b"], outcomes, is_complete=True) is wanted


def test_run_that_did_not_end_verifies_nothing_but_still_convicts() -> None:
    assert verdict(["a"], {"a": [Outcome.PASS]}, is_complete=False) is Verdict.UNVERIFIED
    assert verdict(["a"], {"a": [Outcome.FAIL]}, is_complete=False) is Verdict.NONCONFORMANT


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([], Exit.UNVERIFIED),
        ([Outcome.NOT_APPLICABLE], Exit.UNVERIFIED),
        ([Outcome.OBSERVED], Exit.UNVERIFIED),
        ([Outcome.PASS, Outcome.NOT_APPLICABLE], Exit.HELD),
        ([Outcome.WARN], Exit.HELD),
        ([Outcome.EXPECTED_FAIL], Exit.HELD),
        ([Outcome.PASS, Outcome.UNEXPECTED_PASS], Exit.VIOLATED),
        ([Outcome.PASS, Outcome.FAIL, Outcome.HARNESS_ERROR], Exit.VIOLATED),
        ([Outcome.PASS, Outcome.HARNESS_ERROR], Exit.OURS),
        ([Outcome.PASS, Outcome.SETUP_FAIL], Exit.UNVERIFIED),
    ],
)
def test_exit_code(outcomes: list[Outcome], code: Exit) -> None:
    assert exit_code(outcomes, is_complete=True) is code


@given(st.lists(st.sampled_from(Outcome)))
def test_nothing_red_ever_exits_zero_nor_an_unfinished_run(outcomes: list[Outcome]) -> None:
    assert exit_code(outcomes, is_complete=False) is not Exit.HELD
    red = {Outcome.FAIL, Outcome.UNEXPECTED_PASS, Outcome.NOT_TESTABLE, Outcome.SETUP_FAIL, Outcome.HARNESS_ERROR}
    if red & set(outcomes):
        assert exit_code(outcomes, is_complete=True) is not Exit.HELD
