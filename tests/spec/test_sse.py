"""Bytes in, events out, wherever the bytes are split."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_spec.errors import RemoteProtocolError
from routeproof_spec.sse import EVENT_BYTES_MAX, Event, SSEDecoder


def decode(*pieces: bytes) -> list[Event]:
    decoder = SSEDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: one\n\n", [Event(data="one")]),
        (b"data:one\n\n", [Event(data="one")]),
        (b"data:  one\n\n", [Event(data=" one")]),
        (b"data: one\r\n\r\ndata: two\r\rdata: three\n\n", [Event(data="one"), Event(data="two"), Event(data="three")]),
        (b"data: a\ndata: b\n\n", [Event(data="a\nb")]),
        (b": ping\n\n: ping\n\ndata: x\n\n", [Event(data="x")]),
        (b"event: error\ndata: {}\n\n", [Event(data="{}", type="error")]),
        (b"event: error\n\ndata: x\n\n", [Event(data="x")]),
        (b"id: 7\nretry: 10\ndata: x\n\n", [Event(data="x")]),
        (b"\xef\xbb\xbfdata: x\n\n", [Event(data="x")]),
        (b"data\n\n", [Event(data="")]),
        (b"data: no blank line follows\n", []),
        ("data: é漢🙂\n\n".encode(), [Event(data="é漢🙂")]),
    ],
)
def test_the_grammar_of_the_event_stream_is_obeyed(stream: bytes, events: list[Event]) -> None:
    assert decode(stream) == events


lines = st.lists(
    st.sampled_from(["data: a", "data: é漢🙂", "data:", ": comment", "event: error", "id: 1", "", "", "data: [DONE]"]),
    max_size=30,
)


@given(lines=lines, ends=st.sampled_from(["\n", "\r\n", "\r"]), cuts=st.lists(st.integers(0, 400), max_size=12))
def test_every_split_of_the_bytes_gives_the_same_events(lines: list[str], ends: str, cuts: list[int]) -> None:
    stream = "".join(line + ends for line in lines).encode()
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in itertools.pairwise(places)]
    assert decode(*pieces) == decode(stream)


@given(lines=lines)
def test_the_kind_of_line_end_does_not_matter(lines: list[str]) -> None:
    streams = ["".join(line + end for line in lines).encode() for end in ("\n", "\r\n", "\r")]
    assert decode(streams[0]) == decode(streams[1]) == decode(streams[2])


def test_a_line_without_end_is_refused_at_the_limit() -> None:
    decoder = SSEDecoder()
    with pytest.raises(RemoteProtocolError, match="longer than"):
        list(decoder.feed(b"data: " + b"x" * EVENT_BYTES_MAX))


def test_an_event_of_many_lines_is_refused_at_the_limit() -> None:
    decoder = SSEDecoder()
    line = b"data: " + b"x" * 1_000_000 + b"\n"
    with pytest.raises(RemoteProtocolError, match="longer than"):
        list(decoder.feed(line * 5))


def test_bytes_that_are_not_utf8_are_the_peers_error() -> None:
    decoder = SSEDecoder()
    with pytest.raises(RemoteProtocolError) as caught:
        list(decoder.feed(b"data: \xff\n"))
    assert caught.value.offending == b"data: \xff"


def test_what_is_left_over_shows() -> None:
    decoder = SSEDecoder()
    assert decoder.is_clean
    list(decoder.feed(b"data: x\n"))
    assert not decoder.is_clean
    list(decoder.feed(b"\n"))
    assert decoder.is_clean
