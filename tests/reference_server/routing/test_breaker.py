from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_reference_server.routing import BreakerConfig
from routeproof_reference_server.routing.breaker import TRANSITIONS, Breaker, Event, State
from tests.reference_server.routing.worlds import MEMORY

CONFIG = BreakerConfig(failures=3, cooldown=8.0, cooldown_max=32.0, jitter=0.0, retry_after_max=60.0)


def new_breaker(**changes: object) -> Breaker:
    return Breaker(msgspec.structs.replace(CONFIG, **changes), MEMORY, Random(1))


def fail(breaker: Breaker, now: float, retry_after: float | None = None) -> None:
    """One attempt that fails at once."""
    ticket = breaker.began(now)
    breaker.ended(ticket, now)
    breaker.failed(ticket, now, retry_after)


def answer(breaker: Breaker, now: float) -> None:
    """One attempt that is answered at once."""
    ticket = breaker.began(now)
    breaker.ended(ticket, now)
    breaker.answered(ticket, now)


def leave(breaker: Breaker, now: float) -> None:
    """One attempt whose client leaves, or was mistaken."""
    breaker.ended(breaker.began(now), now)


def tripped(now: float = 0.0, **changes: object) -> Breaker:
    breaker = new_breaker(**changes)
    for _ in range(3):
        fail(breaker, now)
    assert breaker.state(now) is State.OPEN
    return breaker


def test_failures_in_a_row_trip_it() -> None:
    breaker = new_breaker()
    for state in (State.CLOSED, State.CLOSED, State.OPEN):
        fail(breaker, 0.0)
        assert breaker.state(0.0) is state
    assert not breaker.admits(7.9)


def test_an_answer_between_them_begins_the_row_anew() -> None:
    breaker = new_breaker()
    for _ in range(10):
        fail(breaker, 0.0)
        fail(breaker, 0.0)
        answer(breaker, 0.0)
    assert breaker.state(0.0) is State.CLOSED


def test_a_share_of_failures_trips_it_only_once_there_is_enough_to_judge_by() -> None:
    breaker = new_breaker(failures=1000, observations_min=20, failure_share=0.3)
    states: list[State] = []
    for index in range(20):
        fail(breaker, 0.0) if index % 3 == 1 else answer(breaker, 0.0)
        states.append(breaker.state(0.0))
    assert states == [State.CLOSED] * 19 + [State.OPEN]


def test_old_observations_are_not_enough_to_judge_by() -> None:
    breaker = new_breaker(failures=1000, observations_min=20, failure_share=0.5)
    for index in range(100):
        fail(breaker, index * MEMORY.half_life)
    assert breaker.state(100 * MEMORY.half_life) is State.CLOSED


def test_it_is_half_open_when_its_cooldown_is_over_and_admits_its_probes_alone() -> None:
    breaker = tripped(probes=2)
    assert (breaker.state(7.99), breaker.admits(7.99)) == (State.OPEN, False)
    assert (breaker.state(8.0), breaker.admits(8.0)) == (State.HALF_OPEN, True)
    first = breaker.began(8.0)
    assert breaker.admits(8.0)
    second = breaker.began(8.0)
    assert not breaker.admits(8.0)
    breaker.ended(first, 9.0)
    breaker.answered(first, 9.0)
    assert not breaker.admits(9.0), "one has succeeded, and the other is under way: no third is needed"
    breaker.ended(second, 9.0)
    breaker.answered(second, 9.0)
    assert breaker.state(9.0) is State.CLOSED


def test_a_probe_that_fails_opens_it_again_for_twice_as_long_up_to_the_cap() -> None:
    breaker, now = tripped(), 0.0
    pauses: list[float] = []
    for _ in range(5):
        pauses.append(breaker.open_until - now)
        now = breaker.open_until
        fail(breaker, now)
        assert breaker.state(now) is State.OPEN
    assert pauses == [8.0, 16.0, 32.0, 32.0, 32.0]


def test_a_cooldown_begins_small_again_after_it_was_closed() -> None:
    breaker = tripped()
    fail(breaker, 8.0)
    answer(breaker, 24.0)
    assert breaker.state(24.0) is State.CLOSED
    for _ in range(3):
        fail(breaker, 24.0)
    assert breaker.open_until == 32.0


