from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_simulator.buckets import Bucket, MinuteWindow, TokenBucket

starts = st.floats(0.0, 1e7)
limits = st.integers(1, 10_000_000)


def full(limit: int = 60, *, burst: float = 60.0, now: float = 0.0) -> TokenBucket:
    return TokenBucket.full(limit, burst=burst, now=now)


def drained(bucket: Bucket, now: float) -> Bucket:
    return bucket.taken(bucket.left(now), now)


def test_a_bucket_gives_what_it_holds_and_fills_evenly() -> None:
    bucket = full(60).taken(60, 0.0)
    assert [bucket.left(at) for at in (0.0, 0.5, 1.0, 30.0, 60.0, 600.0)] == [0, 0, 1, 30, 60, 60]
    assert (bucket.wait(1, 0.25), bucket.wait(2, 0.25), bucket.reset(15.0)) == (0.75, 1.75, 45.0)


def test_a_burst_bounds_what_is_given_at_once() -> None:
    assert full(600, burst=1.0).left(0.0) == 10
    assert full(600, burst=1.0).left(1000.0) == 10


def test_what_no_bucket_holds_never_comes() -> None:
    assert full(60).wait(61, 0.0) == MinuteWindow(limit=60).wait(61, 0.0) == math.inf


def test_a_window_gives_all_back_when_a_minute_begins() -> None:
    window = MinuteWindow(limit=10).taken(10, 130.0)
    assert [window.left(at) for at in (130.0, 179.9, 180.0)] == [0, 0, 10]
    assert (window.wait(1, 130.0), window.reset(130.0), MinuteWindow(limit=10).reset(130.0)) == (50.0, 50.0, 0.0)


@pytest.mark.parametrize("bucket", [full(60), MinuteWindow(limit=60)])
def test_more_than_there_is_cannot_be_taken(bucket: Bucket) -> None:
    with pytest.raises(AssertionError):
        bucket.taken(61, 0.0)


@given(limits, starts, st.floats(0.0, 200.0), st.data())
@pytest.mark.parametrize("kind", ["bucket", "window"])
def test_who_waits_as_long_as_told_passes_and_who_waits_less_does_not(
    kind: str, limit: int, start: float, later: float, data: st.DataObject
) -> None:
    fresh: Bucket = full(limit, now=start) if kind == "bucket" else MinuteWindow(limit=limit)
    bucket = drained(fresh, start)
    amount = data.draw(st.integers(1, limit))
    now = start + later
    wait = bucket.wait(amount, now)
    assert bucket.wait(amount, now + wait) == 0.0
    if wait > 0.01:
        assert bucket.wait(amount, now + wait - 0.01) > 0.0


@given(limits, starts, st.lists(st.tuples(st.floats(0.0, 30.0), st.integers(1, 100)), max_size=20))
def test_never_is_more_given_than_a_minute_fills(limit: int, start: float, asked: list[tuple[float, int]]) -> None:
    bucket: Bucket = full(limit, now=start)
    now, given_out = start, 0
    for gap, amount in asked:
        now += gap
        if bucket.wait(amount, now) == 0.0:
            bucket = bucket.taken(amount, now)
            given_out += amount
        assert given_out <= limit + limit * (now - start) / 60 + 0.1
        assert 0 <= bucket.left(now) <= limit
        assert bucket.reset(now) <= 60.0 + 1e-6
