from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from routeproof_simulator.wire.visitors import Visitors


class House:
    """Visitors, and who was sent away."""

    def __init__(self, visitors_max: int) -> None:
        self.visitors = Visitors(visitors_max)
        self.sent_away: list[int] = []
        self.came = 0

    def enter(self) -> int | None:
        self.came += 1
        came = self.came

        def send_away() -> None:
            self.sent_away.append(came)

        return self.visitors.enter(send_away)


def test_who_has_said_nothing_makes_room_the_longest_here_first() -> None:
    house = House(3)
    assert [house.enter() for _ in range(5)] == [1, 2, 3, 4, 5]
    assert house.sent_away == [1, 2]


def test_who_has_asked_stays() -> None:
    house = House(3)
    for _ in range(3):
        house.enter()
    house.visitors.asked(1)
    house.visitors.asked(3)
    assert [house.enter(), house.enter()] == [4, 5]
    assert house.sent_away == [2, 4]


def test_where_all_have_asked_the_newcomer_finds_no_room_until_one_leaves() -> None:
    house = House(1)
    assert house.enter() == 1
    house.visitors.asked(1)
    assert house.enter() is None
    house.visitors.left(1)
    assert house.enter() == 2
    assert house.sent_away == []


def test_who_was_sent_away_takes_no_room_though_slow_to_go() -> None:
    house = House(2)
    for _ in range(3):
        house.enter()
    house.visitors.asked(2)
    house.visitors.asked(3)
    house.visitors.left(3)
    assert (house.enter(), house.sent_away) == (4, [1])


Act = Callable[[House, int], object]
ACTS: list[Act] = [
    lambda house, _: house.enter(),
    lambda house, number: house.visitors.asked(number),
    lambda house, number: house.visitors.left(number),
]


@given(st.integers(1, 4), st.lists(st.tuples(st.sampled_from(ACTS), st.integers(1, 12)), max_size=40))
def test_there_are_never_more_than_allowed(visitors_max: int, acts: list[tuple[Act, int]]) -> None:
    house = House(visitors_max)
    here: set[int] = set()
    asked: set[int] = set()
    numbers: dict[int, int] = {}  # of the one that came then
    for act, number in acts:
        if act is not ACTS[0] and number not in here:
            continue  # only who is here asks or leaves
        done = act(house, number)
        if act is ACTS[0] and isinstance(done, int):
            numbers[house.came] = done
            here.add(done)
        elif act is ACTS[1]:
            asked.add(number)
        elif act is ACTS[2]:
            here.discard(number)
        here -= {numbers[each] for each in house.sent_away}
        assert len(here) <= visitors_max
        assert not asked & {numbers[each] for each in house.sent_away}
    assert len(set(numbers.values())) == len(numbers), "a number was given twice"
