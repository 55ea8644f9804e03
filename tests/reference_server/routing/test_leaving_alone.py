"""The router and the breakers together: who is asked while somebody is out."""

from __future__ import annotations

import pytest

from routeproof_reference_server.routing import Ask, Exhausted, Finished, Left, Outcome, Route, Router, Strategy, Try
from routeproof_reference_server.routing.breaker import State
from tests.reference_server.routing.worlds import (
    BAD,
    GOOD,
    GUARDED,
    WRONG,
    chat,
    failed,
    first_tries,
    lived,
    new_router,
)


def ask(name: str = "guarded", strategy: Strategy = Strategy.COST, fallback: tuple[str, ...] = ()) -> Ask:
    return chat(name, strategy=strategy, fallback=fallback)


def guarded() -> Router:
    return new_router(models=GUARDED)


def tried(router: Router, of: Ask, now: float = 0.0, *, is_good: bool = True) -> list[str]:
    story = lived(router, of, lambda _: GOOD if is_good else BAD, now)
    return [each.pinned_name for each in story.tried]


def trip(router: Router, *names: str, now: float = 0.0) -> None:
    """Let the pinned *names* fail until their breakers are open."""
    for name in names:
        for _ in range(3):
            tried(router, ask(name), now, is_good=False)


@pytest.mark.parametrize("strategy", Strategy)
def test_an_open_breaker_admits_no_attempt_under_any_strategy(strategy: Strategy) -> None:
    router = guarded()
    trip(router, "alpha/guarded")
    for step in range(12):
        assert "alpha" not in first_tries(router, ask(strategy=strategy), 1, 0.5 * step)


def test_cost_takes_the_cheapest_who_may_be_asked_and_returns_to_the_cheapest_of_all() -> None:
    router = guarded()
    trip(router, "alpha/guarded")
    assert first_tries(router, ask(), 3, 1.0) == ["beta"] * 3
    assert first_tries(router, ask(), 3, 10.0) == ["alpha"] * 3


def test_a_rotation_goes_round_among_the_rest_evenly() -> None:
    router = guarded()
    trip(router, "beta/guarded")
    turns = ask(strategy=Strategy.ROUND_ROBIN)
    assert first_tries(router, turns, 6, 1.0) == ["alpha", "gamma"] * 3
    assert first_tries(router, turns, 6, 10.0) == ["beta", "alpha", "gamma"] * 2


def test_a_fallback_list_passes_over_who_is_out_and_asks_it_not_even_last() -> None:
    router = guarded()
    trip(router, "alpha/guarded")
    chain = ask("alpha/guarded", fallback=("gamma/guarded",))
    assert tried(router, chain, 1.0) == ["gamma/guarded"]
    story = lived(router, chain, lambda _: BAD, 1.0)
    assert story.end == Exhausted(status=503, attempts=(failed(),), retry_after=None)


def test_where_all_are_out_they_are_asked_none_the_less_in_the_order_of_the_list() -> None:
    router = guarded()
    trip(router, "beta/spare", now=0.0)
    trip(router, "gamma/spare", now=1.0)
    trip(router, "alpha/guarded", now=2.0)
    assert tried(router, ask("spare"), 3.0, is_good=False) == ["beta/spare"]  # whose cool-down ends first
    chain = ask("alpha/guarded", fallback=("spare",))
    assert tried(router, chain, 3.0, is_good=False) == ["alpha/guarded", "beta/spare", "gamma/spare"]
    assert tried(router, chain, 3.0) == ["alpha/guarded"]


def test_the_only_provider_is_asked_though_it_said_retry_after() -> None:
    """Without a fallback list a request causes exactly one attempt, whatever becomes of it."""
    router = guarded()
    for now in range(5):
        story = lived(router, ask("alpha/guarded"), lambda _: failed(429, 30), float(now))
        assert (len(story.tried), story.end) == (
            1,
            Exhausted(status=429, attempts=(failed(429, 30),), retry_after=30),
        )


