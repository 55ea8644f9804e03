"""Every fault of the connection and of HTTP, as bytes on the wire."""

from __future__ import annotations

import json
import zlib
from email.utils import parsedate_to_datetime
from typing import Literal

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from routeproof_simulator.algebra import Behaviour, rewrite
from routeproof_simulator.behaviours import (
    bad_chunk,
    bad_gzip,
    bad_json,
    close_on_reuse,
    cut,
    drip,
    error_in_200,
    fail,
    gzip,
    http_10,
    insert,
    interim,
    only_comments,
    oversized_body,
    oversized_headers,
    redirect,
    reset,
    slow_close,
    stall,
    wrong_content_length,
)
from routeproof_simulator.journal import Journal
from routeproof_simulator.world.network import MemoryStream
from routeproof_spec.history import Attempt, Ended
from tests.simulator.asking import answer, chat, raw, read_all, request, situation
from tests.simulator.on_the_wire import CLOSING, converse, dechunked, parted, play, told
from tests.simulator.strategies import any_behaviour

WHOLE = raw(chat(), headers=CLOSING)
STREAM = raw(chat(stream=True), headers=CLOSING)
STREAM_SCRIPT = answer(request(chat(stream=True))).script
BODY = parted(play(WHOLE)[0])[1]
BOTH = pytest.mark.parametrize("sent", [WHOLE, STREAM], ids=["whole", "stream"])


def one(sent: bytes, behaviour: Behaviour) -> tuple[bytes, Attempt]:
    back, (attempt,) = play(sent, behaviour)
    assert attempt.faults == (str(behaviour),)
    return back, attempt


def header(head: bytes, name: str) -> str | None:
    lines = head.decode().split("\r\n")[1:]
    found = [line.partition(": ")[2] for line in lines if line.startswith(name + ":")]
    assert len(found) <= 1
    return found[0] if found else None


# Where it breaks off


@BOTH
def test_an_answer_breaks_off_in_the_middle_of_its_headers(sent: bytes) -> None:
    back, attempt = one(sent, cut(before="headers_end"))
    assert back.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: ")
    assert b"\r\n\r\n" not in back
    assert (attempt.frames, attempt.ended) == ((), Ended.CUT)
    back, attempt = one(sent, reset(before="headers_end"))
    assert back.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: ")
    assert back.endswith(b"(reset)")
    assert b"\r\n\r\n" not in back
    assert attempt.ended is Ended.RESET


@BOTH
def test_the_headers_can_stall_in_their_middle_and_then_be_as_they_were(sent: bytes) -> None:
    plain = play(sent)[0]

    async def talk(stream: MemoryStream, journal: Journal) -> None:
        del journal
        await stream.send_all(sent)
        begun = await stream.receive_some()
        assert trio.current_time() == 0.0
        rest = await read_all(stream)
        assert trio.current_time() == 3.0
        assert b"\r\n\r\n" not in begun
        assert begun + rest == plain

    converse(stall(before="headers_end", seconds=3.0), talk)


def test_a_chunk_is_shorter_than_it_says() -> None:
    back, attempt = one(STREAM, cut(before="chunk_end"))
    _, rest = parted(back)
    chunks = rest.split(b"\r\n")
    size, data = chunks[-2:]
    assert 0 < len(data) < int(size, 16)
    assert attempt.body == chunks[1] + data
    assert attempt.ended is Ended.CUT
    assert told(WHOLE, cut(before="chunk_end")).faults == ()


def test_a_chunk_can_stall_in_its_middle_and_then_be_as_it_was() -> None:
    back, attempt = one(STREAM, stall(before="chunk_end", seconds=3.0))
    assert back == play(STREAM)[0]
    assert attempt.body == dechunked(back)[1]
    assert [frame.at for frame in attempt.frames[:3]] == [0.0, 0.0, 3.0]


@pytest.mark.parametrize("breaks", [cut(bytes=20), cut(before="character_end")], ids=["in JSON", "in a character"])
def test_a_whole_answer_ends_before_its_true_content_length(breaks: Behaviour) -> None:
    head, body = parted(one(WHOLE, breaks)[0])
    assert header(head, "content-length") == str(len(BODY))
    assert BODY.startswith(body)
    assert len(body) < len(BODY)


@pytest.mark.parametrize("place", ["headers_end", "chunk_end"])
def test_what_is_inserted_within_holds_nothing_back(place: Literal["headers_end", "chunk_end"]) -> None:
    _, body = dechunked(one(STREAM, insert(before=place, text=": one more\n\n"))[0])
    assert body.replace(b": one more\n\n", b"") == dechunked(play(STREAM)[0])[1]


def test_what_is_inserted_before_the_headers_is_no_part_of_the_answer() -> None:
    back, attempt = one(WHOLE, insert(before="headers", text="well, "))
    assert back == b"well, " + play(WHOLE)[0]
    assert attempt.body == BODY
    assert rewrite(insert(before="headers", text="x") | bad_json(), STREAM_SCRIPT, situation())[1][1:] == (
        "bad_json()",
    )


