from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from routeproof_simulator.invariants import judge
from routeproof_simulator.world import campaign
from routeproof_simulator.world import run as world
from routeproof_simulator.world.campaign import Run, Status, digest, first_difference
from routeproof_simulator.world.reached import STATES, reached
from routeproof_simulator.world.scenario import load_scenario
from routeproof_simulator.world.timeline import timeline
from routeproof_spec.errors import RouteproofError
from routeproof_spec.history import Ended, History
from tests.simulator.worlds import (
    PRIMARY_OUTAGE,
    SCENARIOS,
    gateway,
    never_ready,
    refusing_to_start,
    small,
    unrepeatable,
    without_fallback,
)


@pytest.fixture(scope="module")
def outage() -> History:
    """Return the history of the scenario that ships, lived through once."""
    return world.run(load_scenario(PRIMARY_OUTAGE), file=PRIMARY_OUTAGE)


def test_the_reference_gateway_lives_through_the_primary_outage(outage: History) -> None:
    scenario = load_scenario(PRIMARY_OUTAGE)
    assert judge(outage, scenario.declared()) == ()
    assert {each.ended for each in outage.exchanges} <= {Ended.COMPLETE, Ended.LEFT}
    assert outage.notes["crashes"] == ""


@pytest.mark.parametrize("name", ["shared_edge", "brownout_ramp"])
def test_the_reference_gateway_lives_through_the_other_scenarios_that_ship(name: str) -> None:
    file = SCENARIOS / f"{name}.toml"
    result = campaign.run(load_scenario(file), file=file)
    assert result.status is Status.HELD, result.report()


def test_both_sides_of_every_request_are_in_the_history(outage: History) -> None:
    assert {each.marker for each in outage.exchanges} >= {each.marker for each in outage.attempts}
    faults = [(each.at, each.provider, each.behaviour) for each in outage.faults if each.provider == "beta"]
    assert [at for at, _, _ in faults] == [38.0, 46.0]
    assert faults[1] == (46.0, "beta", "ok")


def test_a_fault_that_begins_when_another_heals_is_not_healed_with_it(outage: History) -> None:
    assert any(15 < each.sent_at - 20 < 30 for each in outage.exchanges)
    assert not any(each.provider == "alpha" and 35 < each.received_at < 50 for each in outage.attempts)


def test_no_key_is_in_the_history_but_what_a_provider_blurts_out(outage: History) -> None:
    assert b"th-sim" not in outage.to_json()
    quiet = world.run(small(), file=PRIMARY_OUTAGE)
    assert not any(f"sk-{name}-sim".encode() in quiet.to_json() for name in ("alpha", "beta", "gamma"))


def test_a_history_survives_its_file(outage: History) -> None:
    assert History.from_json(outage.to_json()) == outage


