"""Answers of other APIs in OpenAI's words: whole and streamed, reason by reason, token by token."""

from __future__ import annotations

import msgspec
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from routeproof_reference_server.dialects import DIALECTS
from routeproof_reference_server.payload import Unpromised
from routeproof_reference_server.routing import Api
from routeproof_spec.sse import SSEDecoder
from tests.reference_server.dialects.telling import LABEL, Tree, answered, event, question, read, streamed

HEAD: Tree = {"id": "chatcmpl-th-0123", "created": 1_800_000_000, "model": "talker"}
ANTHROPIC_USAGE: Tree = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 2,
    "cache_read_input_tokens": 5,
    "output_tokens": 7,
    "output_tokens_details": {"thinking_tokens": 3},
}
GEMINI_USAGE: Tree = {
    "promptTokenCount": 17,
    "candidatesTokenCount": 4,
    "thoughtsTokenCount": 3,
    "cachedContentTokenCount": 5,
    "totalTokenCount": 24,
}
USAGE: Tree = {
    "prompt_tokens": 17,
    "completion_tokens": 7,
    "total_tokens": 24,
    "prompt_tokens_details": {"cached_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


def message(*content: Tree, reason: str | None = "end_turn", **more: object) -> Tree:
    return {
        "type": "message",
        "role": "assistant",
        "id": "msg_1",
        "model": "claude",
        "content": content,
        "stop_reason": reason,
        "usage": ANTHROPIC_USAGE,
        **more,
    }


def candidate(*parts: Tree, reason: str | None = "STOP", index: int = 0) -> Tree:
    named = {} if reason is None else {"finishReason": reason}
    return {"content": {"role": "model", "parts": parts}, "index": index, **named}


def content(*candidates: Tree, **more: object) -> Tree:
    return {"candidates": candidates, "usageMetadata": GEMINI_USAGE, "modelVersion": "gemini", **more}


TEXT: Tree = {"type": "text", "text": "Hi."}
USE: Tree = {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {"where": "here"}}
CALL: Tree = {"functionCall": {"name": "find", "args": {"where": "here"}}, "thoughtSignature": "c2ln"}


def test_what_anthropic_says_is_told() -> None:
    told = answered(Api.ANTHROPIC, message({"type": "thinking", "thinking": "Hm."}, TEXT, {**TEXT, "text": " Ho."}))
    assert told == {
        **HEAD,
        "object": "chat.completion",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hi. Ho."}, "finish_reason": "stop"},
        ],
        "usage": USAGE,
    }


def test_what_gemini_says_is_told() -> None:
    told = answered(
        Api.GEMINI,
        content(
            candidate({"text": "Hm.", "thought": True}, {"text": "Hi."}, {"text": " Ho."}),
            candidate(CALL, {"functionCall": {"name": "wait"}}, index=1),
        ),
    )
    calls = [
        {
            "id": "call_0123100",
            "type": "function",
            "function": {"name": "find", "arguments": '{"where":"here"}'},
            "extra_content": {"google": {"thought_signature": "c2ln"}},
        },
        {"id": "call_0123101", "type": "function", "function": {"name": "wait", "arguments": "{}"}},
    ]
    assert told == {
        **HEAD,
        "object": "chat.completion",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hi. Ho."}, "finish_reason": "stop"},
            {
                "index": 1,
                "message": {"role": "assistant", "content": None, "tool_calls": calls},
                "finish_reason": "tool_calls",
            },
        ],
        "usage": USAGE,
    }


def test_a_call_of_anthropic_s_is_told() -> None:
    (choice,) = answered(Api.ANTHROPIC, message(TEXT, USE, reason="tool_use"))["choices"]
    call = {"id": "toolu_1", "type": "function", "function": {"name": "find", "arguments": '{"where":"here"}'}}
    assert choice == {
        "index": 0,
        "message": {"role": "assistant", "content": "Hi.", "tool_calls": [call]},
        "finish_reason": "tool_calls",
    }


