"""A stream says the same wherever its bytes are split, and the same as the whole answer: of strict fake providers."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_reference_server.dialects import DIALECTS
from routeproof_reference_server.dialects.telling import Telling
from routeproof_reference_server.routing import Api
from routeproof_simulator.dialects import DIALECTS as FAKES
from routeproof_simulator.dialects import Call, Persona
from routeproof_simulator.received import Received, RequestHead
from routeproof_simulator.script import Send
from tests.reference_server.dialects.telling import FULL, LABEL, Tree, deployment, question, read

PERSONA = Persona(name="fake", key="sk-fake", models=(), seed="splits", tokens=9, strict=True)


@cache
def told_by_fake(api: Api, fields: str) -> bytes:
    """What the strict fake with *api* sends of a body for *fields*, asked as the gateway asks."""
    asked = question(**msgspec.json.decode(fields))
    dialect = DIALECTS[api]
    sent = Telling(asked).sent(deployment(api, "model"))
    headers = tuple((name.decode(), value.decode()) for name, value in dialect.credentials("sk-fake"))
    head = RequestHead(method="POST", target=sent.path, headers=headers)
    received = Received(head=head, body=sent.body, at=0.0)
    script = FAKES[api].answer(Call(request=received, marker="", attempt=0, created=1), PERSONA).script
    return b"".join(op.data for op in script if isinstance(op, Send))


def asking(stream: bool, **fields: Any) -> str:
    return msgspec.json.encode({**fields, "stream": stream}).decode()


ASKED: list[Tree] = [
    {},
    {"max_tokens": 3},
    {"tools": FULL["tools"], "tool_choice": "required"},
    {"response_format": FULL["response_format"]},
]


@pytest.mark.parametrize("fields", ASKED)
@pytest.mark.parametrize("api", [Api.ANTHROPIC, Api.GEMINI])
@given(cuts=st.lists(st.integers(0, 4000), max_size=30))
def test_every_split_of_a_stream_says_what_the_whole_answer_says(api: Api, fields: Tree, cuts: list[int]) -> None:
    data = told_by_fake(api, asking(True, **fields))
    edges = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    pieces = [data[start:end] for start, end in pairwise(edges)]
    reader = DIALECTS[api].reader(question(), LABEL)
    told = read(reader, pieces)
    whole, usage = DIALECTS[api].answer(told_by_fake(api, asking(False, **fields)), question(), LABEL)
    assert (joined(told), reader.usage) == (choice_of(whole), usage)


def joined(stream: bytes) -> Tree:
    """The one choice of a stream, put together as a client would."""
    message: Tree = {"role": "assistant", "content": None}
    reason = None
    for line in stream.decode().splitlines():
        if line in ("", "data: [DONE]"):
            continue
        (choice,) = msgspec.json.decode(line.removeprefix("data: "))["choices"]
        delta = choice["delta"]
        if delta.get("content"):
            message["content"] = (message["content"] or "") + delta["content"]
        for call in delta.get("tool_calls", ()):
            calls = message.setdefault("tool_calls", [])
            if call["index"] == len(calls):
                calls.append({name: value for name, value in call.items() if name != "index"})
            else:
                calls[call["index"]]["function"]["arguments"] += call["function"]["arguments"]
        reason = choice["finish_reason"] or reason
    return {"index": 0, "message": message, "finish_reason": reason}


def choice_of(whole: bytes) -> Tree:
    (choice,) = msgspec.json.decode(whole)["choices"]
    return choice
