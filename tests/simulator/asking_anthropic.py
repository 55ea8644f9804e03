"""How the tests of this folder ask a fake Anthropic: the requests, and its answers read back."""

from __future__ import annotations

from typing import Any

import msgspec

from routeproof_simulator.dialects import DIALECTS, Answer, Call, Persona
from routeproof_simulator.received import Received, RequestHead
from routeproof_simulator.script import Head
from routeproof_spec.sse import SSEDecoder
from tests.simulator.asking import body_of, tree_of

KEY = "sk-ant-alpha-test"
MODEL = "claude-haiku-4-5"
PERSONA = Persona(name="alpha", key=KEY, models=(MODEL,), seed="a seed", tokens=12)
ANTHROPIC = DIALECTS["anthropic"]
HEADERS = {"x-api-key": KEY, "anthropic-version": "2026-10-21"}

PARAMETERS = {
    "type": "object",
    "properties": {"where": {"type": "string"}, "count": {"type": "integer", "minimum": 3}},
    "required": ["where", "count"],
}
TOOL = {"name": "find", "description": "Finds things.", "input_schema": PARAMETERS}
OTHER_TOOL = {"name": "other", "input_schema": {"type": "object"}}


def messages(*turns: object, role: str = "user") -> list[dict[str, object]]:
    """Return a conversation of *turns*, the first of them by *role*."""
    roles = ("user", "assistant") if role == "user" else ("assistant", "user")
    return [{"role": roles[index % 2], "content": turn} for index, turn in enumerate(turns)]


def body(**more: object) -> dict[str, object]:
    """Return the body of a request; what is None is left out."""
    tree = {"model": MODEL, "max_tokens": 100, "messages": messages("Say hi."), **more}
    return {name: value for name, value in tree.items() if value is not None}


def request(
    tree: object = None, *, method: str = "POST", path: str = "/v1/messages", headers: dict[str, str] | None = None
) -> Received:
    """Return a request as the wire would hand it on."""
    data = tree if isinstance(tree, bytes) else b"" if tree is None else msgspec.json.encode(tree)
    told = tuple((HEADERS if headers is None else headers).items())
    return Received(head=RequestHead(method=method, target=path, headers=told), body=data, at=1.0)


def answer(received: Received, *, marker: str = "m1", persona: Persona = PERSONA, attempt: int = 0) -> Answer:
    """Return the answer of *persona* to *received*."""
    return ANTHROPIC.answer(Call(request=received, marker=marker, attempt=attempt, created=1_700_000_000), persona)


def whole(**more: object) -> dict[str, Any]:
    """Return the body of a whole answer."""
    return tree_of(answer(request(body(**more))).script)


def events(stream: bytes) -> list[dict[str, Any]]:
    """Return the events of *stream*, each of which must bear its type as its name."""
    decoder = SSEDecoder()
    told = list(decoder.feed(stream))
    assert decoder.is_clean
    trees = [msgspec.json.decode(each.data, type=dict[str, Any]) for each in told]
    assert [each.type for each in told] == [each["type"] for each in trees]
    return trees


def stream(**more: object) -> list[dict[str, Any]]:
    """Return the events of a streamed answer."""
    return events(body_of(answer(request(body(stream=True, **more))).script))


def refusal(tree: object, *, persona: Persona = PERSONA, **more: Any) -> tuple[int, str, str]:
    """Return the status, the type and the message of a refusal."""
    script = answer(request(tree, **more), persona=persona).script
    head = script[0]
    assert isinstance(head, Head)
    error = tree_of(script)["error"]
    return head.status, error["type"], error["message"]
