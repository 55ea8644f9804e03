"""Questions, and what readers make of streams, for the tests of the dialects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from routeproof_reference_server.dialects import DIALECTS, Question, Untranslatable
from routeproof_reference_server.dialects.dialect import Reader
from routeproof_reference_server.dialects.telling import Telling
from routeproof_reference_server.payload import Label
from routeproof_reference_server.routing import Api, Capability, Deployment
from routeproof_reference_server.validation import BodyReader
from routeproof_spec.contract import load_contract
from routeproof_spec.sse import DONE, Event, SSEDecoder

Tree: TypeAlias = dict[str, Any]  # JSON, as a test looks into it

CHAT = load_contract().operations["createChatCompletion"]
BODIES = BodyReader(CHAT)
LABEL = Label(model="talker", id="chatcmpl-th-0123", created=1_800_000_000)
HELLO: list[Tree] = [{"role": "user", "content": "Hello."}]

#: A question that asks for everything that both of the other APIs know.
FULL: Tree = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "And kind."}]},
        {"role": "user", "content": "Where is it?"},
        {
            "role": "assistant",
            "content": None,
            "refusal": None,
            "annotations": [],
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"where":"here"}'}},
                {"id": "call_2", "type": "function", "function": {"name": "find", "arguments": ""}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "Nothing."}]},
        {"role": "tool", "tool_call_id": "call_1", "name": "find", "content": "There."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "And this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aWNvbg==", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://pictures.example/a.jpg"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,cGRm", "filename": "a.pdf"}},
            ],
        },
    ],
    "max_completion_tokens": 50,
    "max_tokens": 70,
    "temperature": 0.5,
    "top_p": 0.9,
    "stop": ["END", "STOP"],
    "user": "u-1",
    "seed": 7,
    "n": 1,
    "reasoning_effort": "medium",
    "stream": True,
    "stream_options": {"include_usage": True, "include_obfuscation": False},
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "find",
                "description": "Finds it.",
                "strict": True,
                "parameters": {"type": "object", "properties": {"where": {"type": "string"}}},
            },
        },
        {"type": "function", "function": {"name": "wait"}},
    ],
    "tool_choice": "auto",
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "x", "strict": True, "schema": {"type": "object"}},
    },
    "logprobs": False,
    "logit_bias": {},
    "metadata": {"a": "b"},
    "store": False,
    "service_tier": "auto",
    "verbosity": "medium",
    "modalities": ["text"],
    "prompt_cache_key": "k",
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "audio": None,
}


def question(**fields: object) -> Question:
    """A question that the contract takes."""
    data = msgspec.json.encode({"model": "talker", "messages": HELLO, **fields})
    return Question(path=CHAT.path, capability=Capability.CHAT, body=BODIES.read(data, strategy_is_given=False))


def deployment(api: Api, model: str = "its own/name", max_tokens: int = 4096) -> Deployment:
    """A model at a provider with *api*."""
    return Deployment(model="talker", provider=api, upstream_model=model, api=api, max_tokens=max_tokens)


def sent(api: Api, **fields: object) -> Tree:
    """The body that a provider with *api* is sent."""
    return msgspec.json.decode(Telling(question(**fields)).sent(deployment(api)).body)


def refusal(api: Api, **fields: object) -> Untranslatable | None:
    """Why a provider with *api* cannot be asked."""
    return Telling(question(**fields)).refusal(deployment(api))


def answered(api: Api, tree: object) -> Tree:
    """A whole answer as the client gets it."""
    body, usage = DIALECTS[api].answer(msgspec.json.encode(tree), question(), LABEL)
    told: Tree = msgspec.json.decode(body)
    assert told.get("usage") == (None if usage is None else msgspec.json.decode(usage))
    return told


def read(reader: Reader, pieces: Iterable[bytes]) -> bytes:
    """What the client gets of a stream that comes in *pieces*."""
    decoder = SSEDecoder()
    told = b""
    for piece in pieces:
        for event in decoder.feed(piece):
            told += reader.read(event)[0]
            if reader.is_done:
                return told
    return told + reader.end()


def streamed(api: Api, *pieces: bytes, usage: bool = False) -> list[Tree]:
    """The chunks that the client gets of a stream, which ends in `[DONE]`."""
    told = read(DIALECTS[api].reader(question(stream_options={"include_usage": usage}), LABEL), pieces)
    events: list[Event] = list(SSEDecoder().feed(told))
    assert events[-1].data == DONE
    return [msgspec.json.decode(each.data) for each in events[:-1]]


def event(tree: object, kind: str | None = None) -> bytes:
    """A server-sent event."""
    named = b"" if kind is None else b"event: %b\n" % kind.encode()
    return named + b"data: " + msgspec.json.encode(tree) + b"\n\n"
