from __future__ import annotations

import math
import zlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_simulator import behaviours
from routeproof_simulator.algebra import BY_NAME, parts, rewrite
from routeproof_simulator.behaviours import (
    Behaviour,
    bad_json,
    chance,
    cut,
    drip,
    empty,
    error_in_200,
    fail,
    first,
    framing,
    gzip,
    interim,
    latency,
    no_done,
    no_finish,
    ok,
    oversized_body,
    pace,
    reset,
    slicer,
    stall,
    stream_error,
    ttft,
    usage,
    wrong_content_length,
    wrong_content_type,
)
from routeproof_simulator.faults import wire
from routeproof_simulator.ranges import OutOfRangeError
from routeproof_simulator.script import FOREVER, Close, Head, Kind, Script, Send, Wait
from routeproof_spec.history import first_header
from tests.simulator.asking import answer, body_of, chat, chunks_of, request, situation, tree_of
from tests.simulator.strategies import any_behaviour, cuts, scripts

WHOLE = answer(request(chat())).script
STREAM = answer(request(chat(stream=True, stream_options={"include_usage": True}))).script
HEAD, ROLE, FIRST, *_ = STREAM


def played(behaviour: Behaviour, script: Script, **more: Any) -> Script:
    return rewrite(behaviour, script, situation(**more))[0]


def kinds(script: Script) -> list[str]:
    return [op.kind for op in script if isinstance(op, Send)]


def status(script: Script) -> int:
    (head,) = (op for op in script if isinstance(op, Head))
    return head.status


def header(script: Script, name: str) -> str | None:
    (head,) = (op for op in script if isinstance(op, Head))
    return first_header(head.headers, name)


# Laws


@given(any_behaviour, any_behaviour, any_behaviour)
def test_composition_is_associative(a: Behaviour, b: Behaviour, c: Behaviour) -> None:
    assert (a | b) | c == a | (b | c)


@given(any_behaviour)
def test_ok_is_neutral(b: Behaviour) -> None:
    assert b | ok == b == ok | b


@given(any_behaviour)
def test_what_never_applies_is_ok_and_what_always_does_is_itself(b: Behaviour) -> None:
    assert first(0, b) == chance(0.0, b) == ok
    assert chance(1.0, b) == b


@given(st.integers(0, 30), st.integers(0, 30))
def test_the_earlier_cut_wins(n: int, m: int) -> None:
    assert cut(n) | cut(m) == cut(min(n, m))
    assert cut(bytes=n) | cut(bytes=m) == cut(bytes=min(n, m))


@given(cuts, cuts, scripts)
def test_merged_cuts_do_what_they_do_in_turn(one: Behaviour, other: Behaviour, script: Script) -> None:
    assert played(one | other, script) == played(other, played(one, script))


@given(any_behaviour, any_behaviour, scripts, st.integers(0, 3), st.floats(0, 1, exclude_max=True))
def test_a_composition_does_what_its_parts_do_in_turn(
    a: Behaviour, b: Behaviour, script: Script, attempt: int, draw: float
) -> None:
    one, other = situation(attempt=attempt, draw=draw), situation(attempt=attempt, draw=draw)
    in_turn = rewrite(b, rewrite(a, script, one)[0], one)[0]
    assert rewrite(a | b, script, other)[0] == in_turn


@given(any_behaviour, scripts)
def test_a_named_fault_is_a_changed_script(behaviour: Behaviour, script: Script) -> None:
    changed, faults = rewrite(behaviour, script, situation())
    assert bool(faults) or changed == script
    for part in parts(behaviour):  # alone, a part is named exactly when it changes something
        alone, names = rewrite(part, script, situation())
        assert names == ((str(part),) if alone != script else ())


@given(any_behaviour, scripts)
def test_every_script_has_at_most_one_head_and_nothing_after_its_close(behaviour: Behaviour, script: Script) -> None:
    changed = played(behaviour, script)
    assert sum(isinstance(op, Head) for op in changed) <= 1
    closed = [index for index, op in enumerate(changed) if isinstance(op, Close)]
    assert all(isinstance(op, Wait) for index in closed for op in changed[index + 1 :])


def test_every_behaviour_has_its_name_in_python() -> None:
    words = {"Behaviour", "compose", "ok"}
    assert set(behaviours.__all__) == words | set(BY_NAME)
    assert {
        name for name in BY_NAME if name not in {"first", "chance"} and getattr(behaviours, name).name != name
    } == set()


# How soon and how fast


def test_latency_comes_before_the_head_and_jitter_spreads_it() -> None:
    assert played(latency(2.0), WHOLE) == (Wait(2.0), *WHOLE)
    assert played(latency(2.0, jitter=1.0), WHOLE, draw=0.25) == (Wait(1.5), *WHOLE)


def test_ttft_holds_up_the_first_content_of_a_stream_and_the_head_of_a_whole_answer() -> None:
    assert played(ttft(2.0), STREAM)[:4] == (HEAD, ROLE, Wait(2.0), FIRST)
    assert played(ttft(2.0), WHOLE) == (Wait(2.0), *WHOLE)


