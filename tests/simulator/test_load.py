"""Loads with lengths of their own, and loads that a trace tells."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_simulator import text
from routeproof_simulator.traces import Arrival
from routeproof_simulator.world import run as world
from routeproof_simulator.world.load import length, plan
from routeproof_simulator.world.scenario import PROMPT_TOKENS_MAX, Mix, Scenario, checked, load_scenario
from routeproof_spec.errors import ConfigError
from routeproof_spec.marker import find_marker
from tests.simulator.worlds import PRIMARY_OUTAGE, small

TRACE = (
    Arrival(at=0.0, prompt_tokens=30, completion_tokens=7),
    Arrival(at=4.0, prompt_tokens=500, completion_tokens=0),
    Arrival(at=30.0, prompt_tokens=1, completion_tokens=9),
)


def loaded(**more: Any) -> Scenario:
    scenario = small()
    return msgspec.structs.replace(scenario, load=msgspec.structs.replace(scenario.load, **more))


def traced(file: str = "trace.csv", **more: Any) -> Scenario:
    return loaded(rate=None, trace=file, **more)


def asked(scenario: Scenario, trace: tuple[Arrival, ...] = ()) -> list[tuple[float, int, int]]:
    """Return when each request comes, with how many tokens in its question, and how many it wants."""
    found: list[tuple[float, int, int]] = []
    for each in plan(scenario, 1, trace):
        tree = msgspec.json.decode(each.body)
        question = tree["messages"][0]["content"].partition(" [[rp:")[0]
        found.append((each.at, text.count_tokens(question), tree["max_tokens"]))
    return found


@given(st.integers(1, 1000), st.integers(0, 10_000), st.sampled_from(["even", "zipf"]), st.integers())
def test_lengths_are_within_their_bounds(low: int, more: int, lengths: Any, seed: int) -> None:
    assert low <= length(low, low + more, lengths, Random(seed)) <= low + more


def test_a_zipf_like_length_that_is_twice_as_long_is_half_as_often() -> None:
    rng = Random(1)
    counts = Counter(length(1, 255, "zipf", rng).bit_length() for _ in range(8000))
    # Each octave has as many: 1000, give or take five standard deviations.
    assert all(850 < counts[bits] < 1150 for bits in range(1, 9))


def test_a_mix_draws_prompts_and_answers_of_its_lengths() -> None:
    mix = Mix(model="small", prompt=(100, 400), tokens=(10, 50), lengths="zipf")
    found = asked(loaded(mix=(mix,)))
    assert len(found) > 5
    assert all(100 <= prompt <= 400 and 10 <= tokens <= 50 for _, prompt, tokens in found)


def test_a_trace_says_when_and_with_how_many_tokens() -> None:
    (first, second) = asked(traced(), TRACE)
    assert first == (0.0, 30, 7)
    assert second == (4.0, 500, 1)  # a failure in the trace, asked again


def test_a_trace_can_be_played_faster() -> None:
    assert [at for at, *_ in asked(traced(speed=4.0), TRACE)] == [0.0, 1.0, 7.5]


def test_a_prompt_of_a_trace_has_a_bound_and_still_its_marker() -> None:
    huge = (Arrival(at=0.0, prompt_tokens=10**8, completion_tokens=1),)
    [planned] = plan(traced(), 1, huge)
    assert find_marker((), planned.body) == planned.marker
    assert len(planned.body) < PROMPT_TOKENS_MAX * 4 + 1000


def test_a_traced_run_asks_what_its_file_says(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2024-01-01 00:00:00,10,3\n2024-01-01 00:00:02.5,20,4\n")
    mix = Mix(model="small")
    history = world.run(traced(str(file), mix=(mix,)), file=PRIMARY_OUTAGE)
    assert [round(each.sent_at - history.exchanges[0].sent_at, 6) for each in history.exchanges] == [0.0, 2.5]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rate": None}, "f: load: found neither; wanted either rate or trace"),
        ({"trace": "a.csv"}, "f: load: found both; wanted either rate or trace"),
        (
            {"mix": (Mix(model="small", prompt=(9, 8)),)},
            "f: load.mix[0].prompt: found [9, 8]; wanted the smaller number first",
        ),
    ],
)
def test_a_load_that_means_nothing_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        checked(loaded(**change), file="f")
    assert str(caught.value) == sentence


def test_a_trace_that_cannot_be_read_is_a_mistake_of_the_scenario(tmp_path: Path) -> None:
    toml = PRIMARY_OUTAGE.read_text(encoding="utf-8").replace("rate = 2.0", 'trace = "mine.csv"')
    file = tmp_path / "traced.toml"
    file.write_text(toml, encoding="utf-8")
    with pytest.raises(ConfigError, match="No such file"):
        load_scenario(file)
    (tmp_path / "mine.csv").write_text("Timestamp,Model,Request tokens,Response tokens\n1,m,2,x\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="line 2, Response tokens: found 'x'; wanted a whole number of tokens"):
        load_scenario(file)
    (tmp_path / "mine.csv").write_text("Timestamp,Model,Request tokens,Response tokens\n1,m,2,3\n", encoding="utf-8")
    assert load_scenario(file).load == msgspec.structs.replace(
        load_scenario(PRIMARY_OUTAGE).load, rate=None, trace="mine.csv"
    )
