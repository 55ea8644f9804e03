"""Requests in the words of other APIs: what the official SDKs' own types take, whole; what they cannot say, by name."""

# The SDK's types name those of an image library that is not installed.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from anthropic.types import MessageCreateParams
from google.genai import types
from pydantic import TypeAdapter

from routeproof_reference_server.dialects.telling import Telling
from routeproof_reference_server.routing import Api
from tests.reference_server.dialects.telling import FULL, HELLO, Tree, deployment, question, refusal, sent

OTHERS = (Api.ANTHROPIC, Api.GEMINI)
FIND: list[Tree] = FULL["tools"]

PNG = {"media_type": "image/png", "data": "aWNvbg=="}


def test_anthropic_is_asked_for_everything_that_it_knows() -> None:
    assert sent(Api.ANTHROPIC, **FULL) == {
        "model": "its own/name",
        "max_tokens": 50,
        "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "And kind."}],
        "messages": [
            {"role": "user", "content": "Where is it?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "call_1", "name": "find", "input": {"where": "here"}},
                    {"type": "tool_use", "id": "call_2", "name": "find", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_2", "content": "Nothing."},
                    {"type": "tool_result", "tool_use_id": "call_1", "content": "There."},
                    {"type": "text", "text": "And this?"},
                    {"type": "image", "source": {"type": "base64", **PNG}},
                    {"type": "image", "source": {"type": "url", "url": "https://pictures.example/a.jpg"}},
                    {
                        "type": "document",
                        "title": "a.pdf",
                        "source": {"type": "base64", "media_type": "application/pdf", "data": "cGRm"},
                    },
                ],
            },
        ],
        "temperature": 0.5,
        "top_p": 0.9,
        "stop_sequences": ["END", "STOP"],
        "stream": True,
        "tools": [
            {
                "name": "find",
                "description": "Finds it.",
                "input_schema": {"type": "object", "properties": {"where": {"type": "string"}}},
                "strict": True,
            },
            {"name": "wait", "input_schema": {"type": "object"}},
        ],
        "tool_choice": {"type": "auto"},
        "metadata": {"user_id": "u-1"},
        "output_config": {"effort": "medium", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    }


def test_gemini_is_asked_for_everything_that_it_knows() -> None:
    assert sent(Api.GEMINI, **FULL) == {
        "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "And kind."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Where is it?"}]},
            {
                "role": "model",
                "parts": [
                    {"functionCall": {"name": "find", "args": {"where": "here"}}},
                    {"functionCall": {"name": "find", "args": {}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    # In the order of the calls, for nothing else says which is which.
                    {"functionResponse": {"name": "find", "response": {"output": "There."}}},
                    {"functionResponse": {"name": "find", "response": {"output": "Nothing."}}},
                    {"text": "And this?"},
                    {"inlineData": {"mimeType": "image/png", "data": "aWNvbg=="}},
                    {"fileData": {"fileUri": "https://pictures.example/a.jpg"}},
                    {"inlineData": {"mimeType": "application/pdf", "data": "cGRm"}},
                ],
            },
        ],
        "generationConfig": {
            "temperature": 0.5,
            "topP": 0.9,
            "maxOutputTokens": 50,
            "stopSequences": ["END", "STOP"],
            "presencePenalty": 0.0,
            "frequencyPenalty": 0.0,
            "seed": 7,
            "thinkingConfig": {"thinkingBudget": 8192},
            "responseMimeType": "application/json",
            "responseJsonSchema": {"type": "object"},
        },
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "find",
                        "description": "Finds it.",
                        "parametersJsonSchema": {"type": "object", "properties": {"where": {"type": "string"}}},
                    },
                    {"name": "wait"},
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}},  # a strict schema
    }


