"""A limit that gateways share is one limit, as far as they have heard of each other."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from routeproof_reference_server.limits.month import Amount
from routeproof_reference_server.limits.seam import Measure
from routeproof_reference_server.limits.shared import Count, Shared, SharedSum
from routeproof_reference_server.limits.window import Window

SECONDS = 60.0
START = 1.8e9
GATEWAYS = 3

#: Who counts, after what pause, and how much.
COMINGS = st.lists(
    st.tuples(
        st.integers(0, GATEWAYS - 1), st.floats(0.0, 30.0, allow_subnormal=False), st.integers(1, 1000), st.booleans()
    ),
    min_size=1,
    max_size=40,
)
Comings = Sequence[tuple[int, float, int, bool]]


def sum_of(shared: Shared) -> SharedSum:
    return shared.sum("laptop", Measure.TOKENS, SECONDS)


class Board:
    """What gateways have told, by who told it; the last word of each about a slot holds, as in a database."""

    def __init__(self) -> None:
        self.told: dict[tuple[int, int], Count] = {}

    def exchange(self, number: int, shared: Shared, now: float) -> None:
        counts = shared.untold(now)
        self.told |= {(number, each.slot): each for each in counts}
        shared.told(counts, now)
        assert shared.untold(now) == []
        shared.heard([each for (teller, _), each in self.told.items() if teller != number], {})


@given(COMINGS)
def test_after_all_have_exchanged_each_tells_what_one_window_would(comings: Comings) -> None:
    board, gateways, single = Board(), [Shared() for _ in range(GATEWAYS)], Window(SECONDS)
    now = START
    for number, pause, amount, exchanges in comings:
        now += pause
        single.add(amount, now)
        sum_of(gateways[number]).add(amount, now)
        if exchanges:
            board.exchange(number, gateways[number], now)
    for _ in range(2):  # the second time they hear what the first one told
        for number, shared in enumerate(gateways):
            board.exchange(number, shared, now)
    for shared in gateways:
        found = sum_of(shared)
        assert found.used(now) == single.used(now)
        assert found.empty_at(now) == single.empty_at(now)
        for amount in (1, 500, 2000):
            assert found.room_at(amount, 2000, now) == single.room_at(amount, 2000, now)


@given(COMINGS)
def test_no_gateway_tells_less_than_it_has_counted_itself_nor_more_than_came(comings: Comings) -> None:
    board, gateways, single = Board(), [Shared() for _ in range(GATEWAYS)], Window(SECONDS)
    own = [Window(SECONDS) for _ in range(GATEWAYS)]
    now = START
    for number, pause, amount, exchanges in comings:
        now += pause
        single.add(amount, now)
        own[number].add(amount, now)
        sum_of(gateways[number]).add(amount, now)
        if exchanges:
            board.exchange(number, gateways[number], now)
        for alone, shared in zip(own, gateways, strict=True):
            assert alone.used(now) <= sum_of(shared).used(now) <= single.used(now)


@given(st.lists(st.tuples(st.integers(0, GATEWAYS - 1), st.integers(1, 50)), max_size=60), st.integers(1, 500))
def test_a_limit_is_passed_by_what_others_admitted_since_they_were_heard(
    asking: Sequence[tuple[int, int]], limit: int
) -> None:
    board, gateways = Board(), [Shared() for _ in range(GATEWAYS)]
    admitted, unheard, most = 0, 0, 0
    for turn, (number, amount) in enumerate(asking):
        if sum_of(gateways[number]).used(START) + amount <= limit:
            sum_of(gateways[number]).add(amount, START)
            admitted += amount
            unheard += amount
            most = max(most, unheard)
        if turn % 5 == 0:
            for _ in range(2):
                for each, shared in enumerate(gateways):
                    board.exchange(each, shared, START)
            unheard = 0
    assert admitted <= limit + most


def test_a_correction_is_told_and_heard() -> None:
    board, (one, other) = Board(), (Shared(), Shared())
    slot = sum_of(one).add(30, START)
    board.exchange(0, one, START)
    sum_of(one).correct(slot, -30)
    board.exchange(0, one, START)
    board.exchange(1, other, START)
    assert sum_of(other).used(START) == 0


def test_what_is_not_heard_again_is_forgotten_with_the_others_months() -> None:
    shared, count = Shared(), Count("laptop", "tokens", SECONDS, int(START), 5, START + 61)
    shared.heard([count], {("laptop", (2027, 1)): Amount(3, 4)})
    assert sum_of(shared).used(START) == 5
    assert shared.others("laptop", (2027, 1)) == Amount(3, 4)
    assert shared.others("laptop", (2027, 2)) == Amount()
    shared.heard([], {})
    assert sum_of(shared).used(START) == 0
    assert shared.others("laptop", (2027, 1)) == Amount()
