"""Faults find their places in Anthropic's answers, whole and streamed."""

from __future__ import annotations

from typing import Any

import pytest

from routeproof_simulator.algebra import Behaviour, Situation
from routeproof_simulator.answers import Mark, read_stream, read_whole
from routeproof_simulator.behaviours import (
    empty_completion,
    error_in_200,
    finish_reason,
    framing,
    no_usage,
    stream_error,
    truncated_arguments,
    usage,
    wrong_model,
)
from routeproof_simulator.script import Script
from tests.simulator.asking import body_of, tree_of
from tests.simulator.asking_anthropic import ANTHROPIC, TOOL, answer, body, events, request


def answered(behaviour: Behaviour, **more: object) -> Script:
    given = answer(request(body(**more)))
    assert given.voice is not None
    return behaviour(given.script, Situation(attempt=0, tokens=given.tokens, voice=given.voice, draw=lambda: 0.5))


def whole(behaviour: Behaviour, **more: object) -> dict[str, Any]:
    return tree_of(answered(behaviour, **more))


def stream(behaviour: Behaviour, **more: object) -> list[dict[str, Any]]:
    return events(body_of(answered(behaviour, stream=True, **more)))


def test_models_reasons_and_counts_are_changed_wherever_they_stand() -> None:
    faults = wrong_model("another") | finish_reason("refusal") | usage(7, 9)
    told = whole(faults)
    begun, *_, ended, _ = stream(faults)
    assert (told["model"], told["stop_reason"]) == ("another", "refusal")
    assert (begun["message"]["model"], ended["delta"]["stop_reason"]) == ("another", "refusal")
    for counted in (told["usage"], begun["message"]["usage"], ended["usage"]):
        assert (counted["input_tokens"], counted["output_tokens"]) == (7, 9)


def test_counts_and_texts_are_left_out_wherever_they_stand() -> None:
    told = whole(no_usage() | empty_completion())
    assert "usage" not in told
    assert told["content"] == [{"type": "text", "text": ""}]
    streamed = stream(no_usage() | empty_completion())
    assert "usage" not in str(streamed)
    assert "content_block_delta" not in [each["type"] for each in streamed]
    assert read_stream(body_of(answered(empty_completion(), stream=True))).said == {}


def test_arguments_break_off_in_their_middle() -> None:
    full = read_stream(body_of(answer(request(body(stream=True, tools=[TOOL]))).script))
    broken = read_stream(body_of(answered(truncated_arguments(), stream=True, tools=[TOOL])))
    assert broken.begins(full)
    assert "find{" in broken.text
    assert broken.text != full.text


@pytest.mark.parametrize("style", ["crlf", "comments", "lines", "unspaced"])
def test_however_it_is_framed_a_stream_says_the_same(style: Any) -> None:
    plain = read_stream(body_of(answer(request(body(stream=True))).script))
    assert read_stream(body_of(answered(framing(style), stream=True))) == plain


def test_an_error_instead_of_an_answer_bears_the_answers_id() -> None:
    script = answered(error_in_200())
    assert read_whole(body_of(script)).marks == (Mark.ERROR,)
    assert tree_of(script)["request_id"].startswith("req_01")
    last = stream(stream_error(3))[-1]
    assert (last["type"], last["error"]["type"]) == ("error", "overloaded_error")
    assert last["request_id"] == tree_of(script)["request_id"]
    assert ANTHROPIC.error(500, None, None).endswith(b'"request_id":null}')
