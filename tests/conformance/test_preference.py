import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_conformance.judge.preference import Decision, Plan, judge, plan, power

STANDARD = Plan(p0=0.1, p1=0.5, alpha=1e-6, beta=1e-3)


def test_good_gateway_passes_after_twelve_hits() -> None:
    assert judge(STANDARD, [True] * 20) == (Decision.HELD, 12)


def test_gateway_that_never_prefers_fails_after_nine_requests() -> None:
    assert judge(STANDARD, [False] * 20) == (Decision.BROKEN, 9)


def test_blind_gateway_fails_after_about_28_requests() -> None:
    rng = Random(1)
    counts = [judge(STANDARD, (rng.random() >= 0.5 for _ in range(400)))[1] for _ in range(300)]
    assert 24 <= sum(counts) / len(counts) <= 32


def test_false_alarms_stay_below_alpha_and_misses_below_beta() -> None:
    loose = Plan(p0=0.1, p1=0.5, alpha=0.05, beta=0.05)
    rng = Random(2)

    def share(misses: float, wanted: Decision) -> float:
        runs = [judge(loose, (rng.random() >= misses for _ in range(400)))[0] for _ in range(2000)]
        return runs.count(wanted) / len(runs)

    assert share(0.1, Decision.BROKEN) <= 0.05
    assert share(0.5, Decision.HELD) <= 0.05


def test_exact_power_agrees_with_simulation() -> None:
    rng = Random(3)
    runs = [judge(STANDARD, (rng.random() >= 0.4 for _ in range(60)))[0] for _ in range(2000)]
    assert power(STANDARD, misses=0.4, n=60) == pytest.approx(runs.count(Decision.BROKEN) / 2000, abs=0.04)


def test_exact_false_alarm_stays_below_alpha_however_long_the_test_goes_on() -> None:
    assert power(STANDARD, misses=0.1, n=400) < STANDARD.alpha


@given(st.lists(st.booleans(), max_size=60))
def test_decision_depends_on_the_counts_alone(hits: list[bool]) -> None:
    ratio = STANDARD.ratio(hits=hits.count(True), misses=hits.count(False))
    assert ratio == pytest.approx(sum(STANDARD.hit if hit else STANDARD.miss for hit in hits))


@given(st.floats(0, 1), st.integers(2, 12))
def test_every_declaration_makes_a_plan_that_tells_the_two_apart(exploration: float, providers: int) -> None:
    made = plan(exploration=exploration, providers=providers, alpha=1e-6, beta=1e-3)
    assert 0 < made.p0 < made.p1 == 1 - 1 / providers
    assert made.hit < 0 < made.miss


@pytest.mark.parametrize(("p0", "p1"), [(0.0, 0.5), (0.5, 0.5), (0.6, 0.5), (0.1, 1.0), (math.nan, 0.5)])
def test_plan_that_cannot_decide_is_refused(p0: float, p1: float) -> None:
    with pytest.raises(ValueError, match="p0"):
        Plan(p0=p0, p1=p1, alpha=1e-6, beta=1e-3)
