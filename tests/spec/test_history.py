"""A history survives its own file, and tells whose attempt was whose."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from routeproof_spec.history import Attempt, Ended, Exchange, FaultChange, Frame, History
from routeproof_spec.marker import MARKER_HEADER, find_marker, in_text, new_marker
from routeproof_spec.redaction import fingerprint, redact_headers


def attempt(provider: str, marker: str | None, received_at: float) -> Attempt:
    return Attempt(
        provider=provider,
        marker=marker,
        index=0,
        connection=1,
        reused=False,
        method="POST",
        path="/v1/chat/completions",
        request_headers=(("host", "a"),),
        request_body=b"{}",
        received_at=received_at,
        frames=(Frame(at=received_at, data=b"\xff\x00"),),
        ended=Ended.RESET,
    )


def exchange(marker: str) -> Exchange:
    return Exchange(
        marker=marker,
        method="POST",
        path="/v1/chat/completions",
        request_headers=(),
        request_body=b"\x00\xff",
        sent_at=1.0,
        status=200,
        headers=(("content-type", "text/event-stream"),),
        frames=(Frame(at=1.5, data=b"da"), Frame(at=2.0, data=b"ta")),
        ended_at=3.0,
    )


def test_a_history_is_read_back_as_it_was_written() -> None:
    history = History(
        exchanges=(exchange("m"),),
        attempts=(attempt("alpha", "m", 1.1), attempt("beta", None, 1.2)),
        faults=(FaultChange(at=0.5, provider="alpha", behaviour="fail(503)"),),
        seed="7",
        notes={"level": "app"},
    )
    assert History.from_json(history.to_json()) == history


def test_attempts_are_attributed_by_marker_alone_in_order_of_arrival() -> None:
    late, early, other = attempt("alpha", "m", 2.0), attempt("beta", "m", 1.0), attempt("gamma", None, 0.0)
    history = History(attempts=(late, early, other))
    assert history.attempts_of("m") == (early, late)
    assert history.attempts_of("n") == ()


def test_an_exchange_tells_its_body_duration_and_headers() -> None:
    one = exchange("m")
    assert (one.body, one.duration, one.header("Content-Type")) == (b"data", 2.0, "text/event-stream")
    assert one.header("x-absent") is None


def test_credentials_keep_only_a_fingerprint() -> None:
    headers = (("Authorization", "Bearer sk-secret"), ("X-API-Key", "sk-secret"), ("Accept", "*/*"))
    print_ = fingerprint("sk-secret")
    assert redact_headers(headers) == (("authorization", f"Bearer {print_}"), ("x-api-key", print_), ("accept", "*/*"))
    assert "secret" not in print_


@given(seed=st.integers(), text=st.text(max_size=50))
def test_a_marker_is_found_in_any_text(seed: int, text: str) -> None:
    marker = new_marker(Random(seed))
    body = f"{text.replace('[[rp:', '')} {in_text(marker)}".encode("utf-8", "surrogatepass")
    assert find_marker((), body) == marker


def test_the_text_outweighs_the_header_and_the_last_mark_the_earlier() -> None:
    headers = ((MARKER_HEADER, "fromheader"),)
    assert find_marker(headers, b"[[rp:first]] [[rp:last]]") == "last"
    assert find_marker(headers, b"no mark") == "fromheader"
    assert find_marker(((MARKER_HEADER, "bad marker\n"),), b"") is None
    assert find_marker((), b"[[rp:" + b"x" * 65 + b"]]") is None
