from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_simulator.algebra import Situation
from routeproof_simulator.behaviours import (
    Behaviour,
    fail,
    latency_from,
    pace,
    profile,
    self_hosted,
    speed,
    ttft,
)
from routeproof_simulator.faults.profile import PROFILES
from routeproof_simulator.journal import Journal
from routeproof_simulator.provider import Provider
from routeproof_simulator.ranges import OutOfRangeError
from routeproof_simulator.script import Script, Wait
from routeproof_spec.marker import in_text, new_marker
from tests.simulator.asking import OPENAI, PERSONA, answer, chat, request

WHOLE = answer(request(chat())).script
STREAM = answer(request(chat(stream=True))).script

DRAWS = 10_000
MARKERS = [new_marker(Random(seed)) for seed in range(4)]

#: seconds: p50, p95, p99 as monitors measured them
MEASURED = {
    "gpt-4o-mini": (0.536, 0.844, 4.461),
    "gpt-4o": (0.639, 1.144, 4.517),
    "gpt-4.1": (0.726, 1.220, 1.946),
    "claude-haiku-4.5": (0.541, 1.591, 4.117),
    "claude-sonnet-4.6": (0.941, 2.939, 4.787),
    "gemini-2.5-flash": (0.477, 0.776, 1.309),
    "deepseek-v3": (1.479, 1.926, 2.492),
}


def played(behaviour: Behaviour, script: Script, *draws: float, tokens: int = 12, prompt: int = 8) -> Script:
    drawn = iter(draws)
    situation = Situation(attempt=0, tokens=tokens, prompt_tokens=prompt, voice=OPENAI, draw=lambda: next(drawn, 0.5))
    return behaviour(script, situation)


def marked(marker: str) -> dict[str, object]:
    return chat(messages=[{"role": "user", "content": in_text(marker)}])


def waits(script: Script) -> list[float]:
    return [op.seconds for op in script if isinstance(op, Wait)]


def test_every_model_that_was_measured_has_a_profile() -> None:
    assert PROFILES.keys() == MEASURED.keys()


@pytest.mark.parametrize("model", sorted(MEASURED))
def test_drawn_times_have_the_quantiles_that_were_measured(model: Any) -> None:
    rng = Random(model)
    times = sorted(PROFILES[model].seconds(rng.random(), rng.random()) for _ in range(DRAWS))
    p50, p95, p99 = (times[int(DRAWS * share)] for share in (0.50, 0.95, 0.99))
    assert p50 == pytest.approx(MEASURED[model][0], rel=0.05)
    assert p95 == pytest.approx(MEASURED[model][1], rel=0.05)
    # Spikes of 3 to 8 times are not all of the tail: within a factor of two, where a lognormal alone errs by 4.4.
    assert MEASURED[model][2] / 2 < p99 < MEASURED[model][2] * 1.25


def test_a_stream_waits_for_its_first_token_and_paces_the_others() -> None:
    even = speed(ttft_p50=1.0, ttft_p95=1.0, tokens_per_second=10.0)
    assert played(even, STREAM) == played(ttft(1.0) | pace(10.0), STREAM)


def test_a_whole_answer_takes_as_long_as_its_stream_would() -> None:
    even = speed(ttft_p50=1.0, ttft_p95=1.0, tokens_per_second=10.0)
    assert sum(waits(played(even, WHOLE))) == pytest.approx(1.0 + 11 / 10)
    assert sum(waits(played(even, STREAM))) == pytest.approx(1.0 + 11 / 10)


def test_a_refusal_takes_no_time() -> None:
    refused = played(fail(429), WHOLE)
    for behaviour in (profile("gpt-4o"), self_hosted(), latency_from((1.0, 2.0))):
        assert played(behaviour, refused) is refused


