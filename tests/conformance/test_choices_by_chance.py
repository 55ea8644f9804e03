from __future__ import annotations

from random import Random

import pytest

from routeproof_conformance.judge import preference, rotation
from routeproof_conformance.judge.preference import Decision

ALPHA = 1e-6
NAMES = ("alpha", "beta", "gamma")


def test_a_random_rotation_has_an_even_share() -> None:
    rng = Random(1)
    for _ in range(200):
        assert rotation.improbable(rng.choices(NAMES, k=180), NAMES, alpha=ALPHA) is None


@pytest.mark.parametrize(
    ("chosen", "strange"),
    [
        (["alpha"] * 180, ("alpha", 180)),
        (["alpha", "beta"] * 90, ("gamma", 0)),
        (["alpha", "alpha", "beta", "gamma"] * 60, ("alpha", 120)),
        ([*["alpha", "beta", "gamma"] * 60, "delta"], ("delta", 1)),
    ],
    ids=["one-alone", "one-never", "twice-as-often", "a-stranger"],
)
def test_an_uneven_share_is_no_chance(chosen: list[str], strange: tuple[str, int]) -> None:
    assert rotation.improbable(chosen, NAMES, alpha=ALPHA) == strange


def test_the_chance_of_a_miss_is_stated() -> None:
    assert rotation.improbable_missed(providers=2, requests=120, alpha=ALPHA) == 0.0  # one is always chosen
    assert 0.0 < rotation.improbable_missed(providers=3, requests=180, alpha=ALPHA) < 1e-4
    assert rotation.improbable_missed(providers=3, requests=3, alpha=ALPHA) == pytest.approx(1.0)


def test_who_gets_its_turn_is_not_avoided() -> None:
    plan = preference.avoidance(exploration=0.1, providers=2, alpha=ALPHA, beta=1e-3)
    assert (plan.p0, plan.p1) == (0.5, 0.9)
    assert preference.judge(plan, [True] * 9) == (Decision.HELD, 5)
    assert preference.judge(plan, [True, False] * 40)[0] is Decision.HELD


def test_who_is_only_explored_is_avoided() -> None:
    plan = preference.avoidance(exploration=0.0, providers=3, alpha=ALPHA, beta=1e-3)
    assert preference.judge(plan, [False] * 99)[0] is Decision.BROKEN
    assert preference.power(plan, misses=plan.p1, n=400) > 0.99
    assert preference.power(plan, misses=plan.p0, n=400) < ALPHA
