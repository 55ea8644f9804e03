"""Clients that go away, and what the provider feels of it."""

from __future__ import annotations

from routeproof_conformance.expect import Expect
from routeproof_conformance.judge.outcome import Fact
from routeproof_conformance.observed import Observed
from routeproof_spec.history import Ended


def expect_felt(expect: Expect, seen: Observed) -> None:
    """The client of *seen* left, and the provider felt it at once; raises `Fact` where the answer ended before that."""
    if seen.exchange.ended is not Ended.LEFT:
        raise Fact(f"the answer ended before its client could leave: {seen.said}")
    expect(seen.attempts, expected="an attempt before the client left", actual=seen.said)
    for attempt in seen.attempts:
        gone = attempt.peer_gone_at
        how = f"{attempt.provider} still answered" if not attempt.ended_at else f"its answer ended as {attempt.ended}"
        if gone is None:
            expect(False, expected="an attempt that is cancelled once its client has left", actual=how)
        else:
            expect.at_most(gone - seen.exchange.ended_at, 0.0, "from the client's leaving until its provider felt it")
