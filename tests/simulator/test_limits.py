from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routeproof_simulator.algebra import Situation
from routeproof_simulator.behaviours import Behaviour, capacity, chance, fail, latency, profile, rate_limit
from routeproof_simulator.dialects import DIALECTS
from routeproof_simulator.journal import Journal
from routeproof_simulator.provider import Provider
from routeproof_simulator.ranges import OutOfRangeError
from routeproof_simulator.script import Head, Script, Turn, Wait, head_of
from routeproof_spec.history import first_header
from tests.simulator.asking import PERSONA, answer, chat, request, tree_of

WHOLE = answer(request(chat())).script
STREAM = answer(request(chat(stream=True))).script
MODELS = answer(request(method="GET", path="/v1/models"))
EMBEDDING = answer(request({"model": "text-embedding-3-small", "input": "x" * 40}, path="/v1/embeddings"))


class Limited:
    """A provider with a behaviour, asked again and again."""

    def __init__(self, behaviour: Behaviour, *, dialect: str = "openai") -> None:
        self._behaviour = behaviour
        self._memory: dict[object, Any] = {}
        self._voice = DIALECTS[dialect]

    def at(self, now: float, script: Script = WHOLE, *, prompt: int = 8, said: int = 12) -> Script:
        situation = Situation(
            attempt=0,
            tokens=said,
            prompt_tokens=prompt,
            voice=self._voice,
            draw=lambda: 0.5,
            now=now,
            created=1_700_000_000 + int(now),
            memory=self._memory,
        )
        return self._behaviour(script, situation)

    def status(self, now: float, **more: Any) -> int:
        return status(self.at(now, **more))


def status(script: Script) -> int:
    head = head_of(script)
    assert head is not None
    return head.status


def header(script: Script, name: str) -> str | None:
    head = head_of(script)
    assert head is not None
    return first_header(head.headers, name)


def standing(script: Script, kind: str = "requests") -> tuple[str | None, ...]:
    return tuple(header(script, f"x-ratelimit-{each}-{kind}") for each in ("limit", "remaining", "reset"))


def test_every_answer_tells_what_the_bucket_holds() -> None:
    provider = Limited(rate_limit(rpm=60, tpm=6000))
    one = provider.at(0.0)
    assert (standing(one), standing(one, "tokens")) == (("60", "59", "1s"), ("6000", "5980", "200ms"))
    two = provider.at(0.5, STREAM)
    assert (standing(two), standing(two, "tokens")) == (("60", "58", "1.5s"), ("6000", "5980", "200ms"))
    assert two[1:] == STREAM[1:]


def test_a_limit_that_is_not_set_is_not_told() -> None:
    assert standing(Limited(rate_limit(rpm=60)).at(0.0), "tokens") == (None, None, None)


