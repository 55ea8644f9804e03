from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from routeproof_simulator.script import Head
from tests.simulator.asking import tree_of
from tests.simulator.asking_anthropic import (
    HEADERS,
    KEY,
    MODEL,
    PERSONA,
    TOOL,
    answer,
    body,
    messages,
    refusal,
    request,
)

LENIENT = replace(PERSONA, strict=False)
VALUES = replace(PERSONA, strict="values")
OLD = {**HEADERS, "anthropic-version": "2023-06-01"}

MEDIA_TYPES = "'image/jpeg', 'image/png', 'image/gif' or 'image/webp'"
NO_TAG = "does not match any of the expected tags:"
TAGS = "'document', 'image', 'redacted_thinking', 'text', 'thinking', 'tool_result', 'tool_use'"
CALL: dict[str, object] = {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1"}
DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
CITED = {"type": "text", "text": "hi", "citations": [{"type": "char_location"}]}


def content(*blocks: object) -> dict[str, object]:
    return body(messages=messages(list(blocks)))


def image(**source: object) -> dict[str, object]:
    return {"type": "image", "source": source}


def tool(**more: object) -> dict[str, object]:
    given = {**TOOL, **more}
    return body(tools=[{name: value for name, value in given.items() if value is not None}])


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([], "Input should be a valid dictionary"),
        (body(model=None), "model: Field required"),
        (body(model=""), "model: String should have at least 1 character"),
        (body(max_tokens=None), "max_tokens: Field required"),
        (body(max_tokens="many"), "max_tokens: Input should be a valid integer"),
        (body(max_tokens=-1), "max_tokens: Input should be greater than or equal to 0"),
        (body(stream="yes"), "stream: Input should be a valid boolean"),
        (body(system=3), "system: Input should be a valid list"),
        (body(system=[{"type": "image"}]), "system.0: Input tag 'image' found using 'type' does not match any of the"),
        (body(user="u1"), "user: Extra inputs are not permitted"),
        (body(metadata={"routeproof": "m"}), "metadata.routeproof: Extra inputs are not permitted"),
        (body(metadata={"user_id": "x" * 257}), "metadata.user_id: String should have at most 256 characters"),
        (body(service_tier="best"), "service_tier: Input should be 'auto' or 'standard_only'"),
        (body(stop_sequences=[" "]), "stop_sequences.0: each stop sequence must contain non-whitespace"),
        (body(messages=None), "messages: Field required"),
        (body(messages=[]), "messages: at least one message is required"),
        (body(messages={}), "messages: Input should be a valid list"),
        (body(messages=["hi"]), "messages.0: Input should be a valid dictionary"),
        (body(messages=[{"role": "user"}]), "messages.0.content: Field required"),
        (body(messages=[{"content": "hi"}]), "messages.0.role: Field required"),
        (
            body(messages=[{"role": "tool", "content": "hi"}]),
            "messages.0.role: Input should be 'user', 'assistant' or 'system'",
        ),
        (body(messages=[{"role": "system", "content": "hi"}]), 'messages: Unexpected role "system". The Messages API'),
        (body(messages=messages(3)), "messages.0.content: Input should be a valid list"),
        (body(messages=messages("")), "messages.0: all messages must have non-empty content"),
        (body(messages=messages("hi", "", "hi")), "messages.1: all messages must have non-empty content"),
        (body(messages=messages("hi", "so ")), "messages: final assistant content cannot end with trailing whitespace"),
        (content({"type": "text"}), "messages.0.content.0.text.text: Field required"),
        (content({"type": "text", "text": 3}), "messages.0.content.0.text.text: Input should be a valid string"),
        (content({"type": "text", "text": ""}), "messages: text content blocks must be non-empty"),
        (content({"type": "text", "text": " "}), "messages: text content blocks must contain non-whitespace text"),
        (content({"text": "hi"}), "messages.0.content.0.type: Field required"),
        (
            content({"type": "text", "text": "hi", "name": "x"}),
            "messages.0.content.0.text.name: Extra inputs are not permitted",
        ),
        (
            content({"type": "image_url", "image_url": {}}),
            f"messages.0.content.0: Input tag 'image_url' found using 'type' {NO_TAG} {TAGS}",
        ),
        (
            content(image(type="base64", data="")),
            "messages.0.content.0.image.source.base64.media_type: Field required",
        ),
        (
            content(image(type="base64", data="", media_type="image/bmp")),
            f"messages.0.content.0.image.source.base64.media_type: Input should be {MEDIA_TYPES}",
        ),
        (
            body(messages=messages("hi", [{**CALL, "id": "call 1"}])),
            "messages.1.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'",
        ),
        (
            body(messages=messages("hi", [{**CALL, "input": "{}"}])),
            "messages.1.content.0.tool_use.input: Input should be a valid dictionary",
        ),
        (
            body(messages=messages("hi", [CALL], "and?")),
            "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1.",
        ),
        (
            body(messages=messages("hi", [CALL])),
            "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1.",
        ),
        (content(RESULT), "messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_1."),
        (content(CALL), "messages.0: `tool_use` blocks can only be in `assistant` messages"),
        (tool(name="a b"), "tools.0.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'"),
        (tool(input_schema=None), "tools.0.custom.input_schema: Field required"),
        (tool(input_schema={}), "tools.0.custom.input_schema.type: Field required"),
        (tool(input_schema={"type": "string"}), "tools.0.custom.input_schema.type: Input should be 'object'"),
        (tool(type="function"), "tools.0: Input tag 'function' found using 'type' does not match any of the expected"),
        (body(tools=[TOOL, TOOL]), "tools: Tool names must be unique."),
        (body(tool_choice={"type": "any"}), "tool_choice may only be specified while providing tools"),
        (body(tools=[TOOL], tool_choice="auto"), "tool_choice: Input should be a valid dictionary"),
        (
            body(tools=[TOOL], tool_choice={"type": "required"}),
            f"tool_choice: Input tag 'required' found using 'type' {NO_TAG} 'any', 'auto', 'none', 'tool'",
        ),
        (body(tools=[TOOL], tool_choice={"type": "tool"}), "tool_choice.tool.name: Field required"),
        (
            body(tools=[TOOL], tool_choice={"type": "tool", "name": "x"}),
            "Tool 'x' not found in provided tools",
        ),
        (
            body(thinking={"type": "enabled", "budget_tokens": 10}),
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
        ),
        (
            body(thinking={"type": "enabled", "budget_tokens": 1024}),
            "`max_tokens` must be greater than `thinking.budget_tokens`.",
        ),
        (body(temperature=1.0), "temperature: Extra inputs are not permitted"),
        (body(messages=messages("hi", [DOCUMENT])), "messages.1.content.0: `document` blocks can only be in `user`"),
        (content(CITED), "messages.0.content.0.text.citations: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_request_is_refused_in_anthropics_words(tree: object, message: str) -> None:
    status, kind, told = refusal(tree)
    assert (status, kind) == (400, "invalid_request_error")
    assert told.startswith(message)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"temperature": "hot"}, "temperature: Input should be a valid number"),
        ({"temperature": 1.5}, "temperature: range: 0..1"),
        ({"top_p": -1}, "top_p: range: 0..1"),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000, "temperature": 0.5},
            "`temperature` may only be set to 1 when thinking is enabled.",
        ),
    ],
)
def test_an_earlier_version_knows_parameters_of_sampling(more: dict[str, Any], message: str) -> None:
    assert refusal(body(**more), headers=OLD) == (400, "invalid_request_error", message)
    assert tree_of(answer(request(body(temperature=0.2, top_p=1, top_k=5), headers=OLD)).script)["stop_reason"]