def test_pace_takes_as_long_for_a_whole_answer_as_for_its_stream() -> None:
    waits = [op.seconds for op in played(pace(10.0), STREAM) if isinstance(op, Wait)]
    assert waits == [0.1] * 11
    assert played(pace(10.0), WHOLE) == (Wait(0.1 * 11), *WHOLE)


def test_slices_keep_every_byte_and_part_characters() -> None:
    sliced = played(slicer(1), STREAM)
    assert body_of(sliced) == body_of(STREAM)
    assert all(len(op.data) == 1 for op in sliced if isinstance(op, Send))
    assert played(slicer(3, 0.5), WHOLE) == played(drip(0.5, 3), WHOLE)


def test_a_frame_leaves_in_a_bounded_number_of_pieces() -> None:
    sliced = played(oversized_body(2**20) | slicer(1), WHOLE)
    assert len(sliced) < 3 * wire.PIECES_MAX
    assert len(body_of(sliced)) == 2**20


# What is answered instead


def test_a_failure_speaks_the_dialect_and_keeps_the_request_id() -> None:
    failed = played(fail(429, retry_after=2, message="Slow down.", code="insufficient_quota"), STREAM)
    assert (status(failed), header(failed, "retry-after")) == (429, "2")
    assert header(failed, "x-request-id") == header(STREAM, "x-request-id")
    assert tree_of(failed) == {
        "error": {"message": "Slow down.", "type": "requests", "param": None, "code": "insufficient_quota"}
    }


def test_a_failure_may_say_anything_at_all() -> None:
    failed = played(fail(502, body="<html>", content_type="text/html", retry_after="soon"), WHOLE)
    assert (body_of(failed), header(failed, "content-type")) == (b"<html>", "text/html")
    assert (header(failed, "content-length"), header(failed, "retry-after")) == ("6", "soon")


def test_a_wait_before_a_failure_stays() -> None:
    assert played(latency(1.0) | fail(503), WHOLE)[0] == Wait(1.0)


def test_empty_is_a_success_of_no_bytes() -> None:
    assert played(empty(), STREAM) == (HEAD,)
    assert (body_of(played(empty(), WHOLE)), header(played(empty(), WHOLE), "content-length")) == (b"", "0")


def test_an_answer_is_what_it_is_told_to_be() -> None:
    whole = played(behaviours.answer('{"choices": []}'), WHOLE)
    assert (status(whole), body_of(whole), header(whole, "content-length")) == (200, b'{"choices": []}', "15")
    assert body_of(played(behaviours.answer("data: [DONE]\n\n"), STREAM)) == b"data: [DONE]\n\n"


@pytest.mark.parametrize("script", [WHOLE, STREAM])
def test_a_compressed_answer_says_the_same_frame_by_frame(script: Script) -> None:
    packed = played(gzip(), script)
    unpacker = zlib.decompressobj(wbits=31)
    frames = [unpacker.decompress(op.data) for op in packed if isinstance(op, Send)]
    assert frames == [op.data for op in script if isinstance(op, Send)]
    assert (unpacker.eof, header(packed, "content-encoding")) == (True, "gzip")


def test_an_error_in_200_is_the_body_or_the_first_event() -> None:
    whole = played(error_in_200("Oh."), WHOLE)
    assert (status(whole), tree_of(whole)["error"]["message"]) == (200, "Oh.")
    stream = played(error_in_200("Oh."), STREAM)
    assert kinds(stream) == ["error"]
    assert body_of(stream).startswith(b'data: {"error":{"message":"Oh."')


def test_a_stream_error_ends_the_stream_without_done() -> None:
    assert kinds(played(stream_error(2), STREAM)) == ["role", "content", "error"]
    assert played(stream_error(2), WHOLE) == WHOLE


def test_only_the_label_is_wrong() -> None:
    mislabelled = played(wrong_content_type("text/plain"), WHOLE)
    assert (header(mislabelled, "content-type"), body_of(mislabelled)) == ("text/plain", body_of(WHOLE))


# Where it breaks off


def test_a_cut_whole_answer_keeps_its_content_length() -> None:
    cut_short = played(cut(bytes=10), WHOLE)
    assert cut_short == (WHOLE[0], Send(body_of(WHOLE)[:10]), Close("fin"))


@pytest.mark.parametrize(
    ("place", "sent"),
    [
        ("headers", []),
        ("body", []),
        ("role", []),
        ("content", ["role"]),
        ("finish", ["role", *["content"] * 12]),
        ("usage", ["role", *["content"] * 12, "finish"]),
        ("done", ["role", *["content"] * 12, "finish", "usage"]),
    ],
)
def test_a_place_has_a_name(place: Any, sent: list[str]) -> None:
    broken = played(reset(before=place), STREAM)
    assert (kinds(broken), broken[-1]) == (sent, Close("rst"))
    assert isinstance(broken[0], Head) is (place != "headers")


