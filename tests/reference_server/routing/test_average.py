from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_reference_server.routing.average import Average
from tests.reference_server.routing.worlds import MEMORY

values = st.floats(0.0, 100.0)


@given(values, st.lists(st.floats(0.0, 1000.0), min_size=1))
def test_equal_values_have_exactly_their_own_mean(value: float, times: list[float]) -> None:
    average = Average()
    for now in sorted(times):
        average.add(value, now, MEMORY)
    assert average.mean(max(times), MEMORY) == value


@given(st.lists(st.tuples(values, st.floats(0.0, 5.0)), min_size=1))
def test_a_mean_lies_among_its_values(steps: list[tuple[float, float]]) -> None:
    average, now = Average(), 0.0
    for value, gap in steps:
        now += gap
        average.add(value, now, MEMORY)
    mean = average.mean(now, MEMORY)
    assert mean is not None
    assert min(value for value, _ in steps) - 1e-9 <= mean <= max(value for value, _ in steps) + 1e-9


def test_after_one_half_life_the_old_weighs_half() -> None:
    average = Average()
    average.add(0.0, 0.0, MEMORY)
    average.add(3.0, MEMORY.half_life, MEMORY)
    assert average.mean(MEMORY.half_life, MEMORY) == pytest.approx(2.0)


def test_what_is_too_old_is_forgotten_and_does_not_colour_the_new() -> None:
    average = Average()
    average.add(5.0, 0.0, MEMORY)
    assert average.mean(MEMORY.forget_after, MEMORY) is None
    average.add(1.0, MEMORY.forget_after, MEMORY)
    assert average.mean(MEMORY.forget_after, MEMORY) == 1.0
