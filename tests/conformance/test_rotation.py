from itertools import cycle, islice
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from routeproof_conformance.judge.rotation import (
    broken_window,
    improbable,
    uneven,
    uneven_missed,
    windows_missed,
)

names = st.lists(st.sampled_from("abcdef"), min_size=2, max_size=5, unique=True)


@given(names, st.integers(0, 40), st.integers(0, 5))
def test_rotation_from_any_start_has_no_broken_window(providers: list[str], n: int, start: int) -> None:
    assert broken_window(list(islice(cycle(providers), start, start + n)), providers) is None


def test_first_broken_window_is_named() -> None:
    assert broken_window(["a", "b", "a", "a", "b"], ["a", "b"]) == 2


def test_random_choice_is_found_within_eight_rounds() -> None:
    rng = Random(4)
    for size in (2, 3, 4):
        providers = list("abcd")[:size]
        assert all(broken_window(rng.choices(providers, k=8 * size), providers) is not None for _ in range(200))


def test_chance_that_a_random_choice_passes_is_below_one_in_a_million_for_three() -> None:
    assert windows_missed(providers=3, requests=24) < 1e-6


@given(st.integers(1, 4), names, st.integers(0, 60), st.randoms(use_true_random=False))
def test_rotations_of_workers_stay_within_the_bound(workers: int, providers: list[str], n: int, rng: Random) -> None:
    rotations = [islice(cycle(providers), rng.randrange(len(providers)), None) for _ in range(workers)]
    chosen = [next(rng.choice(rotations)) for _ in range(n)]
    assert uneven(chosen, providers, workers=workers) is None


def test_stuck_choice_is_uneven() -> None:
    assert uneven(["a"] * 20, ["a", "b"], workers=2) == ("a", 20)


def test_stranger_is_uneven() -> None:
    assert uneven(["a", "b", "x"], ["a", "b"], workers=4) == ("x", 1)


def test_miss_of_the_workers_bound_agrees_with_simulation() -> None:
    rng = Random(5)
    runs = 2000
    kept = sum(abs(sum(rng.random() < 1 / 3 for _ in range(60)) - 20) <= 2 * (1 - 1 / 3) for _ in range(runs))
    assert abs(kept / runs - uneven_missed(providers=3, requests=60, workers=2)) < 0.04


def test_fair_chance_raises_no_alarm_and_a_loaded_one_does() -> None:
    rng, providers = Random(6), ["a", "b", "c"]
    fair = (rng.choices(providers, k=180) for _ in range(20))
    assert [improbable(chosen, providers, alpha=1e-6) for chosen in fair] == [None] * 20
    assert improbable(rng.choices(providers, weights=[8, 1, 1], k=180), providers, alpha=1e-6) is not None
