"""A request for every parameter of the OpenAI API, and what has become of it on its way.

Each group is a request that a client would make; no value is the parameter's default. A test of the project holds the
table against the contract's schemas, so that no parameter is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias, cast

from routeproof_conformance.ask import MARK
from routeproof_conformance.forms import Form

Fields: TypeAlias = Mapping[str, object]

_WEATHER: Final[Fields] = {
    "name": "weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}

_SAMPLING: Final[Fields] = {
    "temperature": 0.25,
    "top_p": 0.75,
    "n": 2,
    "stop": ["\n\n", "END"],
    "max_tokens": 48,
    "frequency_penalty": 0.5,
    "presence_penalty": -0.5,
    "logit_bias": {"50256": -100},
    "seed": 7,
}

_STREAMED: Final[Fields] = {"stream_options": {"include_usage": True, "include_obfuscation": False}}

#: Fields by operation and by what they are for.
GROUPS: Final[Mapping[str, Mapping[str, Fields]]] = MappingProxyType(
    {
        "chat": {
            "sampling": {**_SAMPLING, "logprobs": True, "top_logprobs": 2},
            "reasoning": {
                "max_completion_tokens": 64,
                "reasoning_effort": "low",
                "verbosity": "low",
                "prediction": {"type": "content", "content": "The Rhine."},
            },
            "tools": {
                "messages": [
                    {"role": "system", "content": "You know the weather."},
                    {"role": "user", "content": "Is it raining in Bergen?", "name": "ada"},
                    {
                        "role": "assistant",
                        "content": None,
                        "tool_calls": [
                            {
                                "id": "call_1",
                                "type": "function",
                                "function": {"name": "weather", "arguments": '{"city": "Bergen"}'},
                            }
                        ],
                    },
                    {"role": "tool", "tool_call_id": "call_1", "content": '{"rain": true}'},
                    {"role": "user", "content": f"And in Zürich, 東京 and 🚀? {MARK}"},
                ],
                "tools": [{"type": "function", "function": {**_WEATHER, "strict": True}}],
                "tool_choice": {"type": "function", "function": {"name": "weather"}},
                "parallel_tool_calls": False,
            },
            "functions": {"functions": [_WEATHER], "function_call": {"name": "weather"}},
            "structure": {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {
                        "name": "place",
                        "strict": True,
                        "schema": {
                            "type": "object",
                            "properties": {"city": {"type": "string"}},
                            "required": ["city"],
                            "additionalProperties": False,
                        },
                    },
                },
            },
            "media": {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": f"What do these have in common? {MARK}"},
                            {
                                "type": "image_url",
                                "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"},
                            },
                            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                            {"type": "file", "file": {"file_id": "file-1"}},
                        ],
                    }
                ],
                "modalities": ["text", "audio"],
                "audio": {"format": "mp3", "voice": "alloy"},
                "web_search_options": {"search_context_size": "low"},
            },
            "account": {
                "metadata": {"team": "maps"},
                "store": True,
                "service_tier": "flex",
                "user": "user-17",
                "safety_identifier": "person-17",
                "prompt_cache_key": "maps",
                "prompt_cache_retention": "24h",
            },
        },
        "completions": {
            "sampling": {**_SAMPLING, "best_of": 3, "logprobs": 2},
            "text": {"prompt": [f"Zürich, 東京 and {MARK}", "🚀"], "suffix": " Amen.", "echo": True, "user": "user-17"},
        },
        "embeddings": {
            "vectors": {
                "input": [f"Zürich, 東京 and {MARK}", "🚀"],
                "encoding_format": "base64",
                "dimensions": 64,
                "user": "user-17",
            },
        },
    }
)


def groups(form: Form) -> Mapping[str, Fields]:
    """Return the groups of parameters that a request in *form* may bear."""
    found = GROUPS[form.operation]
    return {**found, "streaming": _STREAMED} if form.stream else found


def changes(sent: Fields, arrived: Fields) -> Iterator[str]:
    """Tell every field of *sent*, but for the model's name, that did not arrive with its value."""
    for name, value in sent.items():
        if name == "model":
            continue
        if name not in arrived:
            yield f"{name} did not arrive"
        elif not _is_same(value, arrived[name]):
            yield f"{name} arrived as {_short(arrived[name])} instead of {_short(value)}"


def additions(sent: Fields, arrived: Fields) -> Iterator[str]:
    """Tell every field of *arrived*, but for the model's name, that was not sent."""
    for name, value in arrived.items():
        if name not in sent and name != "model":
            yield f"{name}: {_short(value)}"


def _is_same(one: object, other: object) -> bool:
    """Whether both are the same JSON: 1 and 1.0 are, 1 and true are not, and the order of members means nothing."""
    if isinstance(one, dict) and isinstance(other, dict):
        mine, theirs = cast("Fields", one), cast("Fields", other)
        return mine.keys() == theirs.keys() and all(_is_same(mine[name], theirs[name]) for name in mine)
    if isinstance(one, list) and isinstance(other, list):
        ours, others = cast("list[object]", one), cast("list[object]", other)
        return len(ours) == len(others) and all(map(_is_same, ours, others))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 120 else shown[:117] + "..."
