from __future__ import annotations

import math
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_simulator.world.load import arrivals, plan
from routeproof_simulator.world.run import load_factory
from routeproof_simulator.world.scenario import Load, Mix, Scenario, load_scenario, load_schedule
from routeproof_spec.errors import ConfigError
from routeproof_spec.marker import find_marker
from tests.simulator.worlds import PRIMARY_OUTAGE, SCENARIOS, small


@pytest.mark.parametrize("file", sorted(SCENARIOS.glob("*.toml")), ids=lambda each: each.stem)
def test_every_scenario_that_ships_can_be_read_and_its_app_made(file: Path) -> None:
    scenario = load_scenario(file)
    assert (file.parent / scenario.gateway).is_file()
    assert callable(load_factory(scenario.app, file=file))


@pytest.mark.parametrize(
    ("old", "new", "key", "wanted"),
    [
        ("rate = 2.0", "rat = 2.0", "load.rat", "'rate'"),
        ("rate = 2.0", "rate = -1.0", "load.rate", "float > 0.0"),
        ("rate = 2.0", "rate = 1e9", "load.rate", "at most 200000 in one run"),
        ('providers = ["alpha"]', 'providers = ["alfa"]', "fault[0].providers", "one of alpha, beta, gamma"),
        ('providers = ["alpha"]', 'provider = "alpha"', "fault[0].provider", "'providers'"),
        ("for = 15", "for = 150", "fault[0].for", "a fault that heals before the load ends"),
        ("at = 35", "at = 25", "fault[1].at", "alpha has one at a time, and fault[0] may last until 35 s"),
        ('door = "refused"', "", "fault[1]", "either behaviour or door"),
        ("{ fail = { status = 503", "{ fial = { status = 503", "fault[0].behaviour[0]", "'fail'"),
        ('"cut after content",', '"cut",', "expect.sometimes", "one of fallback"),
        ('model = "small"\nstream', 'model = "smal"\nstream', "load.mix[2]", "one of small"),
        ("tokens = [2, 12]", "tokens = [12, 2]", "load.mix[0].tokens", "the smaller number first"),
        ('strategy = "availability"', 'strategy = "luck"', "load.mix[2].strategy", "one of"),
        ('small = ["alpha", "beta", "gamma"]', 'small = ["delta"]', 'serves."small"', "one of alpha, beta, gamma"),
    ],
)
def test_what_is_wrong_in_a_scenario_names_itself_and_its_mend(
    tmp_path: Path, old: str, new: str, key: str, wanted: str
) -> None:
    text = PRIMARY_OUTAGE.read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "wrong.toml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_scenario(file)
    assert (caught.value.key, caught.value.file) == (key, str(file))
    assert wanted in caught.value.wanted


def test_the_schedule_of_a_scenario_can_be_played_over_other_providers_of_the_same_names() -> None:
    schedule, seed = load_schedule(PRIMARY_OUTAGE, providers=["alpha", "beta"])
    scenario = load_scenario(PRIMARY_OUTAGE)
    assert (schedule, seed) == (scenario.schedule(), scenario.seed)
    with pytest.raises(ConfigError, match=r"fault\[0\].providers: found 'alpha'; wanted one of beta"):
        load_schedule(PRIMARY_OUTAGE, providers=["beta"])


def test_a_file_of_faults_alone_is_a_schedule_and_as_strict(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    fault = '[[fault]]\nat = 1\nproviders = "all"\ndoor = "silent"\n'
    file.write_text(f"seed = 7\n{fault}", encoding="utf-8")
    schedule, seed = load_schedule(file, providers=["alpha", "beta"])
    assert ([str(each) for each in schedule.changes(seed)], seed) == (["alpha: door silent", "beta: door silent"], 7)
    file.write_text(f"sead = 7\n{fault}", encoding="utf-8")
    with pytest.raises(ConfigError, match="sead: found an unknown key; wanted 'seed'"):
        load_schedule(file, providers=["alpha", "beta"])


@pytest.mark.parametrize("app", ["nowhere", "no_such_module:factory", "math:factory"])
def test_an_app_that_cannot_be_imported_is_a_mistake_in_the_scenario(app: str) -> None:
    with pytest.raises(ConfigError, match="app: found"):
        load_factory(app, file=PRIMARY_OUTAGE)


@given(
    rate=st.floats(0.1, 50),
    shape=st.floats(0.2, 3),
    how=st.sampled_from(["gamma", "constant"]),
    seed=st.integers(0, 2**32),
)
def test_arrivals_are_ordered_and_within_the_duration(rate: float, shape: float, how: str, seed: int) -> None:
    load = msgspec.convert({"rate": rate, "shape": shape, "arrivals": how, "mix": [{"model": "m"}]}, Load)
    times = list(arrivals(load, 20.0, Random(seed)))
    assert times == sorted(times)
    assert all(0 <= at < 20 for at in times)
    if how == "constant":
        assert abs(len(times) - 20 * rate) <= 1


def test_the_mean_rate_of_bursty_arrivals_is_the_rate_asked_for() -> None:
    load = Load(rate=10.0, shape=0.5, mix=(Mix(model="m"),))
    count = sum(1 for _ in arrivals(load, 2000.0, Random(1)))
    # The count's standard deviation is about sqrt(n / shape) = 200: six of them.
    assert abs(count - 20_000) < 1200


def planned(scenario: Scenario, seed: int) -> list[tuple[float, str, bytes]]:
    return [(each.at, each.marker, each.body) for each in plan(scenario, seed)]


def test_a_plan_is_a_function_of_its_seed_and_every_request_bears_its_marker() -> None:
    scenario = small()
    assert planned(scenario, 1) == planned(scenario, 1) != planned(scenario, 2)
    assert all(find_marker((), body) == marker for _, marker, body in planned(scenario, 1))
    markers = [marker for _, marker, _ in planned(scenario, 1)]
    assert len(set(markers)) == len(markers)


def test_clients_leave_at_the_share_that_the_mix_says() -> None:
    mix = Mix(model="alpha/small", leave_share=1.0, leave_after=(1.0, 2.0))
    scenario = small()
    leaving = msgspec.structs.replace(scenario, load=msgspec.structs.replace(scenario.load, mix=(mix,)))
    assert all(1 <= each.patience.leave_after <= 2 for each in plan(leaving, 1))
    staying = msgspec.structs.replace(scenario, load=msgspec.structs.replace(scenario.load, mix=(Mix(model="small"),)))
    assert all(each.patience.leave_after == math.inf for each in plan(staying, 1))
