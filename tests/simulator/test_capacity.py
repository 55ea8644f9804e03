from __future__ import annotations

from typing import Any

import pytest

from routeproof_simulator.algebra import Situation
from routeproof_simulator.behaviours import Behaviour, capacity, cold_start, fail, flap, latency, ok, reset, stall, ttft
from routeproof_simulator.ranges import OutOfRangeError
from routeproof_simulator.script import FOREVER, Head, Script, Turn, Wait, head_of
from tests.simulator.asking import OPENAI, answer, chat, request, tree_of

WHOLE = answer(request(chat())).script
STREAM = answer(request(chat(stream=True))).script


def played(
    behaviour: Behaviour,
    script: Script = WHOLE,
    *,
    running: int = 1,
    now: float = 0.0,
    memory: dict[object, Any] | None = None,
) -> Script:
    situation = Situation(
        attempt=0,
        tokens=12,
        voice=OPENAI,
        draw=lambda: 0.5,
        running=running,
        now=now,
        memory={} if memory is None else memory,
    )
    return behaviour(script, situation)


def waits(script: Script) -> list[float]:
    return [op.seconds for op in script if isinstance(op, Wait)]


def test_waits_grow_with_the_load_and_no_further_than_the_slots() -> None:
    loaded = capacity(11, queue=100, slowdown=3.0)
    grown = [waits(played(latency(1.0) | loaded, running=running)) for running in (1, 6, 11, 50)]
    assert grown == [[1.0], [2.0], [3.0], [3.0]]


def test_one_slot_knows_no_load() -> None:
    assert played(latency(1.0) | capacity(1, slowdown=3.0)) == (Turn(1), Wait(1.0), *WHOLE)


def test_a_wait_without_end_stays_one() -> None:
    assert played(stall(1) | capacity(3, slowdown=2.0), STREAM, running=2)[-1] == FOREVER


def test_beyond_slots_and_queue_it_fails_at_once_in_the_words_of_the_dialect() -> None:
    full = latency(1.0) | capacity(2, queue=3)
    assert isinstance(played(full, running=5)[0], Turn)
    refused = played(full, running=6)
    head = head_of(refused)
    assert head is not None
    assert (refused[0], head.status) == (head, 503)
    assert "overloaded" in tree_of(refused)["error"]["message"]
    other = head_of(played(capacity(1, status=529), running=2))
    assert other is not None
    assert other.status == 529


@pytest.mark.parametrize(("share", "slots"), [(0.29, 29), (0.01, 1), (0.001, 1), (1.0, 100)])
def test_a_brownout_leaves_a_share_of_the_slots(share: float, slots: int) -> None:
    brown = capacity(100, share=share)
    assert played(brown, running=slots) == (Turn(slots), *WHOLE)
    assert isinstance(played(brown, running=slots + 1)[0], Head)


def test_of_two_capacities_the_smaller_holds() -> None:
    assert played(capacity(9) | capacity(4)) == played(capacity(4) | capacity(9)) == (Turn(4), *WHOLE)


@pytest.mark.parametrize("behaviour", [fail(503), reset(before="headers")])
def test_what_no_model_works_for_takes_no_slot(behaviour: Behaviour) -> None:
    script = played(behaviour)
    assert played(capacity(1), script, running=9) is script
    assert played(cold_start(9.0), script) is script


def test_a_cold_start_holds_up_all_who_come_while_it_lasts_and_comes_again_after_idleness() -> None:
    memory: dict[object, Any] = {}
    cold = cold_start(8.0, idle=30.0)
    times = [100.0, 103.0, 108.0, 137.0, 168.0, 175.0, 206.5]
    assert [waits(played(cold, now=now, memory=memory)) for now in times] == [[8.0], [5.0], [], [], [8.0], [1.0], [8.0]]


def test_flapping_is_healthy_first_and_then_not_in_every_period() -> None:
    flapping = flap(30.0, 20.0, ttft(1.0))
    assert [len(waits(played(flapping, now=now))) for now in (0.0, 19.9, 20.0, 29.9, 30.0, 50.0)] == [0, 0, 1, 1, 0, 1]


def test_a_flap_of_no_or_all_time_is_its_behaviour_or_none() -> None:
    assert played(flap(30.0, 0.0, ttft(1.0)), now=12.0) == played(ttft(1.0))
    assert played(flap(30.0, 30.0, ttft(1.0)), now=12.0) == played(ok)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: capacity(0), "slots must be at least 1, not 0"),
        (lambda: capacity(1, share=0.0), "share must be greater than 0, at most 1, not 0.0"),
        (lambda: capacity(1, slowdown=0.5), "slowdown must be at least 1, not 0.5"),
        (lambda: capacity(1, status=200), "status must be at least 400, at most 599, not 200"),
        (lambda: cold_start(-1.0), "seconds must be at least 0, not -1.0"),
        (lambda: flap(10.0, 11.0, ok), "up must be at least 0, at most 10, not 11.0"),
    ],
)
def test_capacities_that_mean_nothing_are_refused(make: Any, sentence: str) -> None:
    with pytest.raises(OutOfRangeError) as caught:
        make()
    assert str(caught.value) == sentence
