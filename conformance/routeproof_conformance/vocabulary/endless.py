"""Streams without an end: providers that go on for ever, with text or with what only says that they live."""

from __future__ import annotations

import json
import math
from typing import Final

from routeproof_conformance.forms import Form
from routeproof_simulator.behaviours import Behaviour, answer, slicer

#: What a stream may send without bringing its answer on.
FILLERS: Final = ("comments", "roles", "empty pieces")

BEAT: Final = 0.05  #: seconds between two pieces of a stream without an end
OPENING: Final = 4 * BEAT  #: seconds within which the first text has come
EVENT_BYTES: Final = 256  # of every event, so that each beat brings one


def endless(opening: str, beat: str, *, seconds: float) -> Behaviour:
    """Send *opening*, and then *beat* again and again for *seconds*, an event at a time."""
    text = opening + beat * math.ceil(seconds / BEAT)
    return answer(text) | slicer(EVENT_BYTES, BEAT)


def filler_of(form: Form, kind: str) -> str:
    """Return an event of *form* that brings its answer on by nothing."""
    if kind == "comments":
        return _padded(": still here", "\n\n")
    delta = {"role": "assistant"} if kind == "roles" else {"content": ""}
    return _chunk(form, delta, "")


def opening_of(form: Form) -> str:
    """Return the events with which an answer in *form* begins: its role, and its first text."""
    return (_chunk(form, {"role": "assistant", "content": ""}, "") if form.operation == "chat" else "") + text_of(form)


def text_of(form: Form) -> str:
    """Return an event with a text."""
    return _chunk(form, {"content": "on and "}, "on and ")


def _chunk(form: Form, delta: dict[str, str], text: str) -> str:
    is_chat = form.operation == "chat"
    choice = {"index": 0, "finish_reason": None, **({"delta": delta} if is_chat else {"text": text})}
    kind = "chat.completion.chunk" if is_chat else "text_completion"
    tree = {"id": "endless", "object": kind, "created": 1, "model": "endless", "choices": [choice]}
    return _padded(f"data: {json.dumps(tree)}", "\n\n")


def _padded(text: str, end: str) -> str:
    return text.ljust(EVENT_BYTES - len(end)) + end
