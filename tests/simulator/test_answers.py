from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_simulator.answers import Answer, Mark, first_at, read_stream, read_whole
from routeproof_spec.history import Frame


def event(tree: object) -> bytes:
    return b"data: " + msgspec.json.encode(tree) + b"\n\n"


def delta(**fields: object) -> dict[str, object]:
    choice: dict[str, object] = {"index": 0, "delta": fields, "finish_reason": None}
    return {"id": "c1", "model": "m", "choices": [choice]}


ROLE = event(delta(role="assistant", content=""))
HEL, LO = event(delta(content="hel")), event(delta(content="lo é"))
FINISH = event({"id": "c1", "model": "m", "choices": [{"index": 0, "finish_reason": "stop"}]})
USAGE = event({"id": "c1", "model": "m", "choices": [], "usage": {"total_tokens": 3}})
ERROR = event({"error": {"message": "broken"}})
DONE = b"data: [DONE]\n\n"


def test_a_stream_says_its_text_its_identity_and_its_marks() -> None:
    assert read_stream(ROLE + HEL + LO + FINISH + USAGE + DONE) == Answer(
        said={"0": "hello é"},
        ids=("c1",),
        models=("m",),
        marks=(Mark.OTHER, Mark.CONTENT, Mark.CONTENT, Mark.FINISH, Mark.OTHER, Mark.DONE),
    )


CALLED: dict[str, object] = {"name": "f", "args": {"a": 1}}


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"choices": [{"index": 1, "text": "old"}]}, {"1": "old"}),
        (delta(refusal="no"), {"0.refusal": "no"}),
        (delta(tool_calls=[{"index": 2, "function": {"name": "f", "arguments": "{"}}]), {"0.tool2": "f{"}),
        ({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "hi"}}, {"0": "hi"}),
        ({"candidates": [{"content": {"parts": [{"text": "hi"}, {"text": "!"}]}}]}, {"0": "hi!"}),
        ({"candidates": [{"content": {"parts": [{"text": "hi"}]}, "index": 1}]}, {"1": "hi"}),
        (
            {
                "candidates": [
                    {"content": {"parts": [{"text": "so"}, {"functionCall": {"name": "f", "args": {"a": 1}}}]}}
                ]
            },
            {"0": "so", "0.tool0": 'f{"a":1}'},
        ),
    ],
)
def test_the_text_of_every_dialect_is_found(tree: object, said: dict[str, str]) -> None:
    answer = read_stream(event(tree))
    assert (answer.said, answer.marks) == (said, (Mark.CONTENT,))


def test_the_identity_of_geminis_answers_is_found() -> None:
    answer = read_stream(event({"candidates": [], "responseId": "r1", "modelVersion": "gemini-2.5-flash"}))
    assert (answer.ids, answer.models) == (("r1",), ("gemini-2.5-flash",))


@pytest.mark.parametrize(
    ("data", "marks"),
    [
        (ERROR, (Mark.ERROR,)),
        (event({"object": "error", "message": "vLLM's"}), (Mark.ERROR,)),
        (event({"type": "error", "error": {"type": "overloaded_error"}}), (Mark.ERROR,)),
        (b"data: {broken\n\n", (Mark.BROKEN,)),
        (b"data: [1]\n\n", (Mark.BROKEN,)),
        (b": a comment\n\n", ()),
        (event({"choices": [{"text": "a", "finish_reason": "stop"}]}), (Mark.CONTENT, Mark.FINISH)),
        (event({"choices": ["?"], "delta": 3}), (Mark.OTHER,)),
        (event({"candidates": [{"finishReason": "STOP", "index": 0}]}), (Mark.FINISH,)),
        (event({"promptFeedback": {"blockReason": "SAFETY"}}), (Mark.FINISH,)),
        (event({"error": {"code": 503, "status": "UNAVAILABLE"}}), (Mark.ERROR,)),
    ],
)
def test_what_an_event_means(data: bytes, marks: tuple[Mark, ...]) -> None:
    assert read_stream(data).marks == marks


@pytest.mark.parametrize("data", [HEL + b"data: half", HEL + b"data: \xff\n\n", HEL + b"data: {\n\n"])
def test_a_stream_that_cannot_be_read_to_its_end_keeps_what_it_said(data: bytes) -> None:
    answer = read_stream(data)
    assert (answer.said, answer.is_clean) == ({"0": "hel"}, False)


@given(cut=st.integers(0, len(HEL + LO + FINISH + DONE)))
def test_the_beginning_of_a_stream_begins_it(cut: int) -> None:
    full = HEL + LO + FINISH + DONE
    assert read_stream(full[:cut]).begins(read_stream(full))


def test_a_text_that_is_said_twice_begins_nothing() -> None:
    assert not read_stream(HEL + HEL).begins(read_stream(HEL + LO))
    assert not read_stream(HEL).begins(read_stream(event(delta(refusal="hel"))))


def test_a_whole_answer_says_what_its_stream_says() -> None:
    choice = {"index": 0, "message": {"content": "hello é"}, "finish_reason": "stop"}
    body = msgspec.json.encode({"id": "c1", "model": "m", "choices": [choice]})
    assert read_whole(body).said == read_stream(HEL + LO).said
    assert read_whole(body).marks == (Mark.CONTENT, Mark.FINISH)


def test_an_array_of_answers_is_a_stream_of_geminis() -> None:
    item = b'{"candidates": [{"content": {"parts": [{"text": "hi"}]}}], "responseId": "r"}'
    answer = read_whole(b"[" + item + b",\r\n" + item + b"]")
    assert (answer.said, answer.ids, answer.is_clean) == ({"0": "hihi"}, ("r",), True)
    assert not read_whole(b"[" + item + b",\r\n").is_clean


def test_the_time_of_an_event_is_the_frame_that_completes_it() -> None:
    frames = (
        Frame(at=1.0, data=ROLE),
        Frame(at=2.0, data=HEL[:9]),
        Frame(at=3.0, data=HEL[9:] + ERROR),
        Frame(at=4.0, data=b"data: \xff\n\n"),
    )
    assert [first_at(frames, mark) for mark in (Mark.CONTENT, Mark.ERROR, Mark.DONE)] == [3.0, 3.0, None]