def test_a_cut_at_the_end_of_a_character_is_inside_it() -> None:
    sent = body_of(played(cut(before="character_end"), STREAM))
    with pytest.raises(UnicodeDecodeError, match="unexpected end of data"):
        sent.decode()


def test_a_place_that_the_answer_does_not_have_changes_nothing() -> None:
    assert rewrite(cut(before="role"), WHOLE, situation()) == (WHOLE, ())
    assert rewrite(cut(99), STREAM, situation()) == (STREAM, ())


def test_a_stall_is_for_ever_or_for_a_time() -> None:
    assert played(stall(1), STREAM) == (HEAD, ROLE, FOREVER)
    assert played(stall(1, seconds=3.0), STREAM) == (HEAD, ROLE, Wait(3.0), *STREAM[2:])


# What is wrong inside


def test_bad_json_is_framed_as_if_it_were_good() -> None:
    broken = played(bad_json(), WHOLE)
    assert header(broken, "content-length") == str(len(body_of(broken)))
    with pytest.raises(msgspec.DecodeError):
        tree_of(broken)
    stream = played(bad_json(1), STREAM)
    frame = stream[2]
    assert isinstance(frame, Send)
    assert frame.data.startswith(b'data: {"id"')
    assert frame.data.endswith(b"\n\n")
    assert (stream[:2], stream[3:]) == (STREAM[:2], STREAM[3:])


def test_a_stream_can_lack_its_ends() -> None:
    assert Kind.DONE not in kinds(played(no_done(), STREAM))
    assert Kind.FINISH not in kinds(played(no_finish(), STREAM))
    assert played(no_done() | no_finish(), WHOLE) == WHOLE


def test_usage_is_what_it_is_told_to_be_in_whole_and_stream() -> None:
    counted = {"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7}
    whole = tree_of(played(usage(7, 0), WHOLE))["usage"]
    *others, last = chunks_of(body_of(played(usage(7, 0), STREAM)))
    assert {name: whole[name] for name in counted} == counted
    assert last["usage"] == whole
    assert all(each["usage"] is None for each in others)


# Circumstances


def test_first_counts_attempts() -> None:
    assert [played(first(2, fail(503)), WHOLE, attempt=each) != WHOLE for each in range(4)] == [
        True,
        True,
        False,
        False,
    ]


def test_chance_follows_the_draw() -> None:
    assert played(chance(0.3, fail(503)), WHOLE, draw=0.29) != WHOLE
    assert played(chance(0.3, fail(503)), WHOLE, draw=0.3) == WHOLE


def test_a_fault_is_named_as_it_is_written() -> None:
    behaviour = first(2, fail(503, retry_after=1.5)) | cut(before="done")
    assert str(behaviour) == "first(n=2, behaviour=fail(status=503, retry_after=1.5)) | cut(before='done')"
    assert rewrite(behaviour, WHOLE, situation())[1] == ("first(n=2, behaviour=fail(status=503, retry_after=1.5))",)
    assert str(ok) == "ok"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: fail(42), "status must be at least 300, at most 599, not 42"),
        (lambda: fail(429, retry_after=-1), "retry_after must be at least 0, not -1"),
        (lambda: fail(429, retry_after="a\r\nb"), r"retry_after must be printable ASCII, not 'a\r\nb'"),
        (lambda: ttft(math.nan), "seconds must be at least 0, not nan"),
        (lambda: pace(0.0), "tokens_per_second must be greater than 0, not 0.0"),
        (lambda: latency(1.0, jitter=2.0), "jitter must be at least 0, at most 1, not 2.0"),
        (lambda: chance(1.5, ok), "p must be at least 0, at most 1, not 1.5"),
        (lambda: oversized_body(2**26 + 1), "bytes must be at least 1, at most 67108864, not 67108865"),
        (lambda: interim(200), "status must be at least 100, at most 199, not 200"),
        (lambda: behaviours.answer("x" * (2**20 + 1)), "body must be at most 1048576 long, not '1048577 characters'"),
        (lambda: wrong_content_length(0), "bytes must be more or less than the truth, not 0"),
        (lambda: fail(429, kind="overloaded"), "error must be exactly one of status, kind, not ['status', 'kind']"),
        (lambda: fail(429, retry_after=1, retry_after_date=1), "retry_after_date must be without retry_after, not 1"),
        (
            lambda: framing("lf"),  # pyright: ignore[reportArgumentType] - what is refused
            "style must be one of crlf, comments, lines, unspaced, not 'lf'",
        ),
        (cut, "place must be exactly one of frames, before, bytes, not []"),
        (lambda: cut(1, bytes=2), "place must be exactly one of frames, before, bytes, not ['frames', 'bytes']"),
    ],
)
def test_an_attribute_out_of_range_says_so(make: Any, sentence: str) -> None:
    with pytest.raises(OutOfRangeError) as caught:
        make()
    assert str(caught.value) == sentence
