"""Every fault of events and of meaning, in the JSON of each dialect; what finds no place changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from routeproof_simulator.algebra import Behaviour, rewrite
from routeproof_simulator.behaviours import (
    data_after_done,
    duplicate_event,
    empty_completion,
    finish_reason,
    first_choice_only,
    giant_event,
    no_blank_line,
    no_usage,
    only_comments,
    refusal,
    schema_drift,
    swap_events,
    truncated_arguments,
    usage,
    wrong_index,
    wrong_model,
)
from routeproof_simulator.dialects import DIALECTS, Call
from routeproof_simulator.faults.lens import is_list, spots
from routeproof_simulator.received import Received, RequestHead
from routeproof_simulator.script import Head, Kind, Repeat, Script, Send
from routeproof_spec.sse import SSEDecoder
from tests.simulator.asking import KEY, PERSONA, answer, body_of, chat, chunks_of, request, situation, tree_of

GEMINI = DIALECTS["gemini"]
TOOL = {
    "type": "function",
    "function": {"name": "find", "parameters": {"type": "object", "properties": {"where": {"type": "string"}}}},
}
WITH_USAGE = {"stream": True, "stream_options": {"include_usage": True}}

WHOLE = answer(request(chat(n=2))).script
STREAM = answer(request(chat(n=2, **WITH_USAGE))).script
CALL = answer(request(chat(tools=[TOOL]))).script
CALL_STREAM = answer(request(chat(tools=[TOOL], **WITH_USAGE))).script
HEAD, *FRAMES = STREAM


def played(behaviour: Behaviour, script: Script) -> Script:
    changed, faults = rewrite(behaviour, script, situation())
    assert bool(faults) is (changed != script)
    return changed


def tree(behaviour: Behaviour, script: Script = WHOLE) -> dict[str, Any]:
    return tree_of(played(behaviour, script))


def chunks(behaviour: Behaviour, script: Script = STREAM) -> list[dict[str, Any]]:
    return chunks_of(body_of(played(behaviour, script)))


def choices(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [choice for chunk in chunks for choice in chunk["choices"]]


# Paths


def test_a_path_leads_through_objects_and_every_element_of_lists() -> None:
    found: dict[str, object] = {"a": [{"b": {"c": 1}}, {"b": {}}, {"x": 2}, 3], "d": None}
    assert [(spot.value, spot.is_there) for spot in spots(found, ["a.*.b.c", "d", "e"])] == [
        (1, True),
        (None, False),
        (None, True),
        (None, False),
    ]
    assert list(spots(found, ["a.b", "d.e", "x.*.y", "a.*.b.c.d"])) == []
    for spot in spots(found, ["a.*.b.c"]):
        spot.put(5)
    assert found["a"] == [{"b": {"c": 5}}, {"b": {"c": 5}}, {"x": 2}, 3]


# What is said


def test_another_model_is_named_in_every_frame() -> None:
    assert tree(wrong_model("small"))["model"] == "small"
    assert {each["model"] for each in chunks(wrong_model("small"))} == {"small"}


def test_another_reason_ends_the_answer() -> None:
    assert [each["finish_reason"] for each in tree(finish_reason("length"))["choices"]] == ["length"] * 2
    reasons = [each["finish_reason"] for each in choices(chunks(finish_reason("length")))]
    assert {reason for reason in reasons if reason} == {"length"}
    assert reasons.count("length") == 2


def test_the_index_is_wrong_everywhere() -> None:
    assert [each["index"] for each in tree(wrong_index(9))["choices"]] == [9, 9]
    assert {each["index"] for each in choices(chunks(wrong_index(9)))} == {9}


def test_usage_is_zero_absurd_or_absent() -> None:
    for prompt, completion in ((0, 0), (10**12, 10**12)):
        counted = tree(usage(prompt, completion))["usage"]
        assert (counted["prompt_tokens"], counted["total_tokens"]) == (prompt, prompt + completion)
        assert chunks(usage(prompt, completion))[-1]["usage"] == counted
    assert "usage" not in tree(no_usage())
    assert len(chunks(no_usage())) == len(chunks_of(body_of(STREAM))) - 1
    assert all(each["usage"] is None for each in chunks(no_usage()))


def test_an_empty_completion_says_nothing_and_ends_well() -> None:
    whole = tree(empty_completion())["choices"]
    assert [(each["message"]["content"], each["finish_reason"]) for each in whole] == [("", "stop")] * 2
    streamed = choices(chunks(empty_completion()))
    assert [each["delta"].get("content", "") for each in streamed] == [""] * 4
    assert [each["finish_reason"] for each in streamed] == [None, None, "stop", "stop"]


def test_the_arguments_of_a_tool_call_break_off_and_the_framing_does_not() -> None:
    def arguments(calls: list[dict[str, Any]]) -> str:
        return "".join(call["function"].get("arguments", "") for call in calls)

    (good,) = tree_of(CALL)["choices"]
    (broken,) = tree(truncated_arguments(), CALL)["choices"]
    whole = arguments(good["message"]["tool_calls"])
    half = arguments(broken["message"]["tool_calls"])
    assert half == whole[: len(whole) // 2]
    with pytest.raises(json.JSONDecodeError):
        json.loads(half)
    streamed = choices(chunks(truncated_arguments(), CALL_STREAM))
    assert arguments([call for each in streamed for call in each["delta"].get("tool_calls", [])]) == half
    assert streamed[-1]["finish_reason"] == broken["finish_reason"] == "tool_calls"
    assert played(truncated_arguments(), WHOLE) == WHOLE
    assert played(truncated_arguments(), STREAM) == STREAM


def test_only_the_first_choice_comes() -> None:
    first, _ = tree_of(WHOLE)["choices"]
    assert tree(first_choice_only())["choices"] == [first]
    assert chunks(first_choice_only()) == [
        each for each in chunks_of(body_of(STREAM)) if all(choice["index"] == 0 for choice in each["choices"])
    ]
    assert played(first_choice_only(), CALL) == CALL


def test_a_refusal_stands_where_openai_puts_it() -> None:
    message = tree(refusal("No."))["choices"][0]["message"]
    assert (message["content"], message["refusal"]) == (None, "No.")
    streamed = choices(chunks(refusal("No.")))
    assert [each["delta"].get("refusal") for each in streamed] == ["No.", "No.", None, None]
    assert not any(each["delta"].get("content") for each in streamed)


def test_a_newer_schema_has_unknown_fields_and_nulls() -> None:
    assert set(tree(schema_drift("unknown_field"))) - set(tree_of(WHOLE)) == {"x_new"}
    assert all("x_new" in each for each in chunks(schema_drift("unknown_field")))
    deltas = [each["delta"] for each in choices(chunks(schema_drift("null_for_absent")))]
    assert all({"content", "refusal"} <= set(delta) for delta in deltas)
    assert deltas[-1]["content"] is None
    assert all(each["text"] is None for each in tree(schema_drift("null_for_absent"))["choices"])


# Other dialects; Anthropic's has a file of its own


def asked_of_gemini(behaviour: Behaviour, method: str) -> Any:
    headers = (("x-goog-api-key", KEY),)
    asked = {"contents": [{"role": "user", "parts": [{"text": "Say hi."}]}]}
    head = RequestHead(method="POST", target=f"/v1beta/models/gpt-4o:{method}", headers=headers)
    received = Received(head=head, body=msgspec.json.encode(asked), at=1.0)
    call = Call(request=received, marker="m1", attempt=0, created=1_700_000_000)
    script = GEMINI.answer(call, PERSONA).script
    changed, _ = rewrite(behaviour, script, replace(situation(), voice=GEMINI))
    body = body_of(changed)
    if body.startswith(b"data:"):
        return [json.loads(event.data) for event in SSEDecoder().feed(body)]
    told: object = json.loads(body)
    return told if is_list(told) else [told]


@pytest.mark.parametrize("method", ["generateContent", "streamGenerateContent?alt=sse", "streamGenerateContent"])
def test_geminis_answers_are_changed_where_gemini_says_it_whole_as_events_and_as_an_array(method: str) -> None:
    told = asked_of_gemini(wrong_model("small") | usage(7, 9) | finish_reason("SAFETY") | wrong_index(9), method)
    assert {each["modelVersion"] for each in told} == {"small"}
    assert told[-1]["usageMetadata"]["promptTokenCount"] == 7
    assert told[-1]["candidates"][0]["finishReason"] == "SAFETY"
    assert {choice["index"] for each in told for choice in each["candidates"]} == {9}
    silent = asked_of_gemini(empty_completion(), method)
    assert not any(part.get("text") for each in silent for part in each["candidates"][0]["content"]["parts"])
    refused = asked_of_gemini(refusal("No."), method)
    texts = [part["text"] for each in refused for part in each["candidates"][0]["content"]["parts"] if "text" in part]
    assert "".join(texts) == "No."


# What comes when


def test_an_event_comes_twice() -> None:
    assert played(duplicate_event(), STREAM) == (HEAD, *FRAMES[:2], FRAMES[1], *FRAMES[2:])
    assert played(duplicate_event(99), STREAM) == STREAM
    assert played(duplicate_event(0), WHOLE) == WHOLE


def test_two_events_change_places() -> None:
    assert played(swap_events(2), STREAM) == (HEAD, *FRAMES[:2], FRAMES[3], FRAMES[2], *FRAMES[4:])
    assert played(swap_events(len(FRAMES) - 1), STREAM) == STREAM


def test_an_event_is_as_large_as_is_said_and_means_the_same() -> None:
    giant = played(giant_event(300_000, frames=3), STREAM)
    frame = giant[4]
    assert isinstance(frame, Send)
    assert len(frame.data) == 300_000
    assert chunks_of(body_of(giant)) == chunks_of(body_of(STREAM))
    assert played(giant_event(10), STREAM) == STREAM
    assert played(giant_event(), WHOLE) == WHOLE


def test_what_comes_after_the_end_is_content() -> None:
    *events, last = SSEDecoder().feed(body_of(played(data_after_done(), STREAM)))
    assert events[-1].data == "[DONE]"
    assert json.loads(last.data)["choices"][0]["delta"]["content"]
    assert played(data_after_done(), WHOLE) == WHOLE


def test_events_that_are_not_parted_are_one() -> None:
    script = played(no_blank_line(), STREAM)
    assert b"\n\n" not in body_of(script)
    assert [op.kind for op in script if isinstance(op, Send)] == [op.kind for op in FRAMES if isinstance(op, Send)]
    assert played(no_blank_line(), WHOLE) == WHOLE


def test_comments_alone_go_on_for_ever() -> None:
    assert played(only_comments(5.0), STREAM) == (HEAD, Repeat(b": waiting\n\n", 5.0))
    assert played(only_comments(), WHOLE) == WHOLE


@pytest.mark.parametrize(
    "behaviour",
    [wrong_model(), wrong_index(), usage(1, 1), no_usage(), empty_completion(), truncated_arguments(), refusal()],
    ids=str,
)
def test_what_says_nothing_of_the_kind_stays(behaviour: Behaviour) -> None:
    error = answer(request(chat(), key="wrong")).script
    assert isinstance(error[0], Head)
    assert rewrite(behaviour, error, situation()) == (error, ())
    done = (HEAD, Send(b"data: [DONE]\n\n", Kind.DONE))
    assert rewrite(behaviour, done, situation()) == (done, ())
