"""What the invariants read of Anthropic's answers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from routeproof_simulator.answers import Mark, read_stream, read_whole
from routeproof_simulator.script import Kind, Send
from tests.simulator.asking import body_of
from tests.simulator.asking_anthropic import ANTHROPIC, MODEL, TOOL, answer, body, request

#: A frame of this kind is an event with this mark.
MARKS = {
    Kind.ROLE: Mark.OTHER,
    Kind.OTHER: Mark.OTHER,
    Kind.CONTENT: Mark.CONTENT,
    Kind.FINISH: Mark.FINISH,
    Kind.DONE: Mark.DONE,
}


@pytest.mark.parametrize("more", [{}, {"tools": [TOOL]}, {"tools": [{**TOOL, "input_schema": {"type": "object"}}]}])
def test_whole_and_stream_say_the_same_and_every_event_means_what_its_frame_means(more: dict[str, Any]) -> None:
    script = answer(request(body(stream=True, **more))).script
    streamed = read_stream(body_of(script))
    answered = read_whole(body_of(answer(request(body(**more))).script))
    assert streamed.marks == tuple(MARKS[op.kind] for op in script if isinstance(op, Send))
    assert answered.marks == (Mark.CONTENT, Mark.FINISH)
    assert (streamed.said, streamed.ids, streamed.models) == (answered.said, answered.ids, answered.models)
    assert (streamed.models, streamed.is_clean) == ((MODEL,), True)


def test_a_tool_is_read_by_its_order_among_tools_as_openais_is() -> None:
    first = {"type": "tool_use", "id": "a", "name": "find", "input": {"x": 1}}
    tree = {"type": "message", "content": [{"type": "text", "text": "hm"}, first, {**first, "name": "other"}]}
    told = read_whole(msgspec.json.encode(tree))
    assert told.said == {"0": "hm", "0.tool0": 'find{"x":1}', "0.tool1": 'other{"x":1}'}


def test_an_error_event_is_an_error_and_no_end() -> None:
    told = read_stream(ANTHROPIC.stream_error(None, None))
    assert told.marks == (Mark.ERROR,)
