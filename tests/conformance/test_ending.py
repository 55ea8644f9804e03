from __future__ import annotations

import json

import pytest

from routeproof_conformance.judge.ending import finishes, pretence
from routeproof_spec.history import Ended
from routeproof_spec.sse import DONE, Event

TEXT = Event(data=json.dumps({"choices": [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}]}))
FINISH = Event(data=json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
END = Event(data=DONE)
ERRORS = (
    Event(data='{"error": {"message": "It broke off."}}'),
    Event(data='{"object": "error", "message": "It broke off."}'),
    Event(data="It broke off.", type="error"),
)


@pytest.mark.parametrize("error", ERRORS, ids=["envelope", "object", "typed"])
@pytest.mark.parametrize("after", [(), (END,)], ids=["alone", "with-done"])
def test_an_error_event_of_any_shape_is_honest(error: Event, after: tuple[Event, ...]) -> None:
    assert pretence((TEXT, error, *after), Ended.COMPLETE, sent=(TEXT,)) is None


@pytest.mark.parametrize("ended", [Ended.CUT, Ended.RESET, Ended.BROKEN])
def test_a_broken_connection_is_honest(ended: Ended) -> None:
    assert pretence((TEXT,), ended, sent=(TEXT,)) is None
    assert pretence((TEXT, FINISH), ended, sent=(TEXT, FINISH)) is None


@pytest.mark.parametrize("ended", [Ended.COMPLETE, Ended.CUT])
def test_what_the_provider_never_sent_is_a_pretence(ended: Ended) -> None:
    assert pretence((TEXT, END), ended, sent=(TEXT,)) == "[DONE], and no error event"
    assert pretence((TEXT, FINISH), ended, sent=(TEXT,)) == "a finish reason that the provider never gave"


def test_a_plain_end_is_a_pretence() -> None:
    assert pretence((TEXT,), Ended.COMPLETE, sent=(TEXT,)) == "a plain end, and no error event"
    assert pretence((), Ended.COMPLETE, sent=(TEXT,)) == "a plain end, and no error event"


def test_finish_reasons_are_counted_in_whatever_can_be_read() -> None:
    assert finishes((TEXT, FINISH, END, Event(data="half of a chu"), Event(data='{"choices": [null]}'))) == 1
