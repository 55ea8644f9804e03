"""Questions about attempts: each is a pure function of what the journal holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_simulator.journal import Journal
from routeproof_simulator.seen import SHOWN_MAX, Seen
from routeproof_spec.history import Attempt, Ended, Frame


def attempt(
    provider: str = "alpha",
    *,
    marker: str | None = "m",
    received_at: float = 10.0,
    frames: tuple[float, ...] = (),
    ended_at: float = 10.5,
    gone: float | None = None,
    connection: int = 1,
    status: int | None = 200,
    faults: tuple[str, ...] = (),
) -> Attempt:
    return Attempt(
        provider=provider,
        marker=marker,
        index=0,
        connection=connection,
        reused=False,
        method="POST",
        path="/v1/chat/completions",
        request_headers=(),
        request_body=b"",
        received_at=received_at,
        status=status,
        faults=faults,
        frames=tuple(Frame(at=at, data=b"x") for at in frames),
        ended_at=ended_at,
        ended=Ended.COMPLETE if gone is None else Ended.LEFT,
        peer_gone_at=gone,
    )


def test_those_of_a_marker_and_those_at_a_provider_keep_their_order() -> None:
    one, two, three = attempt("alpha"), attempt("beta", marker="n"), attempt("beta")
    seen = Seen([one, two, three])
    assert seen.of("m") == (one, three)
    assert seen.at("beta") == (two, three)
    assert seen.at("beta").of("m").attempts == (three,)
    assert seen.statuses == (200, 200, 200)


def test_gaps_lie_between_the_frames_of_one_attempt() -> None:
    seen = Seen([attempt(frames=(10.0, 10.25, 11.0)), attempt(frames=(20.0,)), attempt()])
    assert seen.gaps() == ((0.25, 0.75), (), ())


@given(st.lists(st.floats(0, 1e6), max_size=20).map(sorted))
def test_gaps_add_up_to_the_whole(times: list[float]) -> None:
    (gaps,) = Seen([attempt(frames=tuple(times))]).gaps()
    assert sum(gaps) == pytest.approx(times[-1] - times[0] if times else 0.0)
    assert len(gaps) == max(0, len(times) - 1)


def test_pauses_lie_between_attempts_and_are_negative_where_two_overlap() -> None:
    times = ((1.0, 2.0), (4.0, 9.0), (8.0, 10.0))
    seen = Seen(attempt(received_at=begun, ended_at=ended) for begun, ended in times)
    assert seen.pauses() == (2.0, -1.0)


def test_cancelled_within_asks_every_attempt() -> None:
    soon, late, stayed = attempt(gone=10.25), attempt(gone=12.0), attempt()
    assert Seen([soon, late, stayed]).cancelled() == (soon, late)
    assert Seen([soon]).cancelled_within(0.25)
    assert not Seen([soon, late]).cancelled_within(0.25)
    assert not Seen([soon, stayed]).cancelled_within(0.25)
    assert Seen([soon, late]).cancelled_within(0.5, since=11.5)


def test_one_connection_for_each_provider_is_the_same_connection() -> None:
    assert Seen([attempt(), attempt(), attempt("beta", connection=9)]).same_connection()
    assert not Seen([attempt(), attempt(connection=2)]).same_connection()


def test_nothing_is_true_of_no_attempt() -> None:
    assert not Seen().same_connection()
    assert not Seen().cancelled_within(1e9)
    assert repr(Seen()) == "<Seen: no attempt>"


def test_a_failed_assertion_shows_each_attempt_in_words() -> None:
    seen = Seen(
        [
            attempt(status=429, faults=("fail(status=429)",)),
            attempt("beta", gone=10.5, frames=(10.1, 10.2)),
            attempt("beta", status=None, ended_at=0.0, frames=(1.0,)),
        ]
    )
    assert repr(seen) == (
        "<Seen: alpha 429 complete, 0 frames in 0.500 s [fail(status=429)]; "
        "beta 200 left, 2 frames in 0.500 s; beta no head still open, 1 frame>"
    )
    assert repr(Seen([attempt()] * (SHOWN_MAX + 2))).endswith("; and 2 more>")


def test_the_journal_answers_with_seen() -> None:
    journal = Journal()
    assert isinstance(journal.attempts, Seen)
    assert isinstance(journal.of("m"), Seen)