REASONS: list[tuple[Api, str, str | None]] = [
    (Api.ANTHROPIC, "end_turn", "stop"),
    (Api.ANTHROPIC, "stop_sequence", "stop"),
    (Api.ANTHROPIC, "max_tokens", "length"),
    (Api.ANTHROPIC, "model_context_window_exceeded", "length"),
    (Api.ANTHROPIC, "refusal", "content_filter"),
    (Api.ANTHROPIC, "pause_turn", None),
    (Api.ANTHROPIC, "newer_than_this", None),
    (Api.GEMINI, "STOP", "stop"),
    (Api.GEMINI, "MAX_TOKENS", "length"),
    (Api.GEMINI, "SAFETY", "content_filter"),
    (Api.GEMINI, "RECITATION", "content_filter"),
    (Api.GEMINI, "MALFORMED_FUNCTION_CALL", None),
    (Api.GEMINI, "OTHER", None),
    (Api.GEMINI, "NEWER_THAN_THIS", None),
]


@pytest.mark.parametrize(("api", "reason", "told"), REASONS)
def test_every_reason_is_told_alike_whole_and_streamed(api: Api, reason: str, told: str | None) -> None:
    if api is Api.ANTHROPIC:
        whole, stream = message(TEXT, reason=reason), spoken(reason=reason)
    else:
        whole = content(candidate({"text": "Hi."}, reason=reason))
        stream = [event(whole)]
    if told is None:
        with pytest.raises(Unpromised, match=f"it stopped for {reason}"):
            answered(api, whole)
        with pytest.raises(Unpromised, match=f"it stopped for {reason}"):
            streamed(api, *stream)
    else:
        assert answered(api, whole)["choices"][0]["finish_reason"] == told
        assert streamed(api, *stream)[-1]["choices"][0]["finish_reason"] == told


