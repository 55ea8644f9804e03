"""What the OpenAI dialect refuses, and what it overlooks on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from routeproof_simulator.dialects.persona import Strictness
from routeproof_simulator.fleet import load_fleet
from routeproof_simulator.script import Head, Script
from routeproof_spec.errors import ConfigError
from tests.simulator.asking import PERSONA, answer, chat, request, tree_of

CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
USER = {"role": "user", "content": "?"}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "42"}
TOO_LONG = (
    "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length 5 instead."
)
FIND = {"type": "function", "function": {"name": "find"}}


def ask(body: object, *, strict: Strictness = True, path: str = "/v1/chat/completions") -> Script:
    return answer(request(body, path=path), persona=replace(PERSONA, strict=strict)).script


def status(script: Script) -> int:
    head = script[0]
    assert isinstance(head, Head)
    return head.status


def refusal(body: object, **more: Any) -> tuple[str, str | None, str | None]:
    script = ask(body, **more)
    assert status(script) == 400
    error = tree_of(script)["error"]
    assert error["type"] == "invalid_request_error"
    return error["message"], error["param"], error["code"]


@pytest.mark.parametrize(
    ("more", "message", "param", "code"),
    [
        (
            {"temperature": "hot"},
            "Invalid type for 'temperature': expected a decimal, but got a string instead.",
            "temperature",
            "invalid_type",
        ),
        (
            {"temperature": 3},
            "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead.",
            "temperature",
            "decimal_above_max_value",
        ),
        (
            {"max_tokens": 0},
            "Invalid 'max_tokens': integer below minimum value. Expected a value >= 1, but got 0 instead.",
            "max_tokens",
            "integer_below_min_value",
        ),
        (
            {"max_tokens": 1.5},
            "Invalid type for 'max_tokens': expected an integer, but got a decimal number instead.",
            "max_tokens",
            "invalid_type",
        ),
        (
            {"messages": []},
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            "messages",
            "empty_array",
        ),
        (
            {"stop": list("abcde")},
            TOO_LONG,
            "stop",
            "array_above_max_length",
        ),
        (
            {"model": ""},
            "Invalid 'model': empty string. Expected a string with minimum length 1, but got an empty string instead.",
            "model",
            "empty_string",
        ),
        (
            {"stop": 1},
            "Invalid type for 'stop': expected a string or an array, but got an integer instead.",
            "stop",
            "invalid_type",
        ),
        ({"foo": 1}, "Unrecognized request argument supplied: foo", None, None),
        ({"foo": 1, "bar": 2}, "Unrecognized request arguments supplied: bar, foo", None, None),
    ],
)
def test_a_wrong_value_is_refused_in_openais_words(
    more: dict[str, Any], message: str, param: str | None, code: str | None
) -> None:
    assert refusal(chat(**more)) == (message, param, code)


@pytest.mark.parametrize(
    ("messages", "param", "code"),
    [
        ([{"role": "robot", "content": "hi"}], "messages[0].role", "invalid_value"),
        ([{"content": "hi"}], "messages[0].role", "missing_required_parameter"),
        ([{"role": "user"}], "messages.[0].content", None),
        ([{"role": "user", "content": [{"type": "smell"}]}], "messages[0].content[0].type", "invalid_value"),
        ([USER, {"role": "assistant"}], "messages.[1].content", None),
        ([USER, CALLING, {"role": "tool", "content": "42"}], "messages[2].tool_call_id", "missing_required_parameter"),
        ([USER, RESULT], "messages.[1].role", None),
        ([USER, CALLING, RESULT, RESULT], "messages.[3].role", None),
        ([USER, CALLING, USER], "messages", None),
        ([USER, CALLING], "messages", None),
    ],
)
def test_a_conversation_that_is_none_is_refused(messages: object, param: str, code: str | None) -> None:
    assert refusal(chat(messages=messages))[1:] == (param, code)


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "developer", "content": "Be kind."}, USER],
        [USER, CALLING, RESULT],
        [USER, CALLING, RESULT, {"role": "assistant", "content": "42"}, USER],
        [USER, {"role": "assistant", "content": None, "refusal": "No."}, USER],
        [
            {
                "role": "user",
                "content": [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": "x"}}],
            }
        ],
    ],
)
def test_a_conversation_that_is_one_is_answered(messages: object) -> None:
    assert status(ask(chat(messages=messages, tools=[FIND]))) == 200


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"parallel_tool_calls": True}, "parallel_tool_calls"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"function": {"name": "find"}}]}, "tools[0].type"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "max_tokens"),
        ({"response_format": {"type": "json_object"}}, "messages"),
    ],
)
def test_what_goes_only_with_another_is_refused_without_it(more: dict[str, Any], param: str) -> None:
    assert refusal(chat(**more))[1] == param


def test_every_field_of_the_api_is_known() -> None:
    more: dict[str, Any] = {
        "store": True,
        "metadata": {"team": "maps"},
        "seed": 7,
        "logit_bias": {"50256": -100},
        "reasoning_effort": "low",
        "verbosity": "low",
        "prediction": {"type": "content", "content": "x"},
        "modalities": ["text"],
        "audio": {"format": "mp3", "voice": "alloy"},
        "web_search_options": {},
        "service_tier": "flex",
        "safety_identifier": "p",
        "prompt_cache_key": "k",
        "prompt_cache_retention": "24h",
        "functions": [{"name": "find"}],
        "function_call": "auto",
        "user": "u",
    }
    assert status(ask(chat(**more))) == 200


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/embeddings"])
def test_the_other_endpoints_refuse_unknown_fields_too(path: str) -> None:
    body = {"model": "gpt-4o", "prompt" if path.endswith("completions") else "input": "x"}
    assert status(ask(body, path=path)) == 200
    assert refusal({**body, "foo": 1}, path=path)[0] == "Unrecognized request argument supplied: foo"


def test_values_alone_are_checked_where_unknown_fields_may_pass() -> None:
    assert status(ask(chat(foo=1), strict="values")) == 200
    assert refusal(chat(foo=1, temperature="hot"), strict="values")[1:] == ("temperature", "invalid_type")


@pytest.mark.parametrize(
    "more",
    [
        {"temperature": "hot", "top_p": 7, "n": 0, "stop": 3, "foo": 1, "stream_options": 5},
        {"temperature": "0.5", "max_tokens": "3"},
        {"messages": [{"role": "robot"}, 7, {"content": "hi"}, USER]},
        {"messages": [USER, RESULT], "tools": [{"type": 3}], "tool_choice": "sometimes"},
    ],
)
def test_whatever_can_be_answered_is_answered_leniently(more: dict[str, Any]) -> None:
    assert status(ask(chat(**more), strict=False)) == 200


def test_what_cannot_be_answered_is_refused_leniently_too() -> None:
    assert status(ask({"messages": [USER]}, strict=False)) == 400
    assert status(ask(b"{", strict=False)) == 400


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["model", "messages", "role", "content", "tools", "n", "temperature", "type", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(TREES, st.sampled_from([True, "values", False]))
def test_any_json_gets_an_answer(tree: object, strict: Strictness) -> None:
    assert status(ask(tree, strict=strict)) in (200, 400, 404)


@pytest.mark.parametrize(("spelled", "strict"), [("true", True), ("false", False), ('"values"', "values")])
def test_a_fleet_says_how_strict_a_provider_is(tmp_path: Path, spelled: str, strict: Strictness) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text(f'[[providers]]\nname = "a"\nkey = "k"\nstrict = {spelled}\n')
    assert load_fleet(path).providers[0].strict == strict


def test_a_strictness_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text('[[providers]]\nname = "a"\nkey = "k"\nstrict = "very"\n')
    with pytest.raises(ConfigError, match=r"providers\[0\]\.strict"):
        load_fleet(path)