#: Variations that reach every branch of what is told.
VARIATIONS: list[Tree] = [
    {},
    FULL,
    {"stream": True},
    {"max_tokens": 5, "stop": "END", "n": None, "reasoning_effort": "none"},
    *({"tools": FIND, "tool_choice": choice} for choice in ("none", "auto", "required", None)),
    {"tools": FIND, "tool_choice": {"type": "function", "function": {"name": "wait"}}},
    {"messages": [*HELLO, {"role": "assistant", "content": "Hi.", "refusal": None}, *HELLO]},
    {"messages": [*HELLO, {"role": "assistant", "refusal": "No."}, *HELLO]},
    {"response_format": {"type": "text"}},
]


@pytest.mark.parametrize("fields", VARIATIONS)
def test_anthropic_s_sdk_takes_for_its_own_what_anthropic_is_sent(fields: Tree) -> None:
    body = sent(Api.ANTHROPIC, **fields)
    TypeAdapter[Any](MessageCreateParams).validate_python(body)


@pytest.mark.parametrize("fields", [*VARIATIONS, {"n": 3}, {"response_format": {"type": "json_object"}}])
def test_google_s_sdk_takes_for_its_own_what_gemini_is_sent(fields: Tree) -> None:
    body = sent(Api.GEMINI, **fields)
    for content in body.pop("contents"):
        types.Content.model_validate(content)
    kinds: dict[str, Any] = {
        "systemInstruction": types.Content,
        "generationConfig": types.GenerationConfig,
        "toolConfig": types.ToolConfig,
    }
    for tool in body.pop("tools", []):
        types.Tool.model_validate(tool)
    for name, value in body.items():
        kinds[name].model_validate(value)


IMAGE = "data:image/tiff;base64,aWNvbg=="

#: What cannot be told: where it stands, and at whom.
REFUSED: list[tuple[tuple[Api, ...], str, Tree]] = [
    (OTHERS, "logprobs", {"logprobs": True}),
    (OTHERS, "top_logprobs", {"logprobs": False, "top_logprobs": 2}),
    (OTHERS, "logit_bias", {"logit_bias": {"5": 1}}),
    (OTHERS, "functions", {"functions": [{"name": "find"}]}),
    (OTHERS, "verbosity", {"verbosity": "low"}),
    (OTHERS, "modalities", {"modalities": ["text", "audio"]}),
    (OTHERS, "audio", {"audio": {"format": "wav", "voice": "alloy"}}),
    (OTHERS, "store", {"store": True}),
    (OTHERS, "service_tier", {"service_tier": "flex"}),
    (OTHERS, "web_search_options", {"web_search_options": {}}),
    (OTHERS, "newer_than_this", {"newer_than_this": None}),
    (OTHERS, "stream_options.newer", {"stream_options": {"newer": True}}),
    (OTHERS, "tools[0].type", {"tools": [{"type": "custom", "custom": {"name": "x"}}]}),
    (OTHERS, "tool_choice", {"tool_choice": "required"}),
    (OTHERS, "tool_choice.type", {"tools": FIND, "tool_choice": {"type": "allowed_tools"}}),
    (OTHERS, "reasoning_effort", {"reasoning_effort": "utmost"}),
    (OTHERS, "messages", {"messages": [{"role": "system", "content": "Alone."}]}),
    (OTHERS, "messages[0].name", {"messages": [{"role": "user", "name": "Ann", "content": "Hi."}]}),
    (OTHERS, "messages[0].newer", {"messages": [{"role": "user", "newer": 1, "content": "Hi."}]}),
    (OTHERS, "messages[0].role", {"messages": [{"role": "function", "name": "f", "content": "x"}]}),
    (
        OTHERS,
        "messages[0].tool_calls[0].function.arguments",
        {
            "messages": [
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "[1"}}],
                }
            ]
        },
    ),
    (
        OTHERS,
        "messages[0].content[0].image_url.url",
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc"}}]}]},
    ),
    (
        OTHERS,
        "response_format.json_schema.schema",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
    ),
    ((Api.ANTHROPIC,), "temperature", {"temperature": 1.2}),
    ((Api.ANTHROPIC,), "n", {"n": 2}),
    ((Api.ANTHROPIC,), "presence_penalty", {"presence_penalty": 0.5}),
    ((Api.ANTHROPIC,), "response_format.type", {"response_format": {"type": "json_object"}}),
    (
        (Api.ANTHROPIC,),
        "messages[0].content[0].image_url.url",
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": IMAGE}}]}]},
    ),
    (
        (Api.ANTHROPIC,),
        "messages[0].content[0]",
        {
            "messages": [
                {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}
            ]
        },
    ),
    ((Api.GEMINI,), "n", {"n": 9}),
    ((Api.GEMINI,), "seed", {"seed": 2**40}),
    ((Api.GEMINI,), "parallel_tool_calls", {"tools": FIND, "parallel_tool_calls": False}),
    ((Api.GEMINI,), "reasoning_effort", {"reasoning_effort": "xhigh"}),
    ((Api.GEMINI,), "messages[1].role", {"messages": [*HELLO, {"role": "system", "content": "Now."}]}),
    (
        (Api.GEMINI,),
        "messages[1].tool_call_id",
        {"messages": [*HELLO, {"role": "tool", "tool_call_id": "c", "content": "x"}]},
    ),
]