@given(st.floats(0.0, 1.0, exclude_max=True), st.floats(0.01, 1.0, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_a_spike_is_three_to_eight_times_what_it_would_be(evenly: float, luck: float, within: float) -> None:
    one = PROFILES["gpt-4.1"]
    usual = one.seconds(evenly, luck)
    assert 3.0 - 1e-9 <= one.seconds(evenly, one.spike * within) / usual <= 8.0 + 1e-9


def test_the_first_token_of_a_model_of_ones_own_waits_for_the_prompt() -> None:
    least, most = (
        played(self_hosted(), WHOLE, 0.0, 0.0, prompt=1000),
        played(self_hosted(), WHOLE, 1.0, 1.0, prompt=1000),
    )
    assert sum(waits(least)) == pytest.approx(0.030 + 0.150 + 11 * 0.010)
    assert sum(waits(most)) == pytest.approx(0.030 + 0.300 + 11 * 0.015)


def test_measured_quantiles_are_drawn_between() -> None:
    measured = latency_from((1.0, 2.0, 4.0))
    drawn = [waits(played(measured, WHOLE, draw)) for draw in (0.0, 0.25, 0.5, 0.75)]
    assert drawn == [[1.0], [1.5], [2.0], [3.0]]
    assert sum(waits(played(latency_from((1.0, 1.0), 10.0), WHOLE))) == pytest.approx(1.0 + 1.1)


@given(st.lists(st.sampled_from(MARKERS[1:]), max_size=8))
def test_what_an_attempt_draws_depends_on_it_alone(before: list[str]) -> None:
    def waited(provider: Provider, marker: str) -> list[float]:
        script = provider.respond(request(marked(marker))).script
        assert not callable(script)
        return waits(script)

    def fresh() -> Provider:
        return Provider(PERSONA, journal=Journal(), now=lambda: 0.0, wall=lambda: 0.0, behaviour=profile("gpt-4o"))

    provider = fresh()
    for marker in before:
        provider.respond(request(marked(marker)))
    assert waited(provider, MARKERS[0]) == waited(fresh(), MARKERS[0])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: speed(1.0, 0.5, 10.0), "ttft_p95 must be at least 1, not 0.5"),
        (lambda: speed(1.0, 2.0, 0.0), "tokens_per_second must be greater than 0, not 0.0"),
        (lambda: speed(1.0, 2.0, 1.0, spike=0.05), "spike must be at least 0, at most 0.04, not 0.05"),
        (lambda: self_hosted(gap_min=1.0), "gap_max must be at least 1, not 0.015"),
        (lambda: latency_from((1.0,)), "quantiles must be 2 to 1001 numbers of seconds, not '1 numbers'"),
        (lambda: latency_from((2.0, 1.0)), "quantiles must be in ascending order, from 0 on, not 1.0"),
        (lambda: latency_from((-1.0, 1.0)), "quantiles must be in ascending order, from 0 on, not -1.0"),
    ],
)
def test_speeds_that_mean_nothing_are_refused(make: Any, sentence: str) -> None:
    with pytest.raises(OutOfRangeError) as caught:
        make()
    assert str(caught.value) == sentence


def test_a_model_that_nobody_measured_is_refused() -> None:
    unknown: Any = "gpt-0"
    with pytest.raises(OutOfRangeError, match="model must be one of gpt-4o-mini, "):
        profile(unknown)


@pytest.mark.parametrize(
    "behaviour",
    [
        speed(1e-320, 1e15, 1e-320, spike=0.0),
        speed(1.0, 1e15, 1e15),
        self_hosted(base=1e15, prompt_token_max=1e15, gap_min=1e-320, gap_max=1e-320),
        pace(1e-320),
    ],
    ids=str,
)
@pytest.mark.parametrize("draw", [0.0, 0.5, 1 - 2**-53])
def test_no_numbers_that_are_allowed_come_to_a_wait_that_is_none(behaviour: Behaviour, draw: float) -> None:
    for script in (WHOLE, STREAM):
        assert all(0.0 <= each < math.inf for each in waits(played(behaviour, script, draw, draw, tokens=1)))