# How the connection ends


@BOTH
def test_a_slow_close_comes_after_a_complete_answer(sent: bytes) -> None:
    body = parted(play(sent)[0])[1]

    async def talk(stream: MemoryStream, journal: Journal) -> None:
        await stream.send_all(sent.replace(b"connection: close\r\n", b""))
        answered = await stream.receive_some()
        assert (header(parted(answered)[0], "connection"), parted(answered)[1]) == ("close", body)
        assert await stream.receive_some() == b""
        assert trio.current_time() == 5.0
        (attempt,) = journal.attempts
        assert (attempt.ended, attempt.ended_at) == (Ended.COMPLETE, 0.0)

    converse(slow_close(5.0), talk)


def test_who_leaves_during_a_slow_close_has_had_its_answer() -> None:
    async def talk(stream: MemoryStream, journal: Journal) -> None:
        await stream.send_all(WHOLE)
        await trio.sleep(1.0)
        stream.close(reset=False)
        await trio.sleep(0.1)
        assert journal.attempts[0].ended is Ended.COMPLETE

    converse(slow_close(5.0), talk)


@BOTH
def test_a_connection_that_was_kept_ends_as_the_next_request_arrives(sent: bytes) -> None:
    kept = sent.replace(b"connection: close\r\n", b"")

    async def talk(stream: MemoryStream, journal: Journal) -> None:
        await stream.send_all(kept)
        answered = await stream.receive_some()
        assert header(parted(answered)[0], "connection") is None
        await trio.sleep(30.0)
        await stream.send_all(kept)
        assert await stream.receive_some() == b""
        (attempt,) = journal.attempts
        assert attempt.ended is Ended.COMPLETE

    converse(close_on_reuse(), talk)


@BOTH
def test_headers_drip_too_where_it_is_said(sent: bytes) -> None:
    async def talk(stream: MemoryStream, journal: Journal) -> None:
        await stream.send_all(sent)
        received = [await stream.receive_some() for _ in range(5)]
        assert received == [b"HTTP/1.1 2", b"00 OK\r\ncon", b"tent-type:", *received[3:]]
        assert trio.current_time() == pytest.approx(2.0)
        assert journal.attempts[0].frames == ()
        stream.close(reset=False)

    converse(drip(0.5, 10, headers=True), talk)
    slow, fast = drip(0.5, 10, headers=True), drip(0.5, 10)
    assert dechunked(play(STREAM, slow)[0]) == dechunked(play(STREAM, fast)[0])
    assert play(WHOLE, slow)[0] == play(WHOLE)[0]


def test_comments_alone_go_on_until_the_client_leaves() -> None:
    back, (attempt,) = play(STREAM, only_comments(2.0), seconds=7.0)
    assert back.count(b": waiting\n\n") == len(attempt.frames) == 4
    assert [frame.at for frame in attempt.frames] == [0.0, 2.0, 4.0, 6.0]
    assert told(WHOLE, only_comments()).faults == ()


# The head


def test_a_content_length_says_more_or_less_than_there_is() -> None:
    for bytes_more in (10, -10):
        head, body = parted(one(WHOLE, wrong_content_length(bytes_more))[0])
        assert (header(head, "content-length"), body) == (str(len(BODY) + bytes_more), BODY)
    assert told(STREAM, wrong_content_length(10)).faults == ()


def test_who_waits_for_more_than_there_is_waits_until_the_connection_ends() -> None:
    sent = WHOLE.replace(b"connection: close\r\n", b"")

    async def talk(stream: MemoryStream, journal: Journal) -> None:
        del journal
        await stream.send_all(sent)
        assert (await stream.receive_some()).endswith(BODY)
        with trio.move_on_after(60.0):
            await stream.receive_some()
        assert trio.current_time() == 60.0

    converse(wrong_content_length(10), talk)


@BOTH
def test_oversized_headers_are_as_large_as_is_said(sent: bytes) -> None:
    head, _ = parted(one(sent, oversized_headers(300_000))[0])
    assert len(header(head, "x-padding") or "") == 300_000


def test_an_oversized_body_means_the_same() -> None:
    head, body = parted(one(WHOLE, oversized_body(300_000))[0])
    assert len(body) == 300_000
    assert header(head, "content-length") == "300000"
    assert json.loads(body) == json.loads(BODY)
    assert told(WHOLE, oversized_body(10)).faults == ()


@BOTH
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_leads_to_itself(sent: bytes, status: int) -> None:
    head, body = parted(one(sent, redirect(status))[0])
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert (header(head, "location"), header(head, "content-length"), body) == ("/v1/chat/completions", "0", b"")
    elsewhere, _ = parted(one(sent, redirect(location="http://127.0.0.1:9/"))[0])
    assert header(elsewhere, "location") == "http://127.0.0.1:9/"


@BOTH
@pytest.mark.parametrize("status", [100, 102, 103])
def test_interim_answers_come_before_the_answer(sent: bytes, status: int) -> None:
    back, attempt = one(sent, interim(status, times=2))
    first, second, answered = back.split(b"\r\n\r\n", 2)
    assert first == second
    assert first.startswith(f"HTTP/1.1 {status} ".encode())
    assert answered == play(sent)[0]
    assert attempt.status == 200


