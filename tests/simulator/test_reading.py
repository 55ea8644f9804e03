"""One contract for both readers: what they take for a request, what they refuse, and that no split changes either."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_simulator.wire import reading
from routeproof_simulator.wire.reading_h11 import H11Reader
from routeproof_simulator.wire.reading_httptools import HttptoolsReader
from routeproof_simulator.wire.refusals import BODY_BYTES_MAX, HEAD_BYTES_MAX
from tests.simulator.malformed import CHUNKED, MALFORMED, OLD, SMUGGLED, SMUGGLING, head, post

AnyReader = HttptoolsReader | H11Reader
READERS: list[type[AnyReader]] = [HttptoolsReader, H11Reader]

both = pytest.mark.parametrize("kind", READERS, ids=lambda kind: kind.__name__)


def opened(kind: type[AnyReader]) -> AnyReader:
    return kind(lambda: 1.5, 7)


def fed(kind: type[AnyReader], *pieces: bytes) -> AnyReader:
    reader = opened(kind)
    for piece in pieces:
        reader.feed(piece)
    return reader


# What is read


@both
def test_a_request_is_read_whole(kind: type[AnyReader]) -> None:
    reader = fed(kind, post(b"hello", "X-Odd:  caf\xe9 \t"))
    (request,) = reader.requests
    assert (request.method, request.target, request.path, request.query) == (
        "POST",
        "/v1/models?a=b",
        "/v1/models",
        "a=b",
    )
    assert request.headers == (("host", "alpha"), ("content-length", "5"), ("x-odd", "caf\xe9"))
    assert (request.body, request.at, request.connection, request.reused) == (b"hello", 1.5, 7, False)
    assert (request.keep_alive, request.is_http_10, reader.is_in_request) == (True, False, False)


@both
def test_a_hundred_requests_in_one_piece_are_read_in_order(kind: type[AnyReader]) -> None:
    reader = fed(kind, b"".join(post(b"%d" % index) for index in range(100)))
    assert [request.body for request in reader.requests] == [b"%d" % index for index in range(100)]
    assert [request.reused for request in reader.requests] == [False] + [True] * 99


@both
@pytest.mark.parametrize(
    ("sent", "keeps_alive", "is_old"),
    [
        (head("GET / HTTP/1.1"), True, False),
        (head("GET / HTTP/1.1", "connection: close"), False, False),
        (head("GET / HTTP/1.1", "connection: keep-alive, Close"), False, False),
        (OLD, False, True),
        (head("GET / HTTP/1.0", "Connection: Keep-Alive"), True, True),
    ],
)
def test_who_keeps_the_connection_is_told(kind: type[AnyReader], sent: bytes, keeps_alive: bool, is_old: bool) -> None:
    (request,) = fed(kind, sent).requests
    assert (request.keep_alive, request.is_http_10) == (keeps_alive, is_old)


@both
@pytest.mark.parametrize("sent", [head("GET / HTTP/1.1", "connection: close"), OLD])
def test_what_follows_the_last_request_is_none(kind: type[AnyReader], sent: bytes) -> None:
    assert len(fed(kind, sent + sent).requests) == 1
    assert len(fed(kind, sent, sent).requests) == 1


@both
def test_a_chunked_body_is_put_together_and_its_trailers_are_no_headers(kind: type[AnyReader]) -> None:
    chunks = b"2;note=x\r\nhe\r\n003\r\nllo\r\n0\r\nauthorization: stolen\r\n\r\n"
    first, second = fed(kind, CHUNKED + chunks + post(b"next")).requests
    assert (first.body, first.header("authorization"), second.body) == (b"hello", None, b"next")


@both
def test_empty_lines_before_a_request_are_skipped(kind: type[AnyReader]) -> None:
    reader = fed(kind, b"\r\n", b"\r\n" + post(b""))
    assert len(reader.requests) == 1
    assert not fed(kind, b"\r\n").is_in_request


@both
def test_who_waits_for_100_is_known_until_the_body_begins(kind: type[AnyReader]) -> None:
    request = post(b"hello", "expect: 100-continue")
    end = request.index(b"\r\n\r\n") + 4
    reader = opened(kind)
    assert (reader.feed(request[:end]), reader.wants_continue, reader.is_in_request) == (True, True, True)
    assert (reader.feed(request[end : end + 1]), reader.wants_continue) == (False, False)
    reader.feed(request[end + 1 :])
    assert (len(reader.requests), reader.is_in_request) == (1, False)
    assert not fed(kind, request).wants_continue


@both
@pytest.mark.parametrize(
    "sent",
    [head("GET / HTTP/1.1", "connection: upgrade", "upgrade: websocket"), head("CONNECT alpha:80 HTTP/1.1")],
)
def test_an_offer_of_another_protocol_is_answered_and_ends_the_reading(kind: type[AnyReader], sent: bytes) -> None:
    reader = fed(kind, sent + b"\x00\x01")
    assert len(reader.requests) == 1
    assert reader.refusal == (400, "The connection cannot change its protocol.")


# What is refused


@both
@pytest.mark.parametrize("sent", [*MALFORMED.values(), *SMUGGLING.values()], ids=[*MALFORMED, *SMUGGLING])
@pytest.mark.parametrize("size", [1, 100_000])
def test_what_is_malformed_is_refused_and_nothing_in_it_is_a_request(
    kind: type[AnyReader], sent: bytes, size: int
) -> None:
    data = sent + SMUGGLED
    reader = fed(kind, *(data[at : at + size] for at in range(0, len(data), size)))
    assert (reader.refusal or (None,))[0] == 400
    assert not reader.requests


@both
@pytest.mark.parametrize("version", [" HTTP/2.0", ""])
def test_another_version_is_refused_as_such(kind: type[AnyReader], version: str) -> None:
    assert fed(kind, head(f"GET /{version}")).refusal == (505, "HTTP/1.1 and HTTP/1.0 are spoken here.")


@both
@pytest.mark.parametrize("size", [1000, 10**7])
@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"y" * HEAD_BYTES_MAX + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 2**20,
        head("GET / HTTP/1.1", *["x: y"] * HEAD_BYTES_MAX),
    ],
    ids=["target", "value", "lines"],
)
def test_a_long_head_is_refused(kind: type[AnyReader], sent: bytes, size: int) -> None:
    reader = fed(kind, *(sent[at : at + size] for at in range(0, len(sent), size)))
    assert (reader.refusal or (None,))[0] == 431
    assert not reader.requests


@both
def test_a_head_of_almost_the_limit_is_read(kind: type[AnyReader]) -> None:
    assert len(fed(kind, head("GET / HTTP/1.1", "x: " + "y" * (HEAD_BYTES_MAX - 100))).requests) == 1


@both
def test_a_long_body_is_refused_announced_or_not(kind: type[AnyReader]) -> None:
    announced = fed(kind, head("POST / HTTP/1.1", f"content-length: {BODY_BYTES_MAX + 1}"))
    assert (announced.refusal or (None,))[0] == 413
    unannounced = fed(kind, CHUNKED, b"%x\r\n" % (BODY_BYTES_MAX + 1), bytes(BODY_BYTES_MAX), b"x")
    assert (unannounced.refusal or (None,))[0] == 413
    full = fed(kind, head("POST / HTTP/1.1", f"content-length: {BODY_BYTES_MAX}"), bytes(BODY_BYTES_MAX))
    assert (full.refusal, len(full.requests)) == (None, 1)


@both
@pytest.mark.parametrize("endless", [b"0\r\nx: ", b"1;"], ids=["a trailer", "an extension"])
def test_framing_without_end_is_refused(kind: type[AnyReader], endless: bytes) -> None:
    reader = fed(kind, CHUNKED + b"1\r\nx\r\n" + endless)
    for _ in range(HEAD_BYTES_MAX // 1000 + 1):
        reader.feed(b"y" * 1000)
    assert reader.refusal is not None
    assert not reader.requests


@both
def test_what_never_became_a_request_is_told_as_far_as_it_came(kind: type[AnyReader]) -> None:
    reader = fed(kind, head("POST /v1/x HTTP/1.1", "x: y", "content-length: 9") + b"half")
    unfinished = reader.unfinished()
    assert (unfinished.method, unfinished.target, unfinished.body) == ("POST", "/v1/x", b"half")
    assert unfinished.headers == (("host", "alpha"), ("x", "y"), ("content-length", "9"))
    malformed = fed(kind, b"POST /v1/x HTTP/1.1\r\nhost: a\r\nx: y\r\nbad line\r\n\r\n").unfinished()
    assert (malformed.method, malformed.target) == ("POST", "/v1/x")
    assert malformed.headers[:1] == (("host", "a"),)
    assert (opened(kind).unfinished().method, opened(kind).unfinished().headers) == ("", ())


# Which of the two


def test_httptools_reads_where_it_is_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reading.Reader is HttptoolsReader
    monkeypatch.setattr(importlib.util, "find_spec", dict[str, object]().get)
    try:
        assert importlib.reload(reading).Reader.__name__ == "H11Reader"
    finally:
        monkeypatch.undo()
        importlib.reload(reading)
    assert reading.Reader is HttptoolsReader


# Laws


REQUESTS = [
    post(b""),
    post("é漢🚀".encode()),
    post(b"hello\r\n\r\n", "X: y"),
    CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
    head("GET /v1/models HTTP/1.1"),
    head("GET / HTTP/1.0", "connection: keep-alive"),
    *SMUGGLING.values(),
    *MALFORMED.values(),
]
streams = st.lists(st.sampled_from(REQUESTS), max_size=4).map(b"".join)
cuts = st.lists(st.integers(1, 80), max_size=30)


def split(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces: list[bytes] = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [piece for piece in (*pieces, data) if piece]


def told(reader: AnyReader) -> tuple[object, ...]:
    """Return what came of it; the sentence of a refusal is each reader's own."""
    requests = [(each.method, each.target, each.headers, each.body, each.keep_alive) for each in reader.requests]
    return requests, (reader.refusal or (None,))[0], reader.is_in_request


@both
@given(data=streams, sizes=cuts)
def test_no_split_changes_what_is_read(kind: type[AnyReader], data: bytes, sizes: list[int]) -> None:
    assert told(fed(kind, *split(data, sizes))) == told(fed(kind, data))


@given(data=streams)
def test_the_readers_agree(data: bytes) -> None:
    first, second = (told(fed(kind, data)) for kind in READERS)
    assert first[:2] == second[:2]


@both
@given(st.lists(st.binary(max_size=60), max_size=5))
def test_no_bytes_are_an_error_of_ours(kind: type[AnyReader], pieces: list[bytes]) -> None:
    check: Callable[[], object] = fed(kind, b"POST ", *pieces).unfinished
    check()