def test_the_same_seed_is_the_same_bytes_in_another_process_with_another_hash_seed() -> None:
    program = (
        "from tests.simulator.worlds import PRIMARY_OUTAGE, small\n"
        "from routeproof_simulator.world import run as world\n"
        "from routeproof_simulator.world.campaign import digest\n"
        "print(digest(world.run(small(), file=PRIMARY_OUTAGE, seed=7)))\n"
    )
    here = digest(world.run(small(), file=PRIMARY_OUTAGE, seed=7))
    for hash_seed in ("1", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert done.stdout.strip() == here


def test_another_seed_is_another_run() -> None:
    assert digest(world.run(small(), file=PRIMARY_OUTAGE, seed=1)) != digest(
        world.run(small(), file=PRIMARY_OUTAGE, seed=2)
    )


def test_a_campaign_that_holds_says_so_and_tells_its_progress() -> None:
    seen: list[Run] = []
    result = campaign.run(small(), file=PRIMARY_OUTAGE, seeds=range(1, 3), progress=seen.append)
    assert (result.status, tuple(seen)) == (Status.HELD, result.runs)
    assert [run.seed for run in result.runs] == [1, 2]
    assert result.report().startswith("small outage: held\n2 of 2 seeds, ")


def test_a_wrong_gateway_is_told_with_the_story_and_the_command_that_replays_it() -> None:
    with gateway("deaf_gateway", without_fallback) as app:
        result = campaign.run(small(app), file=PRIMARY_OUTAGE, seeds=[3], repeat_share=0)
    assert result.status is Status.VIOLATED
    assert {finding.name for finding in result.runs[0].findings} == {"fallback-saves", "open-means-left-alone"}
    report = result.report()
    assert "the client saw status 503, though beta was healthy" in report
    assert "because of" in report
    assert "fail(status=503)" in report
    assert report.endswith("replay: routeproof chaos run primary_outage --seed 3")


def test_a_gateway_with_a_hidden_memory_is_found_by_its_first_differing_step() -> None:
    with gateway("remembering_gateway", unrepeatable()) as app:
        result = campaign.run(small(app), file=PRIMARY_OUTAGE)
    (finding,) = [each for each in result.runs[0].findings if each.name == "repeats"]
    assert finding.number == campaign.UNREPEATABLE
    assert "in one run and" in finding.sentence


def test_a_gateway_that_never_starts_is_a_deadlock() -> None:
    with gateway("stuck_gateway", never_ready) as app:
        result = campaign.run(small(app), file=PRIMARY_OUTAGE)
    (finding,) = result.runs[0].findings
    assert (finding.number, finding.name) == (campaign.STUCK, "no-deadlock")
    assert "every task waits and no deadline is left" in finding.sentence
    assert "lifespan at tests.simulator.worlds:" in finding.sentence


def test_a_gateway_that_says_it_cannot_start_is_one_sentence() -> None:
    with (
        gateway("refusing_gateway", refusing_to_start) as app,
        pytest.raises(RouteproofError, match="could not start: no catalogue"),
    ):
        campaign.run(small(app), file=PRIMARY_OUTAGE)


def test_a_campaign_that_reached_nothing_has_shown_nothing() -> None:
    scenario = small(sometimes=("fallback", "rate limited"))
    result = campaign.run(scenario, file=PRIMARY_OUTAGE, repeat_share=0)
    assert (result.status, result.missing) == (Status.UNVERIFIED, ("rate limited",))
    assert "never reached: rate limited" in result.report()


def test_a_budget_that_is_spent_begins_no_new_run() -> None:
    ticks: Iterator[float] = iter(range(100))
    result = campaign.run(
        small(), file=PRIMARY_OUTAGE, seeds=range(50), budget=3.0, repeat_share=0, clock=lambda: next(ticks)
    )
    assert (len(result.runs), result.seeds_asked) == (1, 50)
    spent = campaign.run(small(), file=PRIMARY_OUTAGE, budget=0.0)
    assert (spent.status, spent.runs) == (Status.UNVERIFIED, ())


def test_the_first_difference_of_two_histories_is_a_sentence(outage: History) -> None:
    assert first_difference(outage, outage) is None
    first, *rest = outage.exchanges
    later = replace(first, ended_at=first.ended_at + 0.001)
    sentence = first_difference(outage, replace(outage, exchanges=(later, *rest)))
    assert sentence is not None
    assert "client      ends complete: " in sentence
    assert first.marker in sentence
    other = replace(first, headers=(*first.headers, ("x-new", "1")))
    sentence = first_difference(outage, replace(outage, exchanges=(other, *rest)))
    assert sentence == f"the steps are the same, but not all that is recorded of request {first.marker}"


def test_the_scenario_that_ships_reaches_most_of_the_states(outage: History) -> None:
    found = reached(outage, load_scenario(PRIMARY_OUTAGE).declared())
    assert {"fallback", "refused", "cut before content", "cut after content", "error in a stream"} <= found
    assert reached(History(), small().declared()) == frozenset()
    assert found <= STATES.keys()


def test_a_timeline_tells_both_sides_in_order(outage: History) -> None:
    fell_back = next(each for each in outage.exchanges if len(outage.attempts_of(each.marker)) == 2)
    lines = timeline(outage, fell_back.marker).splitlines()
    assert lines[0] == f"request {fell_back.marker}:"
    times = [float(line.split()[0]) for line in lines[1:]]
    assert times == sorted(times)
    assert sum("is asked for" in line for line in lines) == 2
    assert "client      ends complete" in "\n".join(lines)
