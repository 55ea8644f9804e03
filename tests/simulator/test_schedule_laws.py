"""What every schedule comes to: in order, within its bounds, the same for the same seed, and healed in the end."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from routeproof_simulator.schedules.act import Change
from routeproof_simulator.schedules.schedule import CHANGES_MAX
from routeproof_spec.errors import ConfigError
from tests.simulator.schedules import fault, schedule

RAMPING = fault(behaviour=[{"latency": {"seconds": 1}}], ramp={"attribute": "latency.seconds", "to": 2.0, "steps": 3})
FLAPPING = fault(flap={"up": 2.0, "down": 1.0})


numbers = st.floats() | st.integers(-5, 5) | st.sampled_from([10**400, -(10**400), 2**63, 1e308])
scraps = (
    st.none() | st.booleans() | numbers | st.sampled_from(["alpha", "all", "silent", "latency.seconds", "fail.x", "."])
)
words = "at for providers behaviour door ramp flap jitter stagger attribute to steps up down"
keys = st.sampled_from([*words.split(), "latency", "seconds", "fail", "status", "chance", "p", "first", "n"])
trees = st.recursive(scraps, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4))


@given(st.dictionaries(keys, trees, max_size=4), st.sampled_from([fault(), RAMPING, FLAPPING]))
def test_whatever_is_in_a_schedule_it_is_played_or_refused(spoilt: dict[str, Any], whole: dict[str, Any]) -> None:
    try:
        one = schedule({**whole, **spoilt})
    except ConfigError:
        return
    assert len(one.changes(1)) <= one.count_max <= CHANGES_MAX


def lengths(least: float, most: float) -> st.SearchStrategy[float]:
    return st.floats(least, most, allow_subnormal=False)


@st.composite
def faults(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw faults of two groups that share no provider, in each of them one after the other."""
    found: list[dict[str, Any]] = []
    for group in draw(
        st.sampled_from([[["alpha"], ["gamma", "beta"]], [["alpha", "beta", "gamma"], []], [["beta"], []]])
    ):
        free_at = 0.0
        for _ in range(draw(st.integers(0, 3)) if group else 0):
            jitter, stagger = draw(lengths(0, 3)), draw(lengths(0, 3))
            at, lasts = free_at + jitter + draw(lengths(0, 5)), draw(lengths(0.001, 30))
            one = fault(at=at, lasts=lasts, jitter=jitter, stagger=stagger, providers=group)
            if draw(st.booleans()):
                up, down = draw(lengths(0.5, 9)), draw(lengths(0.5, 9))
                one["flap"] = {"up": up, "down": down, "jitter": draw(lengths(0, min(up, down) / 2))}
            if draw(st.booleans()):
                one["behaviour"] = [{"latency": {"seconds": draw(lengths(0, 5))}}]
                one["ramp"] = {
                    "attribute": "latency.seconds",
                    "to": draw(lengths(0, 5)),
                    "steps": draw(st.integers(2, 9)),
                }
            found.append(one)
            free_at = at + lasts + jitter + stagger * len(group) + 0.001
    return found


seeds = st.integers(0, 2**32)


@given(faults(), seeds)
def test_changes_are_in_order_and_no_more_than_was_bounded(told: list[dict[str, Any]], seed: int) -> None:
    one = schedule(*told)
    changes = one.changes(seed)
    assert [each.at for each in changes] == sorted(each.at for each in changes)
    assert len(changes) <= one.count_max <= CHANGES_MAX


@given(faults(), seeds)
def test_every_change_is_within_the_time_of_its_fault(told: list[dict[str, Any]], seed: int) -> None:
    one = schedule(*told)
    windows = [(provider, act.window(number)) for act in one.acts for number, provider in enumerate(act.providers)]
    for change in one.changes(seed):
        assert any(name == change.provider and start <= change.at <= end for name, (start, end) in windows)


@given(faults(), seeds)
def test_whatever_is_struck_heals_before_it_is_struck_by_another(told: list[dict[str, Any]], seed: int) -> None:
    standing: dict[str, Change] = {}
    acts = schedule(*told).acts
    for change in schedule(*told).changes(seed):
        before = standing.pop(change.provider, None)
        if change.to is None:
            assert before is not None, "nothing was there to heal"
            continue
        standing[change.provider] = change
        if before is not None:  # the next step of one ramp
            assert any({before.to, change.to} <= set(act.steps) and len(act.steps) > 1 for act in acts)
    assert standing == {}


@given(faults(), seeds, st.randoms())
def test_the_same_seed_is_the_same_schedule_in_whatever_order_the_file_has_it(
    told: list[dict[str, Any]], seed: int, rng: Random
) -> None:
    changes = schedule(*told).changes(seed)
    shuffled = list(told)
    rng.shuffle(shuffled)
    assert schedule(*shuffled).changes(seed) == changes


@given(faults(), seeds, st.data())
def test_no_draw_of_a_fault_depends_on_another_fault(
    told: list[dict[str, Any]], seed: int, data: st.DataObject
) -> None:
    kept = data.draw(st.lists(st.sampled_from(told), unique_by=id) if told else st.just([]))
    alone: list[Change] = []
    for each in kept:
        alone += schedule(each).changes(seed)
    assert sorted(alone, key=_place) == sorted(schedule(*kept).changes(seed), key=_place)


def _place(change: Change) -> tuple[float, str, bool, str]:
    return change.at, change.provider, change.to is not None, str(change.to)


def test_another_seed_jitters_otherwise_and_stays_within_its_bounds() -> None:
    one = schedule(fault(jitter=2, flap={"up": 2, "down": 2, "jitter": 1}))
    runs = [one.changes(seed) for seed in range(50)]
    assert len({tuple(each.at for each in changes) for changes in runs}) == 50
    starts = [changes[0].at for changes in runs]
    assert all(8 <= at <= 12 for at in starts)
    assert max(starts) - min(starts) > 2