def test_what_is_beyond_is_refused_with_a_true_retry_after_and_takes_nothing() -> None:
    provider = Limited(rate_limit(rpm=3))
    assert [provider.status(0.0) for _ in range(3)] == [200, 200, 200]
    refused = provider.at(5.5)
    assert status(refused) == 429
    assert (header(refused, "retry-after"), header(refused, "retry-after-ms")) == ("15", "14500")
    assert standing(refused) == ("3", "0", "54.5s")
    assert tree_of(refused)["error"] == {
        "message": "Rate limit reached for requests per minute: Limit 3, Requested 1. Please try again in 14.5s.",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert [provider.status(at) for at in (19.9, 20.0, 20.1)] == [429, 200, 429]


def test_tokens_asked_with_and_answered_count_alike() -> None:
    provider = Limited(rate_limit(tpm=100))
    assert provider.status(0.0, prompt=50, said=40) == 200
    refused = provider.at(0.0, prompt=10, said=1)
    assert (status(refused), header(refused, "retry-after-ms")) == (429, "600")
    assert provider.status(0.0, prompt=0, said=10) == 200


def test_what_never_fits_is_refused_without_a_promise() -> None:
    refused = Limited(rate_limit(tpm=100)).at(0.0, prompt=90, said=20)
    assert (status(refused), header(refused, "retry-after"), header(refused, "retry-after-ms")) == (429, None, None)
    assert "110 tokens" in tree_of(refused)["error"]["message"]


def test_an_aligned_window_lets_everybody_in_when_the_minute_begins() -> None:
    provider = Limited(rate_limit(rpm=2, window="aligned"))
    assert [provider.status(at) for at in (50.0, 51.0, 52.0)] == [200, 200, 429]
    assert header(provider.at(52.5), "retry-after-ms") == "7500"
    assert [provider.status(60.0) for _ in range(3)] == [200, 200, 429]


def test_a_burst_is_what_may_be_asked_at_once() -> None:
    provider = Limited(rate_limit(rpm=600, burst=1.0))
    assert [provider.status(0.0) for _ in range(11)] == [200] * 10 + [429]
    assert header(provider.at(0.0), "retry-after-ms") == "100"


def test_refusals_and_what_no_model_answers_are_not_counted() -> None:
    provider = Limited(rate_limit(rpm=1))
    failed = Limited(fail(503)).at(0.0)
    for script, counts in ((failed, {}), (MODELS.script, {"prompt": MODELS.prompt_tokens, "said": MODELS.tokens})):
        assert provider.at(0.0, script, **counts) is script
    assert provider.status(0.0) == 200


def test_embeddings_are_counted_by_their_prompts() -> None:
    assert (EMBEDDING.prompt_tokens, EMBEDDING.tokens) == (10, 0)
    told = Limited(rate_limit(tpm=100)).at(0.0, EMBEDDING.script, prompt=10, said=0)
    assert standing(told, "tokens") == ("100", "90", "6s")


def test_a_refusal_waits_neither_for_the_model_nor_in_line() -> None:
    provider = Limited(profile("gpt-4o") | capacity(4) | rate_limit(rpm=1))
    assert any(isinstance(op, Wait | Turn) for op in provider.at(0.0))
    assert next(type(op) for op in provider.at(0.0)) is Head


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
@settings(max_examples=30)
@given(rpm=st.integers(1, 20), window=st.sampled_from(["rolling", "aligned"]), now=st.floats(0.0, 1e5))
def test_whoever_waits_as_long_as_told_passes_in_every_dialect(dialect: str, rpm: int, window: Any, now: float) -> None:
    provider = Limited(rate_limit(rpm=rpm, window=window), dialect=dialect)
    refused = provider.at(now)
    for _ in range(rpm):
        refused = provider.at(now)
    assert status(refused) == 429
    told = header(refused, "retry-after")
    assert told is not None
    assert provider.status(now + float(told)) == 200
    exact = header(refused, "retry-after-ms")
    if exact is not None:
        again = Limited(rate_limit(rpm=rpm, window=window), dialect=dialect)
        assert [again.status(now) for _ in range(rpm)] == [200] * rpm
        assert again.status(now + int(exact) / 1000) == 200


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({}, "limit must be rpm, tpm or both"),
        ({"rpm": 0}, "rpm must be at least 1, not 0"),
        ({"rpm": 30, "burst": 1.0}, "burst must be at least 2, at most 60, not 1.0"),
        ({"tpm": 30, "burst": 0.0}, "burst must be greater than 0, at most 60, not 0.0"),
        ({"rpm": 1, "window": "weekly"}, "window must be one of rolling, aligned"),
    ],
)
def test_limits_that_mean_nothing_are_refused(attributes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OutOfRangeError) as caught:
        rate_limit(**attributes)
    assert sentence in str(caught.value)


def test_a_fault_over_a_limit_does_not_fill_its_bucket_and_another_limit_begins_full() -> None:
    limit = rate_limit(rpm=2)
    provider = Provider(PERSONA, journal=Journal(), now=lambda: 0.0, wall=lambda: 0.0, behaviour=limit)

    def asked() -> int:
        script = provider.respond(request(chat())).script
        assert not callable(script)
        return status(script)

    assert asked() == 200
    provider.set_behaviour(limit | chance(0.0, fail(500)) | latency(1.0))
    provider.heal()
    assert [asked(), asked()] == [200, 429]
    provider.set_behaviour(rate_limit(rpm=3))
    assert asked() == 200
