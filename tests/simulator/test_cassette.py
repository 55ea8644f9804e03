"""Recorded answers: the file, which requests are the same, what must not be in it, and the scripts that they become."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_simulator.cassettes.cassette import (
    ANSWER_BYTES_MAX,
    Cassette,
    Chunk,
    Heading,
    Recording,
    body_tree,
    load_cassette,
    request_key,
)
from routeproof_simulator.cassettes.replay import Replay, script_of
from routeproof_simulator.cassettes.scrubbing import Scrubber, public_target, secrets_of
from routeproof_simulator.cassettes.taping import Tape
from routeproof_simulator.dialects import DIALECTS, Call
from routeproof_simulator.received import Received, RequestHead
from routeproof_simulator.script import Close, Head, Kind, Script, Send, Wait, head_of
from routeproof_spec.errors import ConfigError
from routeproof_spec.history import Ended, first_header
from routeproof_spec.marker import in_text
from routeproof_spec.redaction import fingerprint
from tests.simulator.asking import KEY, OPENAI, PERSONA, body_of, chat, request, tree_of

HEADING = Heading(routeproof_cassette=1, upstream="https://api.example/v1")
PATH = "/v1/chat/completions"
SECRET = 'sk-"secret"/with+odd&characters'
STREAM_HEADERS = (("content-type", "text/event-stream"),)


def recording(body: object = None, *, text: str = "first", **more: object) -> Recording:
    settled = {"status": 200, "headers": (("content-type", "application/json"),), "length": len(text)} | more
    chunks = more.get("chunks", (Chunk(after=0.0, text=text),))
    tree = {"method": "POST", "target": PATH, "request": chat() if body is None else body, "chunks": chunks}
    return msgspec.convert(tree | settled, Recording, from_attributes=True)


def written(folder: Path, *recordings: Recording) -> Path:
    path = folder / "tape.ndjson"
    path.write_bytes(msgspec.json.encode(HEADING) + b"\n" + b"".join(each.line() for each in recordings))
    return path


def replayed(replay: Replay, body: object, memory: dict[object, object] | None = None, **more: str) -> Script:
    call = Call(request=request(body, **more), marker="", attempt=0, created=0)
    return replay.answer(call, OPENAI, {} if memory is None else memory).script


# The file


@given(st.binary(max_size=40), st.floats(0, 1e6))
def test_a_chunk_keeps_every_byte_and_text_stays_readable(data: bytes, after: float) -> None:
    line = msgspec.json.encode(Chunk.of(data, after))
    assert msgspec.json.decode(line, type=Chunk) == Chunk.of(data, after)
    assert Chunk.of(data, after).data == data
    assert json.loads(line).get("text") == Chunk.of(data, after).text


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    one = recording(chunks=(Chunk.of(b"\xff\x00", 0.5), Chunk.of("é".encode(), 0.0)))
    two = recording({"input": [1, 2.5, None]}, status=None, ended="reset", chunks=())
    cassette = load_cassette(written(tmp_path, one, two))
    assert (cassette.heading, cassette.recordings, cassette.name) == (HEADING, (one, two), "tape.ndjson")


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("", "line 1: found "),
        ("{}", "line 1: routeproof_cassette: found nothing; wanted this key, which is required"),
        ('{"routeproof_cassette": 2}', "line 1: routeproof_cassette: found"),
        ('{"routeproof_cassette": 1}\n{"method": "GET"}', "line 2: target: found nothing; wanted this key"),
        ('{"routeproof_cassette": 1}\n\n{"metod": "GET"}', "line 3: metod: found an unknown key; wanted 'method'"),
        ('{"routeproof_cassette": 1}\n{"method": "GET", "target": "/"', "line 2: found "),
        (
            '{"routeproof_cassette": 1}\n{"method": "GET", "target": "/", "head_after": -1}',
            "line 2: head_after: found -1",
        ),
    ],
)
def test_a_wrong_cassette_names_the_line_and_the_place(tmp_path: Path, lines: str, sentence: str) -> None:
    path = tmp_path / "tape.ndjson"
    path.write_text(lines)
    with pytest.raises(ConfigError) as caught:
        load_cassette(path)
    assert str(caught.value).startswith(f"{path}: {sentence}")


def test_an_absent_cassette_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="wanted a cassette, as `routeproof record` writes it"):
        load_cassette(tmp_path / "absent.ndjson")


# Which requests are the same


@pytest.mark.parametrize(
    "same",
    [
        dict(reversed(chat(temperature=1).items())),
        chat(temperature=1.0),
        chat(temperature=1, user="somebody"),
        chat(temperature=1, metadata={"routeproof": "m9"}),
        chat(temperature=1, messages=[{"content": f"Say hi. {in_text('m1')}", "role": "user"}]),
    ],
)
def test_what_makes_no_difference_makes_none(same: dict[str, object]) -> None:
    assert request_key("POST", PATH, same) == request_key("POST", PATH, chat(temperature=1))


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("GET", PATH, chat()),
        ("POST", PATH + "?a=1", chat()),
        ("POST", PATH, chat(temperature=0)),
        ("POST", PATH, chat(metadata={"team": "maps"})),
        ("POST", PATH, chat(messages=[])),
        ("POST", PATH, "text"),
    ],
)
def test_what_makes_a_difference_makes_one(method: str, target: str, body: object) -> None:
    assert request_key(method, target, body) != request_key("POST", PATH, chat())


def test_a_body_is_json_or_text_or_a_fingerprint() -> None:
    assert body_tree(b"") is None
    assert body_tree(b'{"a": 1}') == {"a": 1}
    assert body_tree(b"a=1") == "a=1"
    assert body_tree(b"\xff") == fingerprint("ÿ")


# What must not be in it


@pytest.mark.parametrize("form", [SECRET, json.dumps(SECRET)[1:-1], quote(SECRET, safe="")])
@given(cuts=st.sets(st.integers(0, 80)))
def test_a_key_is_found_in_every_spelling_and_across_pieces(form: str, cuts: set[int]) -> None:
    data = f"before {form} between {form} after".encode()
    ends = [*sorted(cut for cut in cuts if cut < len(data)), len(data)]
    pieces = tuple(data[start:end] for start, end in zip([0, *ends], ends, strict=False))
    scrubbed = Scrubber([SECRET]).scrub_pieces(pieces)
    mark = fingerprint(SECRET)
    assert b"".join(scrubbed) == f"before {mark} between {mark} after".encode()
    assert len(scrubbed) == len(pieces)


def test_what_is_no_secret_stays() -> None:
    pieces = (b"a short key ", b"is no key")
    assert Scrubber(["key", ""]).scrub_pieces(pieces) is pieces


def test_the_callers_credentials_are_secrets_wherever_they_stand() -> None:
    asked = request(path=f"{PATH}?b=2&key=sk-in-the-query&a=1", key="sk-in-the-header")
    assert {"sk-in-the-query", "sk-in-the-header"} <= secrets_of(asked)
    assert public_target(asked) == f"{PATH}?a=1&b=2"


def test_a_tape_keeps_no_key_and_a_true_length() -> None:
    asked = request(chat(user=KEY))
    tape = Tape(asked, Scrubber(secrets_of(asked)))
    body = f'{{"error": "{KEY} is wrong"}}'.encode()
    head = (("content-length", str(len(body))), ("set-cookie", "a=b"), ("connection", "close"), ("x-id", KEY))
    tape.head(401, head, asked.at + 0.25)
    tape.piece(body[:15], asked.at + 0.5)
    tape.piece(body[15:], asked.at + 0.75)
    kept = tape.recording(Ended.COMPLETE, asked.at + 1.0)
    assert kept is not None
    assert KEY.encode() not in kept.line()
    mark = fingerprint(KEY)
    expected = f'{{"error": "{mark} is wrong"}}'.encode()
    assert b"".join(chunk.data for chunk in kept.chunks) == expected
    assert kept.length == len(expected)
    assert kept.headers == (("set-cookie", fingerprint("a=b")), ("x-id", mark))
    assert [kept.head_after, *(chunk.after for chunk in kept.chunks), kept.end_after] == [0.25] * 4


def test_what_is_too_long_or_was_left_is_not_recorded() -> None:
    tape = Tape(request(), Scrubber([]))
    tape.head(200, (), 1.0)
    assert tape.recording(Ended.LEFT, 2.0) is None
    tape.piece(bytes(ANSWER_BYTES_MAX), 1.0)
    assert tape.recording(Ended.COMPLETE, 2.0) is not None
    tape.piece(b"x", 1.0)
    assert tape.recording(Ended.COMPLETE, 2.0) is None


# What a replay answers


def test_a_recording_is_a_script_with_its_times() -> None:
    events = (
        'data: {"choices":[{"delta":{"role":"assistant"}}]}\n\nda',
        'ta: {"choices":[{"delta":{"content":"hi"}}]}\n\n',
    )
    finish, done = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n', "data: [DONE]\n\n"
    chunks = (Chunk(after=0.5, text=events[0]), Chunk(after=0.25, text=events[1] + finish), Chunk(after=1.0, text=done))
    one = recording(head_after=2.0, headers=STREAM_HEADERS, length=None, chunks=chunks, end_after=0.5)
    assert script_of(one, OPENAI, speed=2.0) == (
        Wait(1.0),
        Head(200, STREAM_HEADERS),
        Wait(0.25),
        Send(events[0][:-2].encode(), Kind.ROLE),
        Wait(0.125),
        Send(b"da" + events[1].encode(), Kind.CONTENT),
        Send(finish.encode(), Kind.FINISH),
        Wait(0.5),
        Send(done.encode(), Kind.DONE),
        Wait(0.25),
    )


def test_what_was_cut_is_cut_again_and_what_was_reset_is_reset() -> None:
    half = recording(headers=STREAM_HEADERS, length=None, chunks=(Chunk(after=0.0, text="data: {"),), ended="cut")
    assert script_of(half, OPENAI)[-2:] == (Send(b"data: {", Kind.OTHER), Close("fin"))
    nothing = recording(status=None, headers=(), length=None, chunks=(), end_after=1.0, ended="reset")
    assert script_of(nothing, OPENAI) == (Wait(1.0), Close("rst"))


@given(st.binary(max_size=60), st.sets(st.integers(0, 60)), st.booleans())
def test_a_replay_sends_every_byte_wherever_the_chunks_were_split(data: bytes, cuts: set[int], is_stream: bool) -> None:
    ends = [*sorted(cut for cut in cuts if cut < len(data)), len(data)]
    chunks = tuple(Chunk.of(data[start:end], 0.125) for start, end in zip([0, *ends], ends, strict=False))
    headers = STREAM_HEADERS if is_stream else ()
    script = script_of(recording(headers=headers, length=None, chunks=chunks), OPENAI)
    assert body_of(script) == data
    waited = sum(op.seconds for op in script if isinstance(op, Wait))
    assert waited <= 0.125 * len(chunks)


def test_the_same_request_gets_its_answers_in_order_and_the_last_from_then_on() -> None:
    replay = Replay(Cassette(HEADING, [recording(text="one"), recording(text="two")], name="tape"))
    memory: dict[object, object] = {}
    answers = [body_of(replayed(replay, chat(user="me"), memory)) for _ in range(3)]
    assert answers == [b"one", b"two", b"two"]
    assert body_of(replayed(replay, chat(), {})) == b"one"


def test_what_is_not_recorded_is_a_404_that_says_what_is() -> None:
    replay = Replay(Cassette(HEADING, [recording(), recording(chat(stream=True, n=2))], name="tape.ndjson"))
    error = tree_of(replayed(replay, chat(stream=True)))["error"]
    assert error["code"] == "not_recorded"
    assert error["message"] == (
        f"POST {PATH} is recorded in tape.ndjson, but with another body: the nearest differs in 'stream'."
    )
    script = replayed(replay, None, path="/v1/models", method="GET")
    assert script[0] == Head(404, (("content-type", "application/json"), ("content-length", str(len(body_of(script))))))
    assert tree_of(script)["error"]["message"] == (
        f"GET /v1/models is not recorded in tape.ndjson. Recorded: POST {PATH} (model gpt-4o)."
    )


def test_an_edited_answer_has_a_true_length_and_a_cut_one_the_announced() -> None:
    edited = recording(text="longer than before", length=3)
    assert first_header(head(script_of(edited, OPENAI)).headers, "content-length") == "18"
    half = recording(text="half", length=8, ended="cut")
    assert first_header(head(script_of(half, OPENAI)).headers, "content-length") == "8"
    no_body = recording(length=8, chunks=())
    assert first_header(head(script_of(no_body, OPENAI)).headers, "content-length") == "8"


STREAMS = {
    "openai": (PATH, chat(stream=True, stream_options={"include_usage": True}), "authorization", f"Bearer {KEY}"),
    "anthropic": ("/v1/messages", chat(stream=True, max_tokens=9), "x-api-key", KEY),
    "gemini": (
        "/v1beta/models/gpt-4o:streamGenerateContent?alt=sse",
        {"contents": [{"role": "user", "parts": [{"text": "Say hi."}]}]},
        "x-goog-api-key",
        KEY,
    ),
}


@pytest.mark.parametrize("dialect", STREAMS)
def test_a_replayed_stream_means_what_the_recorded_one_meant(dialect: str) -> None:
    """So that a behaviour finds its place in it, whatever the dialect."""
    target, body, name, key = STREAMS[dialect]
    headers = ((name, key), ("anthropic-version", "2023-06-01"), ("content-type", "application/json"))
    asked = Received(
        head=RequestHead(method="POST", target=target, headers=headers), body=msgspec.json.encode(body), at=1.0
    )
    spoken = DIALECTS[dialect]
    script = spoken.answer(Call(request=asked, marker="", attempt=0, created=0), PERSONA).script
    sends = [op for op in script if isinstance(op, Send)]
    chunks = tuple(Chunk.of(op.data, 0.0) for op in sends)
    one = recording(body, target=target, headers=head(script).headers, length=None, chunks=chunks)
    assert (head(script).status, len(sends) > 5) == (200, True)
    assert [op for op in script_of(one, spoken) if isinstance(op, Send)] == sends


def head(script: Script) -> Head:
    found = head_of(script)
    assert found is not None
    return found


def test_tokens_are_what_an_answer_says() -> None:
    text = json.dumps({"choices": [{"message": {"content": "twelve chars"}}]})
    replay = Replay(Cassette(HEADING, [recording(text=text)], name="tape"))
    call = Call(request=request(chat()), marker="", attempt=0, created=0)
    assert replay.answer(call, OPENAI, {}).tokens == 3
