from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_reference_server.scrub import TEXT_CHARS_MAX, Scrubber

KEY = "a-key-like-no-other"
SCRUBBER = Scrubber(keys=[KEY, ""], base_urls=["http://models.corp.example:9000/x/v1", "https://api.example.com/v1"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("The model is overloaded.\n Try  later.", "The model is overloaded. Try later."),
        (f"Wrong key {KEY}!", "Wrong key [removed]!"),
        ("Wrong key sk-proj-ab**yz.", "Wrong key [removed]"),
        ("Authorization: Bearer abc.def", "Authorization: [removed]"),
        ("at http://models.corp.example:9000/x/v1/chat", "at [removed]/chat"),
        ("at MODELS.corp.example:9000", "at [removed]"),
        ("at api.example.com", "at [removed]"),
        ("upstream 10.0.0.7:8080 refused", "upstream [removed] refused"),
        ("http://localhost:99/x is down", "[removed] is down"),
        ("see http://node7.cluster.local/y", "see [removed]"),
        (
            "gpt-4.1 knows 1.2 things; see https://docs.test/errors",
            "gpt-4.1 knows 1.2 things; see https://docs.test/errors",
        ),
        ("a task-force of risk-takers", "a task-force of risk-takers"),
    ],
)
def test_secrets_go_and_words_stay(text: str, expected: str) -> None:
    assert SCRUBBER.clean(text) == expected


@given(st.text(), st.text())
def test_a_key_never_stays_whatever_stands_around_it(before: str, after: str) -> None:
    cleaned = SCRUBBER.clean(before + KEY + after)
    assert KEY not in cleaned
    assert len(cleaned) <= TEXT_CHARS_MAX
