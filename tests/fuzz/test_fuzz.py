"""A small share of `make fuzz`: the same inputs for the same seed, in seconds."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from random import Random

import pytest
import trio

from routeproof_simulator.fleet import load_fleet, on_free_ports
from routeproof_simulator.thread import FleetThread
from tests.fuzz.campaign import run_campaign
from tests.fuzz.corpus import REQUESTS
from tests.fuzz.described import run_described, running
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


def test_what_the_document_describes_is_answered_as_it_says(tmp_path: Path) -> None:
    with running(tmp_path) as base_url:
        outcome = run_described(base_url, number=150, of_seed=SEED)
    assert outcome.findings == []
    assert outcome.number >= 150
    assert all(each.total() > 0 for each in outcome.statuses.values())


def test_what_is_answered_otherwise_is_found() -> None:
    with FleetThread(on_free_ports(load_fleet())) as fleet:  # a provider, which is no gateway
        outcome = run_described(fleet.base_urls["alpha"], number=10, of_seed=SEED)
    assert any("X-Inferoute-Request-Id" in each for each in outcome.findings)


def test_the_same_seed_makes_the_same_input() -> None:
    inputs = [[mutated(rng, REQUESTS[3]) for _ in range(50)] for rng in (Random("a"), Random("a"), Random("b"))]
    assert inputs[0] == inputs[1] != inputs[2]


def test_pieces_are_the_whole() -> None:
    rng = Random(1)
    assert all(b"".join(pieces(rng, REQUESTS[4])) == REQUESTS[4] for _ in range(50))
