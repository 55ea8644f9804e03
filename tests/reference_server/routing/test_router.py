from __future__ import annotations

from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_reference_server.routing import (
    Answered,
    Ask,
    Exhausted,
    Failed,
    Finished,
    Left,
    Outcome,
    Rejected,
    Restriction,
    Strategy,
    Try,
    Unknown,
)
from routeproof_reference_server.routing.router import AFTER, State
from tests.reference_server.routing.worlds import (
    BAD,
    GOOD,
    WRONG,
    Story,
    asks,
    chat,
    failed,
    first_tries,
    lived,
    new_router,
    outcomes,
)

# The outcomes of one request are taken in turn, and from the first again where they do not suffice.
stories = st.lists(st.tuples(asks, st.lists(outcomes, min_size=1, max_size=4)), min_size=1, max_size=4)


def told(script: list[tuple[Ask, list[Outcome]]]) -> list[Story]:
    router = new_router()
    found: list[Story] = []
    for step, (ask, fates) in enumerate(script):
        rest = cycle(fates)
        found.append(lived(router, ask, lambda _, rest=rest: next(rest), float(step)))  # type: ignore[misc]
    return found


@given(stories)
def test_no_deployment_is_tried_twice(script: list[tuple[Ask, list[Outcome]]]) -> None:
    for story in told(script):
        assert len(set(story.tried)) == len(story.tried)


@given(stories)
def test_attempts_are_bounded_by_the_chain(script: list[tuple[Ask, list[Outcome]]]) -> None:
    catalogue = new_router().catalogue
    for story in told(script):
        ask = story.ask
        chain = {
            each
            for name in (ask.model, *ask.fallback)
            for each in catalogue.resolve(name, ask.capability, ask.restriction)
        }
        assert set(story.tried) <= chain
        assert len(story.tried) <= (len(chain) if ask.fallback else 1)


@given(stories)
def test_a_key_never_reaches_what_it_may_not_use(script: list[tuple[Ask, list[Outcome]]]) -> None:
    for story in told(script):
        assert all(story.ask.restriction.allows(each) for each in story.tried)


@given(stories)
def test_only_a_failure_leads_to_another_attempt(script: list[tuple[Ask, list[Outcome]]]) -> None:
    for story in told(script):
        assert all(isinstance(each, Failed) for each in story.outcomes[:-1])


@given(stories)
def test_a_rejection_is_the_end_as_it_is(script: list[tuple[Ask, list[Outcome]]]) -> None:
    for story in told(script):
        if story.outcomes and isinstance(story.outcomes[-1], Rejected):
            assert story.end == story.outcomes[-1]


@given(stories)
def test_the_names_of_the_chain_keep_their_order(script: list[tuple[Ask, list[Outcome]]]) -> None:
    catalogue = new_router().catalogue
    for story in told(script):
        ask = story.ask
        places = [
            min(
                place
                for place, name in enumerate((ask.model, *ask.fallback))
                if each in catalogue.resolve(name, ask.capability, ask.restriction)
            )
            for each in story.tried
        ]
        assert places == sorted(places)


@given(stories)
def test_a_chain_is_exhausted_only_when_all_of_it_failed(script: list[tuple[Ask, list[Outcome]]]) -> None:
    catalogue = new_router().catalogue
    for story in told(script):
        if not isinstance(story.end, Exhausted):
            continue
        ask = story.ask
        if ask.fallback:
            chain = (ask.model, *ask.fallback)
            assert set(story.tried) == {
                each for name in chain for each in catalogue.resolve(name, ask.capability, ask.restriction)
            }
        assert story.end.attempts == story.outcomes
        statuses = {each.status for each in story.end.attempts}
        assert story.end.status == (429 if statuses == {429} else 503)
        named = [each.retry_after for each in story.end.attempts if each.retry_after is not None]
        assert story.end.retry_after == (min(named) if named else None)