@pytest.mark.parametrize(
    ("api", "place", "fields"), [(api, place, fields) for apis, place, fields in REFUSED for api in apis]
)
def test_what_cannot_be_told_is_refused_by_name(api: Api, place: str, fields: Tree) -> None:
    told = refusal(api, **fields)
    assert told is not None
    assert (told.place, bool(told.why)) == (place, True)


def test_openai_is_told_everything_as_it_came() -> None:
    fields: Tree = {"newer_than_this": {"a": [1]}, "logprobs": True, "temperature": 2}
    asked = question(**fields)
    told = Telling(asked).sent(deployment(Api.OPENAI, "gpt"))
    assert (told.path, told.body) == ("/chat/completions", asked.body.addressed_to("gpt"))


def test_each_api_has_its_paths_and_its_bound_of_an_answer() -> None:
    whole, stream = question(), question(stream=True)
    names = [deployment(api, "a/b", max_tokens=9) for api in OTHERS]
    assert [Telling(each).sent(name).path for name in names for each in (whole, stream)] == [
        "/v1/messages",
        "/v1/messages",
        "/v1beta/models/a%2Fb:generateContent",
        "/v1beta/models/a%2Fb:streamGenerateContent?alt=sse",
    ]
    bodies: list[Tree] = [msgspec.json.decode(Telling(whole).sent(name).body) for name in names]
    assert bodies == [
        {"model": "a/b", "max_tokens": 9, "messages": HELLO},
        {"contents": [{"role": "user", "parts": [{"text": "Hello."}]}]},
    ]


def test_a_call_by_a_strict_schema_is_validated_by_gemini() -> None:
    told = sent(Api.GEMINI, tools=FIND)
    assert told["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}


def test_one_call_at_a_time_can_be_asked_of_anthropic() -> None:
    told = [sent(Api.ANTHROPIC, tools=FIND, parallel_tool_calls=alone).get("tool_choice") for alone in (False, True)]
    assert told == [{"type": "auto", "disable_parallel_tool_use": True}, None]


def test_a_word_of_the_application_in_between_keeps_its_place_at_anthropic() -> None:
    told = sent(Api.ANTHROPIC, messages=[*HELLO, {"role": "developer", "content": "Now in verse."}, *HELLO])
    assert [each["role"] for each in told["messages"]] == ["user", "system", "user"]
    assert "system" not in told


def test_what_gemini_wants_to_see_again_goes_back() -> None:
    call = {
        "id": "c",
        "type": "function",
        "function": {"name": "find", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "c2ln"}},
    }
    told = sent(Api.GEMINI, messages=[*HELLO, {"role": "assistant", "tool_calls": [call]}])
    assert told["contents"][1]["parts"] == [{"functionCall": {"name": "find", "args": {}}, "thoughtSignature": "c2ln"}]
