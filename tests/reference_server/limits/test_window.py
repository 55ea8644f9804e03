"""The sliding window never tells too little, and says truthfully when there is room again."""

# The bound on what is held shows only inside.
# pyright: reportPrivateUsage=false
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from routeproof_reference_server.limits.window import SLOTS, Window

SECONDS = 60.0
STEP = SECONDS / SLOTS

#: Pauses and amounts of what comes, one after the other.
COMINGS = st.lists(
    st.tuples(st.floats(0.0, 50.0, allow_subnormal=False), st.integers(1, 1000)), min_size=1, max_size=60
)


def came(comings: list[tuple[float, int]], *, start: float = 1.8e9) -> list[tuple[float, int]]:
    """The instants of *comings*."""
    at, told = start, list[tuple[float, int]]()
    for pause, amount in comings:
        at += pause
        told.append((at, amount))
    return told


@given(COMINGS, st.floats(0.0, 100.0))
def test_what_is_told_is_no_less_than_what_came_and_no_more_than_a_slot_before_it(
    comings: list[tuple[float, int]], later: float
) -> None:
    window, told = Window(SECONDS), came(comings)
    for at, amount in told:
        window.add(amount, at)
    now = told[-1][0] + later
    exact = sum(amount for at, amount in told if at > now - SECONDS)
    at_most = sum(amount for at, amount in told if at > now - SECONDS - STEP - 1e-5)
    assert exact <= window.used(now) <= at_most


@given(COMINGS, st.integers(1, 3000))
def test_who_asks_for_room_first_never_passes_the_limit_in_any_window(
    comings: list[tuple[float, int]], limit: int
) -> None:
    window, admitted = Window(SECONDS), list[tuple[float, int]]()
    for at, amount in came(comings):
        if window.used(at) + amount <= limit:
            window.add(amount, at)
            admitted.append((at, amount))
    for at, _ in admitted:
        assert sum(amount for other, amount in admitted if at <= other < at + SECONDS) <= limit


@given(COMINGS, st.integers(1, 1000), st.integers(1000, 3000))
def test_there_is_room_when_it_says_so_and_not_before(
    comings: list[tuple[float, int]], amount: int, limit: int
) -> None:
    window, told = Window(SECONDS), came(comings)
    for at, counted in told:
        window.add(counted, at)
    now = told[-1][0]
    room = window.room_at(amount, limit, now)
    assert room == now or window.used(max(now, room - STEP / 2)) + amount > limit
    assert window.used(room) + amount <= limit


@given(COMINGS)
def test_it_is_empty_when_it_says_so(comings: list[tuple[float, int]]) -> None:
    window, told = Window(SECONDS), came(comings)
    for at, amount in told:
        window.add(amount, at)
    empty = window.empty_at(told[-1][0])
    assert window.used(empty - STEP / 2) > 0
    assert window.used(empty) == 0
    assert window.empty_at(empty) == empty


@given(COMINGS, st.data())
def test_what_is_given_back_was_never_there(comings: list[tuple[float, int]], data: st.DataObject) -> None:
    window, told = Window(SECONDS), came(comings)
    slots = [(window.add(amount, at), amount) for at, amount in told]
    now = told[-1][0] + data.draw(st.floats(0.0, 70.0))
    for slot, amount in slots:
        window.correct(slot, -amount)
    assert window.used(now) == 0


def test_more_than_the_limit_has_no_room_but_in_an_empty_window() -> None:
    window = Window(SECONDS)
    window.add(3, 100.0)
    assert window.room_at(11, 10, 100.0) == window.empty_at(100.0)


def test_it_stays_small_however_much_comes() -> None:
    window = Window(SECONDS)
    for tick in range(20_000):
        window.add(1, tick * 0.01)
    assert len(window._slots) <= SLOTS + 1
    assert 6000 <= window.used(199.99) <= 6100
