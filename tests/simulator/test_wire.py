from __future__ import annotations

import math
from contextlib import suppress

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from routeproof_simulator.algebra import Behaviour
from routeproof_simulator.behaviours import cut, drip, empty, fail, first, latency, ok, reset, slicer, stall, ttft
from routeproof_simulator.journal import Journal
from routeproof_simulator.wire import connection as wire
from routeproof_simulator.wire.refusals import BODY_BYTES_MAX, HEAD_BYTES_MAX
from routeproof_simulator.world.network import MemoryStream
from routeproof_spec.history import Ended
from tests.simulator.asking import answer as planned
from tests.simulator.asking import body_of, chat, chunks_of, raw, read_all, request
from tests.simulator.on_the_wire import CLOSING, converse, dechunked, play, told


def test_a_whole_answer_has_its_length_and_its_journal() -> None:
    back, (attempt,) = play(raw(chat(), headers=CLOSING))
    head, _, body = back.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"content-length: {len(body)}".encode() in head
    assert (attempt.status, attempt.ended, attempt.body, attempt.connection) == (200, Ended.COMPLETE, body, 7)


def test_a_stream_is_chunked_and_its_frames_are_journalled_one_by_one() -> None:
    back, (attempt,) = play(raw(chat(stream=True), headers=CLOSING))
    head, body = dechunked(back)
    assert b"transfer-encoding: chunked" in head
    assert chunks_of(body)
    assert attempt.body == body
    assert len(attempt.frames) == 15


def test_a_connection_serves_request_after_request() -> None:
    back, attempts = play(raw(chat()) + raw(chat(stream=True)) + raw(chat(), headers=CLOSING))
    assert back.count(b"HTTP/1.1 200 OK") == 3
    assert [(each.reused, each.index) for each in attempts] == [(False, 0), (True, 1), (True, 2)]


def test_an_old_client_gets_a_stream_that_ends_with_the_connection() -> None:
    back, _ = play(raw(chat(stream=True)).replace(b"HTTP/1.1", b"HTTP/1.0"))
    head, _, body = back.partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert b"connection: close" in head
    assert chunks_of(body)


def test_a_head_request_gets_no_body() -> None:
    sent = raw(None, path="/v1/models", headers=CLOSING).replace(b"POST", b"HEAD")
    back, _ = play(sent)
    assert back.startswith(b"HTTP/1.1 200 OK")
    assert back.endswith(b"\r\n\r\n")


def test_who_waits_for_100_gets_it() -> None:
    async def talk(stream: MemoryStream, journal: Journal) -> None:
        head, _, body = raw(chat(), headers={"expect": "100-continue", **CLOSING}).partition(b"\r\n\r\n")
        await stream.send_all(head + b"\r\n\r\n")
        assert await stream.receive_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await stream.send_all(body)
        assert (await read_all(stream)).startswith(b"HTTP/1.1 200")
        assert len(journal.attempts) == 1

    converse(ok, talk)


def test_who_does_not_wait_for_100_gets_none() -> None:
    back, _ = play(raw(chat(), headers={"expect": "100-continue", **CLOSING}))
    assert back.startswith(b"HTTP/1.1 200")


@settings(max_examples=50)
@given(st.lists(st.integers(1, 400), max_size=8))
def test_any_split_of_a_request_is_the_same_request(sizes: list[int]) -> None:
    sent = raw(chat(user="é漢🚀"), headers=CLOSING)

    async def talk(stream: MemoryStream, journal: Journal) -> None:
        rest = sent
        for size in sizes:
            if not rest:
                break
            await stream.send_all(rest[:size])
            rest = rest[size:]
            await trio.sleep(0.01)
        if rest:
            await stream.send_all(rest)
        assert (await read_all(stream)).startswith(b"HTTP/1.1 200")
        (attempt,) = journal.attempts
        assert attempt.request_body == sent.partition(b"\r\n\r\n")[2]

    converse(ok, talk)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET /v1/models\r\n\r\n", 505),
        (b"POST /v1/models HTTP/1.1\r\ncontent-length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * HEAD_BYTES_MAX + b"\r\n\r\n", 431),
        (b"GET /" + b"y" * 4 * HEAD_BYTES_MAX, 431),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1), 413),
        (
            b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n" % (BODY_BYTES_MAX + 1)
            + b"x" * (BODY_BYTES_MAX + 1),
            413,
        ),
    ],
)
def test_what_is_no_request_is_refused_and_journalled(sent: bytes, status: int) -> None:
    back, (attempt,) = play(sent)
    assert back.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"connection: close" in back
    assert (attempt.status, attempt.ended) == (status, Ended.BROKEN)


@given(st.binary(max_size=300))
def test_no_bytes_end_the_server(sent: bytes) -> None:
    play(sent, seconds=1.0)


def test_a_request_that_never_ends_is_refused_in_time() -> None:
    sent: list[float] = []

    async def talk(stream: MemoryStream, journal: Journal) -> None:
        async with trio.open_nursery() as nursery:

            async def drip_body() -> None:
                await stream.send_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n")
                with suppress(trio.BrokenResourceError):  # what is sent after the refusal
                    for _ in range(1000):
                        await stream.send_all(b"x")
                        await trio.sleep(1.0)
                        sent.append(trio.current_time())

            nursery.start_soon(drip_body)
            assert (await read_all(stream)).startswith(b"HTTP/1.1 408")
            assert trio.current_time() == pytest.approx(wire.REQUEST_SECONDS_MAX, abs=wire.LINGER_SECONDS_MAX + 1)
            assert journal.attempts[0].ended is Ended.BROKEN

    converse(ok, talk)
    assert sent[-1] < wire.REQUEST_SECONDS_MAX + 5.0