def test_http_10_neither_chunks_nor_keeps_the_connection() -> None:
    whole, body = parted(one(raw(chat()), http_10())[0])
    assert (whole.split(b"\r\n")[0], body) == (b"HTTP/1.0 200 OK", BODY)
    stream, events = parted(one(raw(chat(stream=True)), http_10())[0])
    assert (header(stream, "transfer-encoding"), header(stream, "connection")) == (None, "close")
    assert events == dechunked(play(STREAM)[0])[1]


# The framing, and what is packed in it


def test_the_first_chunk_has_no_size() -> None:
    _, rest = parted(one(STREAM, bad_chunk("not_hex"))[0])
    with pytest.raises(ValueError, match="invalid literal"):
        int(rest.partition(b"\r\n")[0], 16)


def test_the_first_chunk_has_no_end() -> None:
    _, rest = parted(one(STREAM, bad_chunk("unended"))[0])
    size, _, data = rest.partition(b"\r\n")
    assert data[: int(size, 16)].endswith(b"\n\n")
    assert data[int(size, 16) :][:2] != b"\r\n"


def test_a_body_is_framed_twice() -> None:
    head, once = dechunked(one(STREAM, bad_chunk("twice"))[0])
    assert dechunked(head + b"\r\n\r\n" + once) == dechunked(play(STREAM)[0])


def test_the_framing_is_named_twice() -> None:
    back, _ = one(STREAM, bad_chunk("header_twice"))
    assert back.count(b"transfer-encoding: chunked\r\n") == 2
    assert dechunked(back)[1] == dechunked(play(STREAM)[0])[1]


def test_what_has_no_chunks_has_none_framed_wrongly() -> None:
    for style in ("not_hex", "unended", "twice", "header_twice"):
        assert told(WHOLE, bad_chunk(style)).faults == ()


@BOTH
def test_broken_gzip_says_that_it_is_gzip_and_is_not(sent: bytes) -> None:
    unpack = dechunked if sent is STREAM else parted
    head, good = unpack(one(sent, gzip())[0])
    assert zlib.decompress(good, wbits=31) == unpack(play(sent)[0])[1]
    head, packed = unpack(one(sent, bad_gzip())[0])
    assert header(head, "content-encoding") == "gzip"
    with pytest.raises(zlib.error, match="invalid block type"):
        zlib.decompress(packed, wbits=31)


# Errors


@BOTH
@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 429, 500, 502, 503, 504, 529])
def test_every_status_has_the_providers_own_error_body(sent: bytes, status: int) -> None:
    head, body = parted(one(sent, fail(status))[0])
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}


def test_an_error_may_be_named_by_its_kind() -> None:
    def told_as(behaviour: Behaviour) -> tuple[bytes, object]:
        head, body = parted(one(WHOLE, behaviour)[0])
        return head[9:12], json.loads(body)["error"]["code"]

    assert told_as(fail(kind="context_length_exceeded")) == (b"400", "context_length_exceeded")
    assert told_as(fail(kind="content_filter")) == (b"400", "content_filter")
    assert told_as(fail(kind="insufficient_quota")) == (b"429", "insufficient_quota")
    assert told_as(fail(kind="model_retired")) == (b"404", "model_not_found")
    assert told_as(fail(kind="overloaded")) == (b"529", None)
    head, body = parted(one(STREAM, fail(kind="html_502"))[0])
    assert head.startswith(b"HTTP/1.1 502 ")
    assert (header(head, "content-type"), body[:6]) == ("text/html", b"<html>")


def test_retry_after_is_seconds_a_date_milliseconds_or_nonsense() -> None:
    def after(behaviour: Behaviour, name: str = "retry-after") -> str | None:
        return header(parted(one(WHOLE, behaviour)[0])[0], name)

    assert after(fail(429)) is None
    assert after(fail(429, retry_after=2)) == "2"
    assert after(fail(429, retry_after=0.25)) == "0.25"
    assert after(fail(429, retry_after=31_536_000)) == "31536000"
    assert after(fail(429, retry_after="soon")) == "soon"
    assert after(fail(429, retry_after_ms=250), "retry-after-ms") == "250"
    date = after(fail(429, retry_after_date=90)) or ""
    now = after(fail(429), "date") or ""
    assert (parsedate_to_datetime(date) - parsedate_to_datetime(now)).total_seconds() == 90


@BOTH
def test_an_error_object_comes_with_status_200(sent: bytes) -> None:
    back, _ = one(sent, error_in_200())
    assert back.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'{"error":{"message":' in back


# All of them


@settings(max_examples=60)
@given(any_behaviour, st.sampled_from([WHOLE, STREAM]))
def test_every_behaviour_is_played_and_journalled(behaviour: Behaviour, sent: bytes) -> None:
    _, (attempt,) = play(sent, behaviour, seconds=60.0)
    assert attempt.method == "POST"