@given(stories)
def test_the_same_history_gives_the_same_decisions(script: list[tuple[Ask, list[Outcome]]]) -> None:
    assert told(script) == told(script)


@given(stories)
def test_no_attempt_stays_in_flight(script: list[tuple[Ask, list[Outcome]]]) -> None:
    router = new_router()
    for ask, fates in script:
        rest = cycle(fates)
        lived(router, ask, lambda _, rest=rest: next(rest))  # type: ignore[misc]
    assert router.observed.in_flight() == 0


@given(asks)
def test_an_unknown_name_anywhere_means_that_nothing_is_tried(ask: Ask) -> None:
    catalogue = new_router().catalogue
    story = lived(new_router(), ask, lambda _: BAD)
    unknown = [
        each for each in (ask.model, *ask.fallback) if not catalogue.resolve(each, ask.capability, ask.restriction)
    ]
    if unknown:
        assert story.end == Unknown(name=unknown[0])
        assert story.tried == ()
    else:
        assert story.tried


def test_without_a_fallback_list_one_attempt_is_made() -> None:
    story = lived(new_router(), chat(), lambda _: BAD)
    assert story.end == Exhausted(status=503, attempts=(failed(),), retry_after=None)


def test_all_providers_of_a_model_are_tried_before_the_next_model() -> None:
    story = lived(new_router(), chat("small", fallback=("alpha/big", "small", "big")), lambda _: BAD)
    names = [each.pinned_name for each in story.tried]
    assert names == ["beta/small", "gamma/small", "alpha/big", "beta/big", "gamma/big"]


def test_a_pinned_name_never_leaves_its_provider() -> None:
    story = lived(new_router(), chat("gamma/big", fallback=("gamma/small",)), lambda _: BAD)
    assert [each.pinned_name for each in story.tried] == ["gamma/big", "gamma/small"]


def test_a_client_that_leaves_teaches_nothing_and_frees_its_place() -> None:
    router = new_router()
    route = router.open(chat(strategy=Strategy.LATENCY))
    assert isinstance(route.next(0.0), Try)
    assert router.observed.in_flight() == 1
    route.told(Left(), 1.0)
    assert (route.state, router.observed.in_flight()) == (State.OVER, 0)
    assert first_tries(router, chat(strategy=Strategy.LATENCY), 1, 1.0) == ["alpha"]


def test_a_stream_that_broke_counts_against_its_provider_and_is_never_restarted() -> None:
    router = new_router()
    route = router.open(chat(strategy=Strategy.AVAILABILITY, fallback=("small",)))
    route.next(0.0)
    route.told(GOOD, 0.0)
    route.told(BAD, 1.0)
    assert route.state is State.OVER
    assert first_tries(router, chat(strategy=Strategy.AVAILABILITY), 2, 1.0) == ["beta", "gamma"]


@pytest.mark.parametrize("outcome", [GOOD, BAD, WRONG, Left(), Finished()])
@pytest.mark.parametrize("state", State)
def test_what_the_table_does_not_hold_is_refused(state: State, outcome: Outcome) -> None:
    route = new_router().open(chat())
    route.next(0.0)
    route.state = state
    if (state, type(outcome)) in AFTER:
        route.told(outcome, 0.0)
        assert route.state is AFTER[state, type(outcome)]
    else:
        with pytest.raises(KeyError):
            route.told(outcome, 0.0)


def test_a_restricted_fallback_does_not_exist_for_the_key() -> None:
    only = Restriction(providers=frozenset({"alpha"}))
    story = lived(new_router(), chat("big", fallback=("small",), restriction=only), lambda _: BAD)
    assert story.end == Unknown(name="small")


def test_an_answer_ends_the_route() -> None:
    story = lived(new_router(), chat(fallback=("small",)), lambda each: BAD if each.provider == "alpha" else GOOD)
    assert ([each.pinned_name for each in story.tried], story.end) == (["alpha/big", "beta/big"], None)
    assert isinstance(story.outcomes[-1], Answered)
