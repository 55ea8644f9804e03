"""Each invariant holds for a history that is right and speaks for one that is wrong in just its way."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from routeproof_simulator.invariants import INVARIANTS, BreakerDeclared, Declared, judge
from routeproof_spec.history import Attempt, Ended, Exchange, FaultChange, Frame, Headers, History
from routeproof_spec.redaction import fingerprint

DECLARED = Declared(
    serves={"a/m": ("a",), "b/m": ("b",), "m": ("a", "b")},
    amplification_max=2.0,
    recover_within=5.0,
    request_within=30.0,
    breaker=BreakerDeclared(failures=2, cooldown=4.0, out_max=20.0),
    client_keys=("th-client",),
    provider_keys=("sk-a",),
)
EVENT_STREAM = ("content-type", "text/event-stream")
ERROR = b'data: {"error":{"message":"broken"}}\n\n'
DONE = b"data: [DONE]\n\n"


def chunk(text: str = "", *, finish: str | None = None, identity: str = "c1", model: str = "m") -> bytes:
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    return b"data: " + msgspec.json.encode({"id": identity, "model": model, "choices": [choice]}) + b"\n\n"


HELLO = (chunk("hel"), chunk("lo"), chunk(finish="stop"), DONE)


def frames(*data: bytes, at: float) -> tuple[Frame, ...]:
    return tuple(Frame(at=at, data=each) for each in data)


def told(provider: str = "a", *, latency: int = 100, identity: str = "r1") -> Headers:
    return (
        EVENT_STREAM,
        ("x-inferoute-provider", provider),
        ("x-inferoute-latency-ms", str(latency)),
        ("x-inferoute-request-id", identity),
    )


def asked(*data: bytes, at: float = 0.0, fallback: str | None = "b/m", marker: str = "m1") -> Exchange:
    """Return a streamed answer that took a second, its events all at half of it."""
    headers = () if fallback is None else (("x-inferoute-fallback", fallback),)
    return Exchange(
        marker=marker,
        method="POST",
        path="/v1/chat/completions",
        request_headers=headers,
        request_body=b'{"model":"a/m"}',
        sent_at=at,
        status=200,
        headers=told(identity=f"r-{marker}"),
        head_at=at + 0.5,
        frames=frames(*data, at=at + 0.5),
        ended_at=at + 1,
    )


def refused(status: int, *, at: float = 0.0, fallback: str | None = "b/m", headers: Headers = ()) -> Exchange:
    return replace(asked(at=at, fallback=fallback), status=status, headers=(*headers, ("x-inferoute-request-id", "r")))


def tried(provider: str, *data: bytes, at: float = 0.1, status: int | None = 200, marker: str = "m1") -> Attempt:
    return Attempt(
        provider=provider,
        marker=marker,
        index=0,
        connection=1,
        reused=False,
        method="POST",
        path="/v1/chat/completions",
        request_headers=(("authorization", f"Bearer {fingerprint('sk-a')}"),),
        request_body=b'{"model":"m"}',
        received_at=at,
        status=status,
        frames=frames(*data, at=at + 0.1),
        ended_at=at + 0.5,
    )


def run(exchanges: list[Exchange], attempts: list[Attempt], *faults: FaultChange) -> History:
    return History(exchanges=tuple(exchanges), attempts=tuple(attempts), faults=faults)


def became(provider: str, behaviour: str, at: float) -> FaultChange:
    return FaultChange(at=at, provider=provider, behaviour=behaviour)


OUTAGE = (became("a", "fail(status=503)", 0.0), became("a", "ok", 10.0))
FELL_BACK = replace(asked(*HELLO), headers=told("b"))
WENT_WELL = run([asked(*HELLO)], [tried("a", *HELLO)])


def fell_back(*whom: str, at: float, marker: str) -> tuple[Exchange, list[Attempt]]:
    """Return a request that b serves; those before it in *whom* fail."""
    exchange = replace(asked(*HELLO, at=at, marker=marker), headers=told("b", identity=f"r-{marker}"))
    failures = [tried(each, at=at + 0.1, status=503, marker=marker) for each in whom[:-1]]
    return exchange, [*failures, tried(whom[-1], *HELLO, at=at + 0.2, marker=marker)]


def after_two_failures(*later: tuple[Exchange, list[Attempt]]) -> History:
    """Return a run in which a fails twice in a row, heals at 10 s, and then *later* happens."""
    stories = [fell_back("a", "b", at=float(at), marker=f"f{at}") for at in range(2)] + list(later)
    attempts = [attempt for _, attempts in stories for attempt in attempts]
    return run([exchange for exchange, _ in stories], attempts, *OUTAGE)


def served_by_a(*, at: float, marker: str = "m1", fallback: str | None = "b/m") -> tuple[Exchange, list[Attempt]]:
    return asked(*HELLO, at=at, marker=marker, fallback=fallback), [tried("a", *HELLO, at=at + 0.1, marker=marker)]


HOLDING: dict[str, History] = {
    "who failed lately may be left alone by its breaker": after_two_failures(fell_back("b", at=18.0, marker="m1")),
    "others wait for the end of a probe": after_two_failures(
        served_by_a(at=30.0), fell_back("b", at=30.2, marker="m2"), served_by_a(at=31.0, marker="m3")
    ),
    "an open breaker with nobody else to ask": after_two_failures(served_by_a(at=2.0, fallback=None)),
    "an open breaker when its time is over": after_two_failures(served_by_a(at=5.6)),
    "back to who was passed over, when all others have failed": after_two_failures(
        (
            asked(*HELLO, at=3.0),
            [tried("b", status=503, at=3.1), tried("a", *HELLO, at=3.3)],
        )
    ),
    "a stream that went well": WENT_WELL,
    "a fallback before content": run([FELL_BACK], [tried("a", status=503), tried("b", *HELLO, at=0.3)], *OUTAGE),
    "an error told in the stream": run(
        [asked(chunk("hel"), ERROR)], [replace(tried("a", chunk("hel")), ended=Ended.CUT)], became("a", "cut", 0.0)
    ),
    "an error after the role alone": run(
        [asked(chunk(), ERROR)], [replace(tried("a", chunk()), ended=Ended.CUT)], became("a", "cut", 0.0)
    ),
    "one that failed lately is passed over": run(
        [replace(asked(*HELLO, at=14.0), headers=told("b"))], [tried("b", *HELLO, at=14.1)], *OUTAGE
    ),
    "a cut after [DONE]": run([asked(*HELLO)], [replace(tried("a", *HELLO), ended=Ended.CUT)]),
    "all down": run(
        [refused(503)],
        [tried("a", status=503), tried("b", status=503, at=0.2)],
        became("a", "fail", 0.0),
        became("b", "fail", 0.0),
    ),
    "a shut door was asked last": run(
        [replace(refused(503), headers=told("b"))],
        [tried("a", status=503)],
        became("a", "fail", 0.0),
        became("b", "silent", 0.0),
    ),
    "a client that left": run(
        [replace(asked(chunk("hel")), ended=Ended.LEFT)],
        [replace(tried("a", chunk("hel"), chunk("lo")), ended=Ended.LEFT, ended_at=1.2, peer_gone_at=1.2)],
    ),
    "a client's mistake": run([refused(400)], [tried("a", status=400)]),
    "a Retry-After handed on": run(
        [refused(429, headers=(("retry-after", "2"),), fallback=None)],
        [replace(tried("a", status=429), faults=("fail(status=429, retry_after=1.5)",))],
    ),
    "a recovery": run(
        [replace(asked(*HELLO, at=20.0), marker="m2")],
        [tried("a", *HELLO, at=-1.0, marker="x"), tried("a", *HELLO, at=20.1, marker="m2")],
        *OUTAGE,
    ),
    "a whole answer that says nothing": run([replace(asked(), headers=told()[1:], frames=frames(b"{}", at=0.5))], []),
}

WHOLE = b'{"id":"c1","model":"m","choices":[{"message":{"content":"%s"},"finish_reason":"stop"}]}'


def whole(text: bytes) -> Exchange:
    headers = (("content-type", "application/json"), *told()[1:])
    return replace(asked(), headers=headers, frames=frames(WHOLE % text, at=0.5))


BREAKING: list[tuple[str, str, History]] = [
    ("one-outcome", "2 exchanges bear the marker m1", run([asked(*HELLO), replace(asked(*HELLO))], [])),
    ("one-outcome", "no response at all: cut", run([replace(asked(), status=None, ended=Ended.CUT)], [])),
    ("one-outcome", "ends 2 times", run([asked(*HELLO, DONE)], [])),
    (
        "text-of-one-attempt",
        "which no attempt said",
        run([asked(chunk("hel"), chunk("hel"), ERROR)], [tried("a", *HELLO)]),
    ),
    ("text-of-one-attempt", "its provider said more", run([asked(chunk("hel"), *HELLO[2:])], [tried("a", *HELLO)])),
    ("text-of-one-attempt", "which no attempt said", run([whole(b"other")], [tried("a", WHOLE % b"hello")])),
    ("text-of-one-attempt", "its provider said more", run([whole(b"hel")], [tried("a", WHOLE % b"hello")])),
    ("honest-end", "broke off (cut)", run([replace(asked(chunk("hel")), ended=Ended.CUT)], [tried("a", *HELLO)])),
    ("honest-end", "in silence, without a finish reason", run([asked(chunk("hel"))], [tried("a", *HELLO)])),
    ("honest-end", "in silence, without [DONE]", run([asked(*HELLO[:3])], [tried("a", *HELLO)])),
    (
        "honest-end",
        "no attempt was one",
        run([asked(chunk("hel"), *HELLO[2:])], [replace(tried("a", chunk("hel")), ended=Ended.CUT)]),
    ),
    ("nothing-after-the-end", "1 events follow [DONE]", run([asked(*HELLO, chunk("x"))], [])),
    ("nothing-after-the-end", "[DONE] follows an error", run([asked(chunk("hel"), ERROR, DONE)], [])),
    (
        "no-fallback-after-content",
        "b was asked at 0.7 s",
        run([asked(*HELLO)], [tried("a", chunk("hel")), tried("b", *HELLO, at=0.7)]),
    ),
    ("constant-identity", "id changes: c1, c2", run([asked(chunk("a"), chunk("b", identity="c2"), ERROR)], [])),
    ("constant-identity", "model changes: m, n", run([asked(chunk("a"), chunk("b", model="n"), ERROR)], [])),
    (
        "bounded-and-distinct",
        "a was asked 2 times for m",
        run([asked(*HELLO)], [tried("a", status=503), tried("a", *HELLO)]),
    ),
    ("bounded-and-distinct", "9 attempts", run([asked(*HELLO)], [tried(f"p{n}", status=503) for n in range(9)])),
    (
        "chain-in-order",
        "the chain is a then b",
        run([asked(*HELLO)], [tried("b", status=503), tried("a", *HELLO, at=0.2)]),
    ),
    (
        "open-means-left-alone",
        "a was asked at 2.1 s, after 2 failures in a row until 1.6 s; b was healthy",
        after_two_failures(served_by_a(at=2.0)),
    ),
    (
        "comes-back",
        "a healed at 10 s, 10 requests named it first, and none reached it",
        after_two_failures(*(fell_back("b", at=31.0 + number, marker=f"m{number}") for number in range(10))),
    ),
    (
        "chain-in-order",
        "a was passed over; the chain is a then b",
        after_two_failures(fell_back("b", at=22.0, marker="m1")),
    ),
    (
        "chain-in-order",
        "a was passed over; the chain is a then b",
        run([FELL_BACK], [tried("b", *HELLO)]),
    ),
    (
        "chain-in-order",
        "no fallback was asked for, yet 2 attempts",
        run([asked(*HELLO, fallback=None)], [tried("a", status=503), tried("b", *HELLO, at=0.2)]),
    ),
    (
        "mistakes-not-retried",
        "a answered 400, yet b was asked",
        run([FELL_BACK], [tried("a", status=400), tried("b", *HELLO, at=0.2)]),
    ),
    ("mistakes-not-retried", "the client was told 503", run([refused(503)], [tried("a", status=422)])),
    (
        "retry-after-handed-on",
        "the client was told none",
        run([refused(429)], [replace(tried("a", status=429), faults=("fail(status=429, retry_after=2.0)",))]),
    ),
    (
        "retry-after-handed-on",
        "the client was told 1",
        run(
            [refused(429, headers=(("retry-after", "1"),))],
            [replace(tried("a", status=429), faults=("fail(status=429, retry_after=2.0)",))],
        ),
    ),
    (
        "bounded-amplification",
        "3 attempts for 1 requests",
        run([refused(503)], [tried(name, status=503) for name in ("a", "b", "c")]),
    ),
    (
        "leaving-is-felt",
        "its attempt at a ended at 4 s",
        run([replace(asked(), ended=Ended.LEFT)], [replace(tried("a", *HELLO), ended_at=4.0)]),
    ),
    (
        "leaving-is-felt",
        "its attempt at a never ended",
        run([replace(asked(), ended=Ended.LEFT)], [replace(tried("a", *HELLO), ended_at=0.0)]),
    ),
    (
        "headers-tell-the-truth",
        "says b, but a answered",
        run([replace(asked(*HELLO), headers=told("b"))], [tried("a", *HELLO)]),
    ),
    (
        "headers-tell-the-truth",
        "says b, but a answered",
        run([replace(asked(*HELLO), headers=told("b"))], [tried("a", *HELLO)], became("b", "silent", 0.0)),
    ),
    (
        "headers-tell-the-truth",
        "says b, but a answered",
        run([replace(refused(503), headers=told("b"))], [tried("a", status=503)], became("b", "fail", 0.0)),
    ),
    (
        "headers-tell-the-truth",
        "says 700 ms, but the client measured 500.0",
        run([replace(asked(*HELLO), headers=told(latency=700))], [tried("a", *HELLO)]),
    ),
    (
        "headers-tell-the-truth",
        "2 responses share the request id r1",
        run([replace(asked(*HELLO, marker=marker), headers=told()) for marker in ("m1", "m2")], []),
    ),
    ("headers-tell-the-truth", "1 responses have no", run([replace(asked(*HELLO), headers=told()[:3])], [])),
    (
        "headers-tell-the-truth",
        "does not say in X-Inferoute-Provider",
        run([replace(asked(*HELLO), headers=(EVENT_STREAM, told()[3]))], [tried("a", *HELLO)]),
    ),
    (
        "no-secret-crosses",
        "the key of a provider reached the client",
        run([replace(refused(503), frames=frames(b"Incorrect key sk-a", at=0.5))], []),
    ),
    (
        "no-secret-crosses",
        "a client's key reached a",
        run(
            [],
            [replace(tried("a"), request_headers=(("authorization", f"Bearer {fingerprint('th-client')}"),))],
        ),
    ),
    ("no-secret-crosses", "a client's key reached a", run([], [replace(tried("a"), request_body=b"th-client")])),
    (
        "recovers",
        "10.0 s after the last heal a request still fails: status 503",
        run([refused(503, at=20.0)], [], *OUTAGE),
    ),
    (
        "recovers",
        "requests name a first, and it was never asked again",
        run([replace(FELL_BACK, sent_at=31.0)], [tried("a", *HELLO, at=-1.0), tried("b", *HELLO, at=31.1)], *OUTAGE),
    ),
    ("every-request-ends", "had not ended after 31.0 s", run([replace(asked(*HELLO), ended_at=31.0)], [])),
    ("every-request-ends", "had not ended", run([replace(asked(), ended=Ended.TIMED_OUT)], [])),
    (
        "fallback-saves",
        "the client saw status 503, though b was healthy",
        run([refused(503)], [tried("a", status=503)], became("a", "fail", 0.0)),
    ),
    (
        "fallback-saves",
        "a stream that failed (complete), though b was healthy",
        run([asked(ERROR)], [tried("a", ERROR)], became("a", "error_event", 0.0)),
    ),
]


@pytest.mark.parametrize("history", HOLDING.values(), ids=HOLDING.keys())
def test_every_invariant_holds_where_all_is_right(history: History) -> None:
    assert judge(history, DECLARED) == ()


@pytest.mark.parametrize(("name", "sentence", "history"), BREAKING, ids=[each[0] for each in BREAKING])
def test_an_invariant_speaks_of_what_breaks_it(name: str, sentence: str, history: History) -> None:
    found = [finding for finding in judge(history, DECLARED) if finding.name == name]
    assert any(sentence in finding.sentence for finding in found), [str(finding) for finding in found]
    assert all(finding.markers or finding.number in (12, 27) for finding in found)


def test_every_invariant_has_a_history_that_breaks_it_and_a_sentence() -> None:
    assert {name for name, _, _ in BREAKING} == {each.name for each in INVARIANTS}
    assert all(each.sentence.endswith(".") for each in INVARIANTS)
    assert len({each.number for each in INVARIANTS}) == len(INVARIANTS)


def test_an_invariant_that_is_excepted_is_not_judged() -> None:
    broken = run([refused(503)], [tried("a", status=503)], became("a", "fail", 0.0))
    assert [finding.name for finding in judge(broken, DECLARED)] == ["fallback-saves"]
    assert judge(broken, DECLARED, but=frozenset({"fallback-saves"})) == ()


def test_a_gateway_without_headers_is_not_judged_by_them() -> None:
    silent = replace(
        DECLARED, dialect=replace(DECLARED.dialect, provider=None, request_id=None, latency_ms=None, fallback=None)
    )
    history = run([replace(asked(*HELLO), headers=(EVENT_STREAM,))], [tried("a", status=503), tried("b", *HELLO)])
    assert judge(history, silent) == ()