def test_an_idle_connection_ends() -> None:
    async def talk(stream: MemoryStream, journal: Journal) -> None:
        assert await read_all(stream) == b""
        assert (trio.current_time(), journal.attempts) == (wire.IDLE_SECONDS_MAX, ())

    converse(ok, talk)


# Behaviours on the wire


def test_nothing_is_sent_before_its_time() -> None:
    attempt = told(raw(chat(stream=True), headers=CLOSING), latency(1.0) | ttft(2.0))
    assert [frame.at for frame in attempt.frames] == [1.0] + [3.0] * 14
    assert (attempt.received_at, attempt.ended_at) == (0.0, 3.0)
    assert attempt.faults == ("latency(seconds=1.0)", "ttft(seconds=2.0)")


def test_frames_that_are_due_together_leave_together() -> None:
    async def talk(stream: MemoryStream, journal: Journal) -> None:
        del journal
        await stream.send_all(raw(chat(stream=True), headers=CLOSING))
        assert chunks_of(dechunked(await stream.receive_some())[1])

    converse(ok, talk)


def test_slices_leave_one_by_one() -> None:
    attempt = told(raw(chat(), headers=CLOSING), drip(0.5, bytes=100))
    assert [len(frame.data) for frame in attempt.frames[:-1]] == [100] * (len(attempt.frames) - 1)
    assert [frame.at for frame in attempt.frames] == [0.5 * each for each in range(len(attempt.frames))]
    assert attempt.body == told(raw(chat(), headers=CLOSING), slicer(1)).body


@pytest.mark.parametrize("stream", [False, True])
def test_a_reset_before_the_headers_sends_nothing(stream: bool) -> None:
    back, (attempt,) = play(raw(chat(stream=stream)), reset(before="headers"))
    assert (back, attempt.status, attempt.ended) == (b"(reset)", None, Ended.RESET)


def test_a_cut_stream_has_no_last_chunk() -> None:
    back, (attempt,) = play(raw(chat(stream=True)), cut(3))
    assert back.endswith(b"\n\n\r\n")
    assert not back.endswith(b"0\r\n\r\n")
    assert (len(attempt.frames), attempt.ended, attempt.faults) == (3, Ended.CUT, ("cut(frames=3)",))


def test_a_reset_in_a_stream_comes_after_its_frames() -> None:
    back, (attempt,) = play(raw(chat(stream=True)), reset(3))
    assert back.count(b"data: ") == 3
    assert back.endswith(b"(reset)")
    assert attempt.ended is Ended.RESET


def test_an_empty_stream_ends_well() -> None:
    back, (attempt,) = play(raw(chat(stream=True), headers=CLOSING), empty())
    assert dechunked(back)[1] == b""
    assert (attempt.frames, attempt.ended) == ((), Ended.COMPLETE)


def test_a_stall_ends_when_its_bound_does() -> None:
    _, (attempt,) = play(raw(chat(stream=True)), stall(1))
    assert (attempt.ended_at, attempt.ended) == (wire.PLAY_SECONDS_MAX, Ended.CUT)


def test_the_first_attempts_fail_and_the_next_succeeds() -> None:
    _, attempts = play(raw(chat()) * 2 + raw(chat(), headers=CLOSING), first(2, fail(503)))
    assert [each.status for each in attempts] == [503, 503, 200]


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("behaviour", [latency(60.0), stall(2), drip(1.0)])
def test_a_peer_that_goes_away_is_felt_at_once(behaviour: Behaviour, how: str) -> None:
    async def talk(stream: MemoryStream, journal: Journal) -> None:
        await stream.send_all(raw(chat(stream=True)))
        await trio.sleep(4.25)
        assert journal.open_count == 1
        stream.close(reset=how == "reset")
        await trio.sleep(0.001)
        (attempt,) = journal.attempts
        assert (attempt.ended, attempt.peer_gone_at, attempt.ended_at) == (Ended.LEFT, 4.25, 4.25)

    converse(behaviour, talk)


def test_a_request_that_comes_while_another_is_answered_waits_its_turn() -> None:
    async def talk(stream: MemoryStream, journal: Journal) -> None:
        await stream.send_all(raw(chat()))
        await trio.sleep(1.0)
        await stream.send_all(raw(chat(), headers=CLOSING))
        assert (await read_all(stream)).count(b"HTTP/1.1 200") == 2
        assert [each.ended_at for each in journal.attempts] == [2.0, 4.0]

    converse(latency(2.0), talk)


def test_the_same_bytes_give_the_same_bytes() -> None:
    sent = raw(chat(stream=True, n=2), headers=CLOSING)
    assert play(sent, slicer(7)) == play(sent, slicer(7))
    assert math.isfinite(told(sent).ended_at)


def test_the_wire_sends_what_the_script_says() -> None:
    attempt = told(raw(chat(stream=True), headers=CLOSING))
    assert attempt.body == body_of(planned(request(chat(stream=True)), marker="").script)
