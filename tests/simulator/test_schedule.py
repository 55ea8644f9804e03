"""What each key of a schedule says, and what is said of a wrong one."""

from __future__ import annotations

import math
from typing import Any

import pytest

from routeproof_simulator.behaviours import chance, cut, latency, ok
from routeproof_simulator.door_states import Door
from routeproof_simulator.schedules.schedule import parse
from routeproof_spec.errors import ConfigError
from tests.simulator.schedules import FAIL, GONE, PROVIDERS, fault, schedule


def played(*faults: dict[str, Any], seed: int = 1) -> list[tuple[float, str, object]]:
    return [(each.at, each.provider, each.to) for each in schedule(*faults).changes(seed)]


def test_a_fault_begins_at_its_time_and_heals_after_it() -> None:
    assert played(fault()) == [(10, "alpha", GONE), (20, "alpha", None)]
    assert played(fault(behaviour=None, door="silent")) == [(10, "alpha", Door.SILENT), (20, "alpha", None)]


def test_a_fault_without_an_end_never_heals() -> None:
    assert played(fault(lasts=None)) == [(10, "alpha", GONE)]


def test_what_begins_when_another_ends_begins_after_it_healed() -> None:
    changes = played(fault(at=20, door="refused", behaviour=None), fault())
    assert [(at, to) for at, _, to in changes] == [(10, GONE), (20, None), (20, Door.REFUSED), (30, None)]
    tenths = played(fault(at=0.1, lasts=0.2), fault(at=0.3, lasts=0.1))
    assert [at for at, _, _ in tenths] == [0.1, 0.3, 0.3, 0.4]


def test_a_group_is_struck_in_the_same_instants() -> None:
    changes = schedule(fault(providers=["alpha", "beta"], jitter=5, flap={"up": 2, "down": 1, "jitter": 0.5})).changes(
        7
    )
    alpha, beta = ([each.at for each in changes if each.provider == name] for name in ("alpha", "beta"))
    assert alpha == beta
    assert len(alpha) > 4


def test_all_are_all_and_follow_one_another_by_their_stagger() -> None:
    changes = played(fault(providers="all", stagger=3, lasts=4))
    assert [(at, name, to is None) for at, name, to in changes] == [
        (10, "alpha", False),
        (13, "beta", False),
        (14, "alpha", True),
        (16, "gamma", False),
        (17, "beta", True),
        (20, "gamma", True),
    ]


def test_a_ramp_goes_from_what_is_spelled_to_its_end_in_equal_steps() -> None:
    ramp = {"attribute": "latency.seconds", "to": 3.0, "steps": 4}
    changes = played(fault(behaviour=[{"latency": {"seconds": 0}}, *FAIL], ramp=ramp))
    assert changes == [
        (10, "alpha", latency(0.0) | GONE),
        (12.5, "alpha", latency(1.0) | GONE),
        (15, "alpha", latency(2.0) | GONE),
        (17.5, "alpha", latency(3.0) | GONE),
        (20, "alpha", None),
    ]


def test_a_ramp_reaches_into_a_chance_that_begins_at_none_and_rounds_what_is_counted() -> None:
    half = fault(
        behaviour=[{"chance": {"p": 0, "behaviour": FAIL}}], ramp={"attribute": "chance.p", "to": 1, "steps": 3}
    )
    assert [to for _, _, to in played(half)] == [ok, chance(0.5, GONE), GONE, None]
    frames = fault(behaviour=[{"cut": {"frames": 0}}], ramp={"attribute": "cut.frames", "to": 3, "steps": 3})
    assert [to for _, _, to in played(frames)] == [cut(0), cut(2), cut(3), None]
    inner = fault(
        behaviour=[{"first": {"n": 2, "behaviour": [{"latency": {"seconds": 1}}]}}],
        ramp={"attribute": "latency.seconds", "to": 2, "steps": 2},
    )
    assert [str(to) for _, _, to in played(inner)[:2]] == [
        "first(n=2, behaviour=latency(seconds=1.0))",
        "first(n=2, behaviour=latency(seconds=2.0))",
    ]


def test_a_flap_begins_down_and_what_ends_it_heals_it() -> None:
    changes = played(fault(flap={"up": 5, "down": 3}))
    assert changes == [(10, "alpha", GONE), (13, "alpha", None), (18, "alpha", GONE), (20, "alpha", None)]


def test_a_flap_shows_a_ramp_only_while_it_is_down() -> None:
    ramp = {"attribute": "latency.seconds", "to": 4.0, "steps": 5}
    changes = played(fault(behaviour=[{"latency": {"seconds": 0}}], ramp=ramp, flap={"up": 5, "down": 3}))
    assert changes == [
        (10, "alpha", latency(0.0)),
        (12, "alpha", latency(1.0)),
        (13, "alpha", None),
        (18, "alpha", latency(4.0)),
        (20, "alpha", None),
    ]