@given(st.integers(0, 2**32), st.floats(0.0, 1.0))
def test_chance_adds_to_a_cooldown_and_never_takes_away(seed: int, jitter: float) -> None:
    breaker = Breaker(msgspec.structs.replace(CONFIG, jitter=jitter), MEMORY, Random(seed))
    for _ in range(3):
        fail(breaker, 0.0)
    assert 8.0 <= breaker.open_until <= 8.0 * (1 + jitter)


@pytest.mark.parametrize("says_nothing", [leave])
def test_a_probe_that_says_nothing_frees_its_place(says_nothing: Callable[[Breaker, float], None]) -> None:
    breaker = tripped()
    for _ in range(5):
        says_nothing(breaker, 8.0)
        assert (breaker.state(8.0), breaker.admits(8.0)) == (State.HALF_OPEN, True)


def test_what_began_before_it_changed_says_nothing_of_now() -> None:
    breaker = new_breaker()
    early = [breaker.began(0.0) for _ in range(3)]
    for _ in range(3):
        fail(breaker, 0.0)
    breaker.ended(early[0], 1.0)
    breaker.answered(early[0], 1.0)
    assert breaker.state(1.0) is State.OPEN, "an answer from before the trip does not close it"
    breaker.ended(early[1], 8.0)
    breaker.failed(early[1], 8.0, None)
    assert (breaker.state(8.0), breaker.admits(8.0)) == (State.HALF_OPEN, True), "nor does a failure fail a probe"


@pytest.mark.parametrize("is_looked_at", [False, True])
def test_it_does_not_matter_whether_somebody_looks(is_looked_at: bool) -> None:
    breaker = tripped()
    ticket = breaker.began(1.0)
    if is_looked_at:
        assert breaker.state(9.0) is State.HALF_OPEN
    breaker.ended(ticket, 9.0)
    breaker.answered(ticket, 9.0)
    assert breaker.state(9.0) is State.HALF_OPEN, "it began before the cool-down was over"


def test_an_answer_although_it_was_open_closes_it_and_a_failure_leaves_it_as_it_is() -> None:
    breaker = tripped()
    fail(breaker, 1.0)
    assert (breaker.state(1.0), breaker.open_until) == (State.OPEN, 8.0)
    answer(breaker, 2.0)
    assert breaker.state(2.0) is State.CLOSED


def test_retry_after_is_a_floor_in_every_state_and_the_latest_end_counts() -> None:
    breaker = new_breaker()
    fail(breaker, 0.0, retry_after=30)
    fail(breaker, 0.0, retry_after=1)
    assert breaker.state(0.0) is State.CLOSED
    assert (breaker.admits(29.9), breaker.admits(30.0)) == (False, True)
    answer(breaker, 10.0)
    assert not breaker.admits(29.9), "an answer that was got in spite of it does not take it back"


def test_retry_after_is_obeyed_up_to_its_cap() -> None:
    breaker = new_breaker()
    fail(breaker, 0.0, retry_after=86_400)
    assert (breaker.admits(59.9), breaker.admits(60.0)) == (False, True)


def test_a_new_configuration_holds_from_now_on() -> None:
    breaker = tripped()
    breaker.obey(msgspec.structs.replace(CONFIG, failures=1, cooldown=1.0), MEMORY)
    assert not breaker.admits(7.9)
    answer(breaker, 8.0)
    fail(breaker, 8.0)
    assert (breaker.state(8.9), breaker.state(9.0)) == (State.OPEN, State.HALF_OPEN)


def test_every_state_is_left_and_reached() -> None:
    assert {state for state, _ in TRANSITIONS} == set(State) == set(TRANSITIONS.values())
    assert {event for _, event in TRANSITIONS} == set(Event)


def test_a_cap_below_what_it_caps_is_refused() -> None:
    with pytest.raises(ValueError, match="cooldown_max of at least"):
        BreakerConfig(cooldown=10.0, cooldown_max=9.0)