def test_an_earlier_version_accepts_what_the_latest_refuses() -> None:
    conversation = messages([CITED], [DOCUMENT, {"type": "text", "text": "so"}], "and?")
    assert tree_of(answer(request(body(messages=conversation), headers=OLD)).script)["stop_reason"] == "end_turn"


@pytest.mark.parametrize("data", [b"", b"{", b'{"model": "\xff"}', b'{"model": tru}', b"[" * 100_000])
def test_what_is_no_json_is_told_so(data: bytes) -> None:
    status, kind, message = refusal(data)
    assert (status, kind) == (400, "invalid_request_error")
    assert message.startswith("The request body is not valid JSON: ")


def test_results_may_come_in_several_messages_of_one_turn() -> None:
    second = {**CALL, "id": "toolu_2"}
    turns = messages("hi", [CALL, second], [RESULT])
    turns += [{"role": "system", "content": "Go on."}, *messages([{**RESULT, "tool_use_id": "toolu_2"}])]
    assert tree_of(answer(request(body(messages=turns))).script)["stop_reason"] == "end_turn"


def test_keys_versions_and_paths_are_checked() -> None:
    def refused(headers: dict[str, str]) -> tuple[int, str, str]:
        return refusal(body(), headers=headers)

    version = {"anthropic-version": "2026-10-21"}
    assert refused(version) == (401, "authentication_error", "x-api-key header is required")
    assert refused({**version, "authorization": "Basic x"})[0] == 401
    assert refused({**version, "x-api-key": "sk-other"}) == (401, "authentication_error", "invalid x-api-key")
    assert refused({**version, "authorization": "Bearer sk-other"})[0] == 401
    # Where both are sent, the header of Anthropic's own counts.
    assert refused({**HEADERS, "x-api-key": "sk-other", "authorization": f"Bearer {KEY}"})[0] == 401
    assert refused({"x-api-key": KEY}) == (400, "invalid_request_error", "anthropic-version: header is required")
    assert refused({"x-api-key": KEY, "anthropic-version": "v1"})[2] == 'anthropic-version: "v1" is not a valid version'
    assert refusal(None, method="GET") == (405, "invalid_request_error", "Method Not Allowed")
    assert refusal(None, path="/v1/models")[0] == 405
    assert refusal(body(), path="/v1/chat/completions") == (404, "not_found_error", "Not Found")
    assert refusal(body(model="nothing")) == (404, "not_found_error", "model: nothing")
    bearer = answer(request(body(), headers={**version, "authorization": f"Bearer {KEY}"}))
    assert tree_of(bearer.script)["stop_reason"] == "end_turn"


