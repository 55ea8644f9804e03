import pytest

from routeproof_conformance.judge.headers import latency_breach
from routeproof_conformance.judge.order import breach, collapsed


@pytest.mark.parametrize(
    ("asked", "chain", "retries", "found"),
    [
        (["a", "b"], ["a", "b"], 0, None),
        ([], [], 0, None),
        (["b", "a"], ["a", "b"], 0, "b → a"),
        (["a", "a"], ["a"], 0, "a → a"),
        (["a", "a", "b"], ["a", "b"], 1, None),
        (["a", "a", "a"], ["a"], 1, "a → a → a: a 3 times, with 1 retries declared"),
        (["a", "b", "a"], ["a", "b"], 2, "a → b → a"),
        ([], ["a"], 0, "no attempt"),
    ],
)
def test_attempts_are_held_to_the_chain(asked: list[str], chain: list[str], retries: int, found: str | None) -> None:
    assert breach(asked, chain, retries=retries) == found


def test_retries_collapse_and_returns_do_not() -> None:
    assert collapsed(["a", "a", "b", "a"]) == ("a", "b", "a")


@pytest.mark.parametrize(
    ("claimed", "found"),
    [
        ("100", None),
        ("0", "0 ms, less than the 90.0 ms that the provider took"),
        ("120", "120 ms, more than the 110.0 ms that the client measured"),
        ("99.5", "'99.5', which is no non-negative whole number of milliseconds"),
        ("-1", "'-1', which is no non-negative whole number of milliseconds"),
        (None, "no latency header"),
    ],
)
def test_latency_header_is_held_to_both_sides(claimed: str | None, found: str | None) -> None:
    assert latency_breach(claimed, measured=0.11, at_least=0.09) == found