@pytest.mark.parametrize(
    ("faults", "key", "wanted"),
    [
        ([fault(providers=["delta"])], "fault[0].providers", "one of alpha, beta, gamma"),
        ([fault(providers=["alpha", "alpha"])], "fault[0].providers", "each provider once"),
        ([fault(providers=[])], "fault[0].providers", "at least one provider"),
        ([fault(providers="some")], "fault[0].providers", ""),
        ([fault(at=-1)], "fault[0].at", "float >= 0.0"),
        ([fault(at=math.nan)], "fault[0].at", "float >= 0.0"),
        ([fault(at=math.inf)], "fault[0].at", "float <= 100000000.0"),
        ([fault(lasts=0)], "fault[0].for", "float >= 0.001"),
        ([fault(until=3)], "fault[0].until", "one of"),
        ([fault(behaviour=None)], "fault[0]", "either behaviour or door"),
        ([fault(door="silent")], "fault[0]", "either behaviour or door"),
        ([fault(door="ajar", behaviour=None)], "fault[0].door", "'silent'"),
        ([fault(behaviour=[{"fial": {}}])], "fault[0].behaviour[0]", "'fail'"),
        ([fault(jitter=11)], "fault[0].jitter", "at most 10, its 'at'"),
        ([fault(lasts=None, flap={"up": 1, "down": 1})], "fault[0].for", "the seconds that the flap lasts"),
        ([fault(flap={"up": 1, "down": 4, "jitter": 0.6})], "fault[0].flap.jitter", "at most 0.5, half of the shorter"),
        ([fault(flap={"up": 0, "down": 4})], "fault[0].flap.up", "float >= 0.001"),
        ([fault(lasts=100, flap={"up": 0.001, "down": 0.001})], "fault", "at most 10000: longer phases"),
        ([fault(lasts=None, ramp={"attribute": "fail.status", "to": 500})], "fault[0].for", "that the ramp lasts"),
        ([fault(ramp={"attribute": "fail.status", "to": 999})], "fault[0].ramp.to", "at most 599"),
        ([fault(ramp={"attribute": "fail.status", "to": math.inf})], "fault[0].ramp.to", "float <= "),
        ([fault(ramp={"attribute": "fail.code", "to": 1})], "fault[0].ramp.attribute", "NAME.ATTRIBUTE of one number"),
        ([fault(ramp={"attribute": "latency.seconds", "to": 1})], "fault[0].ramp.attribute", "NAME.ATTRIBUTE"),
        ([fault(ramp={"attribute": "status", "to": 500})], "fault[0].ramp.attribute", "NAME.ATTRIBUTE"),
        (
            [fault(behaviour=FAIL * 2, ramp={"attribute": "fail.status", "to": 500})],
            "fault[0].ramp.attribute",
            "one num",
        ),
        ([fault(ramp={"attribute": "fail.status", "to": 500, "steps": 1})], "fault[0].ramp.steps", "int >= 2"),
        (
            [fault(door="silent", behaviour=None, ramp={"attribute": "fail.status", "to": 1})],
            "fault[0].ramp",
            "one of a behaviour",
        ),
        ([fault(), fault(at=19)], "fault[1].at", "alpha has one at a time, and fault[0] may last until 20 s"),
        ([fault(at=19), fault(jitter=1)], "fault[0].at", "fault[1] may last until 21 s"),
        ([fault(lasts=None), fault(at=90)], "fault[1].at", "may last for ever"),
        ([fault(), fault(at=8, lasts=1, stagger=5, providers=["beta", "alpha"])], "fault[1].at", "until 20 s"),
    ],
)
def test_what_is_wrong_in_a_schedule_names_itself_and_its_mend(faults: object, key: str, wanted: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(faults, file="a file", providers=PROVIDERS)
    assert (caught.value.file, caught.value.key) == ("a file", key)
    assert wanted in caught.value.wanted


@pytest.mark.parametrize("tree", [None, 1, "fault", {}, [1], [[]]])
def test_what_is_no_list_of_faults_is_refused(tree: object) -> None:
    with pytest.raises(ConfigError, match="a file: fault"):
        parse(tree, file="a file", providers=PROVIDERS)


def test_a_door_of_tls_is_refused_where_nobody_speaks_tls() -> None:
    one = schedule(fault(), fault(at=40, behaviour=None, door="tls_expired"))
    with pytest.raises(ConfigError, match=r"the file: fault\[1\].door: found 'tls_expired'"):
        one.check_doors(["beta"], file="the file")
    one.check_doors(["alpha"], file="the file")
