from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from routeproof_simulator import journal as limits
from routeproof_simulator.journal import Entry, Journal
from routeproof_simulator.received import Received, RequestHead
from routeproof_simulator.script import Head
from routeproof_spec.history import Attempt, Ended, Frame
from routeproof_spec.redaction import fingerprint
from tests.simulator.asking import request


def entry(marker: str | None = "m", *, body: bytes = b"{}", index: int = 0) -> Entry:
    return Entry("alpha", request(body, key="sk-secret"), marker=marker, index=index)


def test_an_attempt_tells_its_whole_story() -> None:
    headers = (("authorization", "Bearer sk-secret"), ("accept", "*/*"))
    head = RequestHead(method="POST", target="/v1/x?y", headers=headers)
    received = Received(head=head, body=b"{}", at=1.0, connection=3, reused=True)
    story = Entry("alpha", received, marker="m", index=2)
    story.head, story.faults = Head(200, (("set-cookie", "a=b"),)), ("cut(frames=1)",)
    story.sent([b"one"], 2.0)
    story.peer_gone(3.0)
    story.end(Ended.COMPLETE, 4.0)  # the first word stands
    assert story.attempt() == Attempt(
        provider="alpha",
        marker="m",
        index=2,
        connection=3,
        reused=True,
        method="POST",
        path="/v1/x",
        request_headers=(("authorization", f"Bearer {fingerprint('sk-secret')}"), ("accept", "*/*")),
        request_body=b"{}",
        received_at=1.0,
        status=200,
        faults=("cut(frames=1)",),
        answer_headers=(("set-cookie", fingerprint("a=b")),),
        frames=(Frame(at=2.0, data=b"one"),),
        ended_at=3.0,
        ended=Ended.LEFT,
        peer_gone_at=3.0,
    )


def test_an_attempt_is_seen_while_it_is_open() -> None:
    journal = Journal()
    one = entry()
    journal.enter(one)
    assert (journal.open_count, journal.of("m")[0].ended_at) == (1, 0.0)
    one.end(Ended.COMPLETE, 5.0)
    assert (journal.open_count, journal.of("m")[0].ended_at) == (0, 5.0)


def test_attempts_are_found_by_marker_and_by_number() -> None:
    journal = Journal()
    for index, marker in enumerate(["a", "b", "a", None]):
        journal.enter(entry(marker, index=index))
    assert [each.index for each in journal.of("a")] == [0, 2]
    assert [number for number, _ in journal.since(2)] == [3, 4]
    assert [number for number, _ in journal.since(1, marker="a")] == [3]
    assert len(journal.attempts) == 4


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 5))
def test_the_oldest_are_dropped_and_counted(ends: list[bool], attempts_max: int) -> None:
    journal = Journal(attempts_max=attempts_max)
    for index, does_end in enumerate(ends):
        one = entry(index=index)
        journal.enter(one)
        if does_end:
            one.end(Ended.COMPLETE, 1.0)
    kept = list(range(len(ends)))[-attempts_max:]
    assert [each.index for each in journal.attempts] == kept
    assert [number - 1 for number, _ in journal.since()] == kept
    assert journal.dropped == len(ends) - len(kept)
    assert journal.open_count == sum(not ends[index] for index in kept)


def test_bodies_are_bounded_each_and_together() -> None:
    journal = Journal(bytes_max=3 * (limits.OVERHEAD_BYTES + 300) + 100)
    for index in range(10):
        one = entry(body=b"x" * 300, index=index)
        journal.enter(one)
        one.end(Ended.COMPLETE, 1.0)
    journal.enter(entry(index=10))
    assert [each.index for each in journal.attempts] == [7, 8, 9, 10]
    big = entry(body=b"x" * (limits.REQUEST_BODY_BYTES_MAX + 1))
    big.sent([b"y" * limits.ANSWER_BODY_BYTES_MAX], 1.0)
    big.sent([b"z"], 2.0)
    attempt = big.attempt()
    assert len(attempt.request_body) == limits.REQUEST_BODY_BYTES_MAX
    assert [len(frame.data) for frame in attempt.frames] == [limits.ANSWER_BODY_BYTES_MAX]


def test_a_cleared_journal_is_empty_and_numbers_go_on() -> None:
    journal = Journal()
    journal.enter(entry())
    journal.clear()
    assert (journal.attempts, journal.open_count) == ((), 0)
    journal.enter(entry())
    assert [number for number, _ in journal.since()] == [2]