def test_a_blocked_prompt_is_an_answer_that_was_filtered() -> None:
    tree = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}
    (choice,) = answered(Api.GEMINI, tree)["choices"]
    assert choice == {
        "index": 0,
        "message": {"role": "assistant", "content": None},
        "finish_reason": "content_filter",
    }
    (chunk,) = streamed(Api.GEMINI, event(tree))
    assert chunk["choices"] == [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": "content_filter"}]


UNPROMISED: list[tuple[Api, object, str]] = [
    (Api.ANTHROPIC, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "Overloaded"),
    (Api.ANTHROPIC, [], "cannot be read"),
    (Api.ANTHROPIC, {"type": "message"}, "is empty"),
    (Api.ANTHROPIC, message(TEXT, reason=None), "no finish reason"),
    (Api.ANTHROPIC, {"choices": []}, "is empty"),
    (Api.GEMINI, {"error": {"code": 503, "message": "The model is overloaded."}}, "The model is overloaded."),
    (Api.GEMINI, [], "cannot be read"),
    (Api.GEMINI, {"choices": []}, "none of Gemini's"),
    (Api.GEMINI, {"candidates": []}, "is empty"),
    (Api.GEMINI, content(candidate({"text": "Hi."}, reason=None)), "no finish reason"),
    (Api.GEMINI, content(candidate({"inlineData": {"mimeType": "image/png", "data": ""}})), "something else than text"),
]


@pytest.mark.parametrize(("api", "tree", "why"), UNPROMISED)
def test_what_is_no_answer_is_a_failure(api: Api, tree: object, why: str) -> None:
    with pytest.raises(Unpromised, match=why):
        answered(api, tree)


# Streams


def said(kind: str, **fields: object) -> bytes:
    return event({"type": kind, **fields}, kind)


def block(index: int, start: Tree, *deltas: Tree) -> list[bytes]:
    return [
        said("content_block_start", index=index, content_block=start),
        *(said("content_block_delta", index=index, delta=delta) for delta in deltas),
        said("content_block_stop", index=index),
    ]


def spoken(*blocks: list[bytes], reason: str = "end_turn") -> list[bytes]:
    """The events of a stream of Anthropic's, which counts at its beginning and at its end."""
    told = blocks or (block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hi."}),)
    counted = {"input_tokens": 10, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 5, "output_tokens": 1}
    late = {"output_tokens": 7, "output_tokens_details": {"thinking_tokens": 3}}
    begun = message(reason=None, usage=counted)
    return [
        said("message_start", message=begun),
        said("ping"),
        *(each for events in told for each in events),
        said("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=late),
        said("newer_than_this"),
        said("message_stop"),
    ]


THINKING = block(0, {"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": "Hm."})
TALKING = block(
    1, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hi."}, {"type": "text_delta", "text": ""}
)
FINDING = block(
    2,
    {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {}},
    {"type": "input_json_delta", "partial_json": ""},
    {"type": "input_json_delta", "partial_json": '{"where":'},
    {"type": "input_json_delta", "partial_json": '"here"}'},
)
WAITING = block(3, {"type": "tool_use", "id": "toolu_2", "name": "wait", "input": {}})
ANTHROPIC_STREAM = spoken(THINKING, TALKING, FINDING, WAITING, reason="tool_use")


def delta(index: int = 0, reason: str | None = None, **fields: object) -> Tree:
    return {"index": index, "delta": fields, "finish_reason": reason}


def chunks(*choices: Tree) -> list[Tree]:
    head = {**HEAD, "object": "chat.completion.chunk"}
    return [
        *({**head, "choices": [choice], "usage": None} for choice in choices),
        {**head, "choices": [], "usage": USAGE},
    ]


def test_a_stream_of_anthropic_s_is_told_event_by_event() -> None:
    calls: list[Tree] = [
        {"index": 0, "id": "toolu_1", "type": "function", "function": {"name": "find", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"where":'}},
        {"index": 0, "function": {"arguments": '"here"}'}},
        {"index": 1, "id": "toolu_2", "type": "function", "function": {"name": "wait", "arguments": ""}},
        {"index": 1, "function": {"arguments": "{}"}},
    ]
    assert streamed(Api.ANTHROPIC, *ANTHROPIC_STREAM, usage=True) == chunks(
        delta(role="assistant", content="Hi."),
        *(delta(tool_calls=[call]) for call in calls),
        delta(reason="tool_calls"),
    )


GEMINI_STREAM = [
    event({"candidates": [{"index": 0}], "usageMetadata": {"promptTokenCount": 17}}),
    event({"candidates": [candidate({"text": "Hm.", "thought": True}, reason=None)]}),
    event({"candidates": [candidate({"text": "Hi."}), candidate({"text": "Ho."}, reason=None, index=1)]}),
    event({"candidates": [candidate(CALL, reason=None, index=1)]}),
    event(content(candidate({"text": " So."}), candidate(index=1))),
]


def test_a_stream_of_gemini_s_is_told_piece_by_piece_and_its_reasons_at_its_end() -> None:
    call = {
        "index": 0,
        "id": "call_0123100",
        "type": "function",
        "function": {"name": "find", "arguments": '{"where":"here"}'},
        "extra_content": {"google": {"thought_signature": "c2ln"}},
    }
    assert streamed(Api.GEMINI, *GEMINI_STREAM, usage=True) == chunks(
        delta(role="assistant", content="Hi."),
        delta(1, role="assistant", content="Ho."),
        delta(1, tool_calls=[call]),
        delta(content=" So."),
        delta(reason="stop"),
        delta(1, reason="tool_calls"),
    )


@pytest.mark.parametrize(("api", "stream"), [(Api.ANTHROPIC, ANTHROPIC_STREAM), (Api.GEMINI, GEMINI_STREAM)])
def test_openai_s_sdk_takes_what_is_told_for_its_own(api: Api, stream: list[bytes]) -> None:
    for chunk in streamed(api, *stream, usage=True):
        ChatCompletionChunk.model_validate(chunk, strict=True)
    whole = message(TEXT, USE) if api is Api.ANTHROPIC else content(candidate({"text": "Hi."}, CALL))
    ChatCompletion.model_validate(answered(api, whole), strict=True)


MOVES: list[tuple[Api, bytes, bool]] = [
    (Api.ANTHROPIC, said("ping"), False),
    (Api.ANTHROPIC, said("message_start", message=message(reason=None)), False),
    (Api.ANTHROPIC, said("content_block_start", content_block={"type": "text", "text": ""}), False),
    (Api.ANTHROPIC, said("content_block_delta", delta={"type": "text_delta", "text": ""}), False),
    (Api.ANTHROPIC, said("content_block_delta", delta={"type": "thinking_delta", "thinking": "Hm."}), True),
    (Api.ANTHROPIC, said("content_block_delta", delta={"type": "text_delta", "text": "Hi."}), True),
    (Api.ANTHROPIC, said("content_block_start", content_block={"type": "tool_use", "id": "t", "name": "f"}), True),
    (Api.GEMINI, event({"usageMetadata": {"promptTokenCount": 1}}), False),
    (Api.GEMINI, event({"candidates": [candidate({"text": ""}, reason=None)]}), False),
    (Api.GEMINI, event({"candidates": [candidate({"text": "Hm.", "thought": True}, reason=None)]}), True),
    (Api.GEMINI, event({"candidates": [candidate({"text": "Hi."}, reason=None)]}), True),
    (Api.OPENAI, event({"choices": [delta(role="assistant", content="")]}), False),
    (Api.OPENAI, event({"choices": [delta(content=None, refusal=None, tool_calls=[])]}), False),
    (Api.OPENAI, event({"choices": [{"index": 0, "text": ""}]}), False),
    (Api.OPENAI, event({"choices": [delta(content=" ")]}), True),
    (Api.OPENAI, event({"choices": [delta(reasoning_content="Hm.")]}), True),
    (Api.OPENAI, event({"choices": [delta(reason="stop")]}), True),
    (Api.OPENAI, event({"choices": [{"index": 0, "text": "a"}]}), True),
    (Api.OPENAI, event({"choices": [], "usage": USAGE}), True),
]


@pytest.mark.parametrize(("api", "data", "moves"), MOVES)
def test_only_what_says_something_moves_an_answer_on(api: Api, data: bytes, moves: bool) -> None:
    (only,) = SSEDecoder().feed(data)
    assert DIALECTS[api].reader(question(), LABEL).read(only)[1] is moves


BROKEN: list[tuple[Api, list[bytes], str]] = [
    (Api.ANTHROPIC, [], "broke off"),
    (Api.ANTHROPIC, ANTHROPIC_STREAM[:-1], "broke off"),
    (Api.ANTHROPIC, [*ANTHROPIC_STREAM[:3], said("message_stop")], "without a finish reason"),
    (Api.ANTHROPIC, [said("error", error={"type": "overloaded_error", "message": "Overloaded"})], "Overloaded"),
    (Api.ANTHROPIC, [event({"error": {"message": "Lost."}}, "error")], "Lost."),
    (Api.ANTHROPIC, [b"data: {\n\n"], "cannot be read"),
    (Api.ANTHROPIC, [event({"choices": []})], "of no type"),
    (Api.GEMINI, [], "broke off"),
    (Api.GEMINI, GEMINI_STREAM[:-1], "broke off"),
    (Api.GEMINI, [*GEMINI_STREAM[:-1], event({"error": {"code": 503, "message": "Overloaded"}})], "Overloaded"),
    (Api.GEMINI, [b"data: {\n\n"], "cannot be read"),
    (Api.GEMINI, [event({"choices": []})], "none of Gemini's"),
]


@pytest.mark.parametrize(("api", "stream", "why"), BROKEN)
def test_a_stream_that_breaks_is_a_failure_and_never_done(api: Api, stream: list[bytes], why: str) -> None:
    reader = DIALECTS[api].reader(question(), LABEL)
    with pytest.raises(Unpromised, match=why):
        read(reader, stream)
    assert not reader.is_done


def test_the_body_of_an_error_is_understood() -> None:
    wrong_key = {"error": {"message": "API key not valid.", "details": [{"reason": "API_KEY_INVALID"}]}}
    later = {"error": {"message": "Later.", "details": [{"@type": "type.googleapis.com/x", "retryDelay": "3.2s"}]}}
    told = [DIALECTS[Api.GEMINI].refusal(400, msgspec.json.encode(tree)) for tree in (wrong_key, later)]
    assert [(each.text, each.is_ours, each.retry_after) for each in told] == [
        ("API key not valid.", True, None),
        ("Later.", False, 4),
    ]
    html = DIALECTS[Api.ANTHROPIC].refusal(502, b"<html>")
    assert (html.text, html.is_ours, html.retry_after) == ("", False, None)
