from __future__ import annotations

import json

import pytest

from routeproof_simulator import spelling
from routeproof_simulator.algebra import Behaviour, Situation, rewrite
from routeproof_simulator.behaviours import framing, insert
from routeproof_simulator.script import Script, head_of
from routeproof_spec.history import first_header
from routeproof_spec.sse import DONE, SSEDecoder
from tests.simulator.asking import OPENAI, answer, body_of, chat, request

STREAM = answer(request(chat(stream=True))).script
WHOLE = answer(request(chat())).script

STYLES = [framing(style) for style in ("crlf", "comments", "lines", "unspaced")]


def played(behaviour: Behaviour, script: Script) -> Script:
    return rewrite(behaviour, script, Situation(attempt=0, tokens=12, voice=OPENAI, draw=lambda: 0.5))[0]


def said(script: Script) -> list[object]:
    return [each.data if each.data == DONE else json.loads(each.data) for each in SSEDecoder().feed(body_of(script))]


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_another_framing_says_the_same_in_other_bytes(style: Behaviour) -> None:
    spelled = played(style, STREAM)
    assert said(spelled) == said(STREAM)
    assert body_of(spelled) != body_of(STREAM)
    assert played(style, WHOLE) == WHOLE


@pytest.mark.parametrize("behaviour", [*STYLES, insert(before="done", text="data: [DONE]\n\n")], ids=str)
def test_it_is_the_same_behaviour_in_toml_and_json(behaviour: Behaviour) -> None:
    assert spelling.decode(spelling.encode(behaviour), file="fleet.toml") == behaviour


def test_what_is_inserted_stands_where_it_was_put() -> None:
    assert said(played(insert(before="done", text="data: [DONE]\n\n"), STREAM)) == [*said(STREAM), DONE]
    assert said(played(insert(frames=0, text=": waiting\n\ndata: 1\n\n"), STREAM)) == [1, *said(STREAM)]


def test_the_length_of_a_whole_answer_stays_true() -> None:
    longer = played(insert(frames=1, text="   "), WHOLE)
    head = head_of(longer)
    assert head is not None
    assert body_of(longer) == body_of(WHOLE) + b"   "
    assert first_header(head.headers, "content-length") == str(len(body_of(longer)))
    assert played(insert(frames=9, text="no such place"), WHOLE) == WHOLE
