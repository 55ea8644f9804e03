import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_conformance.judge.stream import RULES, flaws, texts
from routeproof_spec.sse import DONE, Event


def chunk(*choices: object, usage: object = ..., **changed: object) -> Event:
    body: dict[str, object] = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    body |= {"choices": list(choices)} | ({} if usage is ... else {"usage": usage}) | changed
    return Event(data=json.dumps(body))


def delta(index: int = 0, finish: str | None = None, **fields: object) -> dict[str, object]:
    return {"index": index, "delta": fields, "finish_reason": finish}


def tool(arguments: str, **fields: object) -> dict[str, object]:
    return delta(tool_calls=[{"function": {"arguments": arguments}, **fields}])


def rules(events: Sequence[Event], *, operation: str = "chat", include_usage: bool = False) -> list[str]:
    return [flaw.rule for flaw in flaws(events, operation=operation, include_usage=include_usage)]


ROLE = chunk(delta(role="assistant", content=""))
TEXT = chunk(delta(content="Hi"))
STOP = chunk(delta(finish="stop"))
END = Event(data=DONE)
ERROR = Event(data='{"error":{"type":"provider_error","message":"cut","code":"x"}}')
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


def test_ordinary_stream_has_no_flaw() -> None:
    assert rules([ROLE, TEXT, TEXT, STOP, END]) == []


def test_usage_chunk_after_null_usages_has_no_flaw() -> None:
    events = [
        chunk(delta(role="assistant"), usage=None),
        chunk(delta(finish="stop"), usage=None),
        chunk(usage=USAGE),
        END,
    ]
    assert rules(events, include_usage=True) == []


def test_stream_that_tells_its_failure_keeps_the_grammar() -> None:
    assert rules([ROLE, TEXT, ERROR]) == []


def test_tool_call_in_pieces_has_no_flaw() -> None:
    assert rules([ROLE, chunk(tool('{"a"', index=0)), chunk(tool(":1}", index=0)), STOP, END]) == []


def test_completion_has_no_role() -> None:
    events = [
        Event(data=json.dumps({"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [each]}))
        for each in (
            {"index": 0, "text": "Hi", "finish_reason": None},
            {"index": 0, "text": "", "finish_reason": "stop"},
        )
    ]
    assert rules([*events, END], operation="completions") == []


@pytest.mark.parametrize(
    ("rule", "events", "include_usage"),
    [
        ("done_present", [ROLE, TEXT, STOP], False),
        ("done_last", [ROLE, STOP, END, END], False),
        ("done_last", [ROLE, STOP, END, TEXT], False),
        ("error_undone", [ROLE, ERROR, END], False),
        ("role_first", [TEXT, STOP, END], False),
        ("role_first", [ROLE, ROLE, STOP, END], False),
        ("finish_once", [ROLE, TEXT, END], False),
        ("finish_once", [ROLE, STOP, STOP, END], False),
        ("text_after_finish", [ROLE, STOP, TEXT, END], False),
        ("index_contiguous", [chunk(delta(1, role="assistant")), chunk(delta(1, finish="stop")), END], False),
        ("constant", [ROLE, chunk(delta(content="Hi"), id="c2"), STOP, END], False),
        ("chunk_shape", [ROLE, Event(data="{"), STOP, END], False),
        ("chunk_shape", [ROLE, chunk(delta(content="Hi"), object="chat.completion"), STOP, END], False),
        ("tool_index", [ROLE, chunk(tool("{}")), STOP, END], False),
        ("tool_arguments", [ROLE, chunk(tool('{"a":', index=0)), STOP, END], False),
        ("usage_unasked", [ROLE, STOP, chunk(usage=USAGE), END], False),
        ("usage_null", [ROLE, chunk(delta(finish="stop"), usage=None), chunk(usage=USAGE), END], True),
        ("usage_last", [chunk(delta(role="assistant", finish="stop"), usage=USAGE), END], True),
        (
            "usage_last",
            [
                chunk(delta(role="assistant"), usage=None),
                chunk(usage=USAGE),
                chunk(delta(finish="stop"), usage=None),
                END,
            ],
            True,
        ),
    ],
)
def test_one_breach_is_found_by_its_rule(rule: str, events: list[Event], include_usage: bool) -> None:
    assert rule in rules(events, include_usage=include_usage)


@given(
    st.lists(st.sampled_from([ROLE, TEXT, STOP, END, ERROR, chunk(usage=USAGE), Event(data="nonsense")]), max_size=8)
)
def test_any_order_of_events_is_judged_and_by_known_rules(events: list[Event]) -> None:
    assert set(rules(events)) <= set(RULES)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_whatever_json_a_target_sends_is_a_flaw_and_no_crash(body: object) -> None:
    assert rules([Event(data=json.dumps(body)), END])


@given(st.lists(st.text(), max_size=6))
def test_texts_join_in_order(pieces: list[str]) -> None:
    events = [ROLE, *(chunk(delta(content=piece)) for piece in pieces), STOP, END]
    assert texts(events, operation="chat").get(0, "") == "".join(pieces)