def test_who_said_retry_after_is_not_asked_before_that_time() -> None:
    router = guarded()
    lived(router, ask(), lambda _: failed(429, 30), 0.0)
    assert first_tries(router, ask(), 3, 29.9) == ["beta"] * 3
    assert first_tries(router, ask(), 3, 30.0) == ["alpha"] * 3


def test_of_those_who_said_retry_after_the_soonest_is_asked_where_all_did() -> None:
    router = guarded()
    waits = {"alpha": 30, "beta": 10, "gamma": 20}
    lived(
        router,
        ask(fallback=("spare",)),
        lambda each: failed(429, waits[each.provider]),
    )
    assert tried(router, ask(), 1.0) == ["beta/guarded"]


def test_a_breaker_belongs_to_a_model_at_a_provider() -> None:
    router = guarded()
    trip(router, "beta/guarded")
    assert tried(router, ask("spare"), 1.0) == ["beta/spare"]


def test_clients_mistakes_and_departures_never_open_a_breaker() -> None:
    router = guarded()
    for _ in range(50):
        lived(router, ask(), lambda _: WRONG, 0.0)
        route = router.open(ask())
        route.next(0.0)
        route.told(Left(), 0.0)
    assert first_tries(router, ask(), 1) == ["alpha"]


@pytest.mark.parametrize("says_nothing", [Left(), WRONG])
def test_a_probe_that_says_nothing_frees_its_place(says_nothing: Left) -> None:
    router = guarded()
    trip(router, "alpha/guarded")
    probe = router.open(ask())
    step = probe.next(10.0)
    assert isinstance(step, Try)
    assert step.deployment.provider == "alpha"
    assert first_tries(router, ask(), 2, 10.0) == ["beta"] * 2
    probe.told(says_nothing, 11.0)
    assert first_tries(router, ask(), 1, 11.0) == ["alpha"]


def test_every_failed_attempt_counts_a_stream_that_broke_too() -> None:
    router = guarded()
    for _ in range(3):
        route = router.open(ask())
        route.next(0.0)
        route.told(BAD, 0.0)
    breaker = router.observed.breaker(GUARDED[0].deployments[0])
    assert breaker.state(0.0) is State.OPEN
    router = new_router(models=GUARDED)
    for _ in range(20):
        route = router.open(ask())
        route.next(0.0)
        route.told(GOOD, 0.0)
        route.told(BAD, 0.0)
    assert router.observed.breaker(GUARDED[0].deployments[0]).state(0.0) is State.OPEN


def test_an_unwatched_model_is_asked_whatever_happens() -> None:
    router = new_router()
    for now in range(10):
        story = lived(router, chat("big", strategy=Strategy.COST), lambda _: failed(429, 60), float(now))
        assert [each.provider for each in story.tried] == ["alpha"]


def streamed(router: Router, end: Outcome | None, now: float) -> Route:
    """A stream begins there, and ends so; None: it goes on."""
    route = router.open(ask("alpha/guarded"))
    route.next(now)
    route.told(GOOD, now)
    if end is not None:
        route.told(end, now)
    return route


def test_streams_that_break_in_a_row_open_a_breaker_though_each_of_them_had_begun_well() -> None:
    router = guarded()
    breaker = router.observed.breaker(GUARDED[0].deployments[0])
    for _ in range(2):
        streamed(router, BAD, 0.0)
    streamed(router, Left(), 0.0)  # says nothing
    assert breaker.state(0.0) is State.CLOSED
    streamed(router, BAD, 0.0)
    assert breaker.state(0.0) is State.OPEN


def test_a_probe_is_passed_by_an_answer_that_has_come_to_its_end() -> None:
    router = guarded()
    place = GUARDED[0].deployments[0]
    trip(router, "alpha/guarded")
    now = router.observed.ready_at(place, 0.0)
    streamed(router, BAD, now)
    assert router.observed.breaker(place).state(now) is State.OPEN
    now = router.observed.ready_at(place, now)
    probe = streamed(router, None, now)
    assert not router.observed.admits(place, now)  # its place is taken as long as it streams
    probe.told(Finished(), now + 60.0)
    assert router.observed.breaker(place).state(now + 60.0) is State.CLOSED