def test_no_answer_repeats_a_key() -> None:
    refused = answer(request(body(), headers={**HEADERS, "x-api-key": "sk-other"}))
    assert "sk-" not in str(tree_of(refused.script))


def said(tree: object, *, persona: Any = LENIENT, headers: dict[str, str] | None = None) -> dict[str, Any]:
    return tree_of(answer(request(tree, headers=headers), persona=persona).script)


@pytest.mark.parametrize(
    "tree",
    [
        {"model": MODEL},
        body(max_tokens="many", messages=[], unknown=3, temperature="hot"),
        body(messages=[{"role": "tool", "content": 3}, "hi"]),
        content({"type": "image_url"}, {"type": "text"}, 3),
        body(tools=[{"name": "find"}, {"name": "a b"}, 3], tool_choice={"type": "none"}),
        body(tools=[TOOL], tool_choice={"type": "required", "name": 3}, messages=messages([RESULT])),
        body(metadata={"user_id": 3, "x": 1}, thinking={"type": "enabled"}),
    ],
)
def test_a_lenient_provider_answers_what_it_can_understand(tree: object) -> None:
    assert said(tree)["content"][0]["text"].startswith("alpha: ")
    assert "error" not in said(tree, headers={"x-api-key": KEY})


def test_a_lenient_provider_keeps_what_is_right() -> None:
    assert said(body(max_tokens=2, top_k="x"))["usage"]["output_tokens"] == 2
    assert said(body(tools=[{"name": "find"}]))["content"][0]["name"] == "find"
    assert said(body(tools=[TOOL], tool_choice={"type": "tool", "name": "x"}))["content"][0]["name"] == "find"


def test_a_lenient_provider_refuses_what_nobody_could_answer() -> None:
    assert refusal(b"{", persona=LENIENT)[0] == 400
    assert refusal([1], persona=LENIENT)[0] == 400
    assert refusal(body(model=None), persona=LENIENT)[2] == "model: Field required"
    assert refusal(body(model="nothing"), persona=LENIENT)[0] == 404
    assert refusal(body(messages=["x"] * 1000), persona=LENIENT)[0] == 400
    assert refusal(body(), persona=LENIENT, headers={})[0] == 401


def test_a_provider_may_pass_unknown_fields_and_still_refuse_wrong_values() -> None:
    unknown = content({"type": "text", "text": "hi", "name": "x"}) | {"user": "u", "metadata": {"x": 1}}
    assert said(unknown, persona=VALUES)["content"][0]["text"].startswith("alpha: ")
    assert refusal(body(user="u", max_tokens="many"), persona=VALUES)[2].startswith("max_tokens: Input should be")
    assert refusal({f"x{index}": 1 for index in range(100)}, persona=VALUES)[0] == 400


FIELDS = st.sampled_from(
    ["model", "messages", "max_tokens", "role", "content", "type", "text", "tools", "system", "name", "source", "x"]
)
WORDS = st.sampled_from([MODEL, "user", "assistant", "text", "image", "tool_use", "tool_result", "any", "", "base64"])
TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=5),
    max_leaves=8,
)


@given(st.dictionaries(FIELDS, TREES), st.sampled_from([True, False, "values"]))
def test_any_json_gets_an_answer(tree: dict[str, object], strict: Any) -> None:
    persona = replace(PERSONA, strict=strict)
    for sent in (tree, {**body(), **tree}):
        head = answer(request(sent), persona=persona).script[0]
        assert isinstance(head, Head)
        assert head.status in (200, 400, 404)
