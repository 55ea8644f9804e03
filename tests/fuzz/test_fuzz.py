"""A small share of `make fuzz`: the same inputs for the same seed, in seconds."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from random import Random

import pytest
import trio

from tests.fuzz.campaign import run_campaign
from tests.fuzz.corpus import REQUESTS
from tests.fuzz.mutation import mutated, pieces
from tests.fuzz.structured import run_structured

SEED = 20261127

pytestmark = pytest.mark.end_to_end


def test_no_request_that_is_made_up_is_answered_with_a_fault_of_our_own() -> None:
    statuses = run_structured(number=500, of_seed=SEED)
    assert sum(statuses.values()) >= 500
    assert statuses[200]  # some are sound, so that providers are reached


def test_broken_requests_and_broken_answers_end_in_words_and_leave_nothing_behind(tmp_path: Path) -> None:
    outcome = trio.run(partial(run_campaign, seed=SEED, clients=500, providers=500, log=tmp_path / "log"))
    assert [str(each) for each in outcome.findings] == []
    assert outcome.ends.total() == 1000
    assert outcome.ends["200"] > 100


def test_the_same_seed_makes_the_same_input() -> None:
    inputs = [[mutated(rng, REQUESTS[3]) for _ in range(50)] for rng in (Random("a"), Random("a"), Random("b"))]
    assert inputs[0] == inputs[1] != inputs[2]


def test_pieces_are_the_whole() -> None:
    rng = Random(1)
    assert all(b"".join(pieces(rng, REQUESTS[4])) == REQUESTS[4] for _ in range(50))
