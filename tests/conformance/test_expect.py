from collections.abc import Callable

import pytest

from routeproof_conformance.ask import Ask
from routeproof_conformance.expect import Expect
from routeproof_conformance.forms import CHAT_STREAM
from routeproof_conformance.judge.outcome import NotTestable
from routeproof_spec.errors import Violation
from tests.conformance.observing import SSE, attempt, case, observed

REFUSAL = b'{"error":{"type":"authentication_error","message":"Invalid API key provided.","code":"invalid_api_key"}}'
expect = Expect(case())


@pytest.mark.parametrize(
    "held",
    [
        lambda: expect(1, expected="1", actual=1),
        lambda: expect.success(observed()),
        lambda: expect.status(observed(401), 401, 403),
        lambda: expect.refused(observed(401, REFUSAL), "invalid_api_key"),
        lambda: expect.attempts(observed(attempts=[attempt("a"), attempt("b")]), "a", "b"),
        lambda: expect.attempt_count(observed(attempts=[attempt("a")]), 1),
        lambda: expect.unsent(observed(401)),
        lambda: expect.served_by(observed(attempts=[attempt("a", 503), attempt("b")]), "b"),
        lambda: expect.at_least(0.2, 0.2, "the wait"),
        lambda: expect.at_most(1.4, 1.0, "the wait"),
    ],
)
def test_what_holds_raises_nothing(held: Callable[[], None]) -> None:
    held()


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda: expect(0, expected="1", actual=0), "expected 1; got 0"),
        (lambda: expect.success(observed(503)), "expected a complete 200; got 503"),
        (lambda: expect.status(observed(), 401), "expected status 401; got 200"),
        (lambda: expect.refused(observed(401, REFUSAL.replace(b"invalid", b"bad")), "invalid_api_key"), "error.code"),
        (lambda: expect.attempts(observed(attempts=[attempt("b")]), "a", "b"), "expected attempts a → b; got b;"),
        (lambda: expect.attempt_count(observed(), 1), "expected 1 attempts; got 200"),
        (lambda: expect.unsent(observed(attempts=[attempt("a")])), "attempts: a (200)"),
        (lambda: expect.served_by(observed(503, attempts=[attempt("a")]), "a"), "expected an answer of a"),
        (lambda: expect.at_least(0.1, 0.2, "the wait"), "expected the wait: at least 0.200 s; got 0.100 s"),
        (
            lambda: expect.at_most(1.6, 1.0, "the wait"),
            "expected the wait: at most 1.000 s, and 0.5 s of slack; got 1.600 s",
        ),
    ],
)
def test_what_does_not_hold_says_what_was_wanted_and_what_was_got(broken: Callable[[], None], says: str) -> None:
    with pytest.raises(Violation) as caught:
        broken()
    assert says in str(caught.value)


def test_machine_that_is_later_than_the_slack_judges_no_upper_bound() -> None:
    with pytest.raises(NotTestable, match=r"wakes up to 0\.700 s late"):
        Expect(case(late=0.7)).at_most(9.0, 1.0, "the wait")


def test_declared_retries_widen_the_chain() -> None:
    seen = observed(attempts=[attempt("a", 503), attempt("a", 503), attempt("b")])
    Expect(case(retries=1)).attempts(seen, "a", "b")
    with pytest.raises(Violation):
        expect.attempts(seen, "a", "b")


def test_breach_is_told_of_the_requirement_that_was_meant() -> None:
    both = Expect(case("auth.key.missing", "auth.error.body"))
    with pytest.raises(Violation) as caught:
        both.of("auth.error.body").status(observed(), 401)
    assert caught.value.requirement == "auth.error.body"


def test_requirement_outside_of_the_marker_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="not in the check's requirement marker"):
        expect.of("auth.error.body")


def test_grammar_is_held_to_the_rules_that_are_named() -> None:
    seen = observed(body=b"data: [DONE]\n\ndata: [DONE]\n\n", headers=SSE, ask=Ask(form=CHAT_STREAM))
    expect.grammar(seen, "done_present", "media_type")
    with pytest.raises(Violation, match="nothing but the end after done"):
        expect.grammar(seen, "done_last")
