"""What the client was told: one outcome, one provider's text, an honest end."""

from __future__ import annotations

from collections import Counter

from routeproof_simulator.answers import Answer, Mark
from routeproof_simulator.invariants.finding import Declared, Found
from routeproof_simulator.invariants.views import (
    UNFINISHED,
    attempt_answer,
    content_at,
    failed,
    streams,
    wholes,
)
from routeproof_spec.history import Ended, Exchange, History


def one_outcome(history: History, _: Declared) -> Found:
    """Every request has exactly one terminal outcome."""
    for marker, count in Counter(exchange.marker for exchange in history.exchanges).items():
        if count > 1:
            yield f"{count} exchanges bear the marker {marker}", (marker,)
    for exchange in history.exchanges:
        if exchange.status is None and exchange.ended not in UNFINISHED:
            yield f"no response at all: {exchange.ended} ({exchange.detail})", (exchange.marker,)
    for exchange, answer in streams(history):
        ends = answer.marks.count(Mark.DONE) + answer.marks.count(Mark.ERROR)
        if ends > 1:
            yield f"the stream ends {ends} times", (exchange.marker,)


def text_of_one_attempt(history: History, _: Declared) -> Found:
    """What the client reads is the beginning of one attempt's text, and all of it where the answer is complete."""
    for exchange, answer in streams(history):
        if answer.text:
            yield from _unless_said_by_one(history, exchange, answer, is_complete=_claims_success(answer))
    for exchange, answer in wholes(history):
        yield from _unless_said_by_one(history, exchange, answer, is_complete=True)


def _unless_said_by_one(history: History, exchange: Exchange, answer: Answer, *, is_complete: bool) -> Found:
    attempts = history.attempts_of(exchange.marker)
    if not attempts:
        return  # nothing is known of the other side: the request did not keep its marker
    tellers = [attempt for attempt in attempts if answer.begins(attempt_answer(attempt))]
    if not tellers:
        yield f"the client read {_short(answer.text)}, which no attempt said", (exchange.marker,)
    elif is_complete and not any(attempt_answer(each).begins(answer) for each in tellers):
        yield f"the answer ends as complete after {_short(answer.text)}, but its provider said more", (exchange.marker,)


def honest_end(history: History, _: Declared) -> Found:
    """A stream ends with a finish reason and `[DONE]`, or with an error in the stream; a cut one never as a success."""
    for exchange, answer in streams(history):
        if exchange.ended in UNFINISHED:
            continue
        if exchange.ended is not Ended.COMPLETE:
            yield f"the stream broke off ({exchange.ended}) instead of telling an error", (exchange.marker,)
        elif not answer.has(Mark.ERROR) and not _claims_success(answer):
            missing = "[DONE]" if answer.has(Mark.FINISH) else "a finish reason"
            yield f"the stream ended in silence, without {missing} and without an error", (exchange.marker,)
        elif _claims_success(answer) and _all_failed(history, exchange):
            yield "the stream ends as a success, but no attempt was one", (exchange.marker,)


def nothing_after_the_end(history: History, _: Declared) -> Found:
    """There is no `[DONE]` after an error, and nothing after `[DONE]`."""
    for exchange, answer in streams(history):
        marks = answer.marks
        if Mark.DONE in marks and marks.index(Mark.DONE) != len(marks) - 1:
            yield f"{len(marks) - 1 - marks.index(Mark.DONE)} events follow [DONE]", (exchange.marker,)
        if Mark.ERROR in marks and Mark.DONE in marks[marks.index(Mark.ERROR) :]:
            yield "[DONE] follows an error", (exchange.marker,)


def no_fallback_after_content(history: History, _: Declared) -> Found:
    """Once content has reached the client, no provider is asked any more."""
    for exchange, _answer in streams(history):
        at = content_at(exchange)
        late = [each for each in history.attempts_of(exchange.marker) if at is not None and each.received_at > at]
        for attempt in late:
            sentence = (
                f"{attempt.provider} was asked at {attempt.received_at:g} s, after content had reached the client"
            )
            yield sentence, (exchange.marker,)


def constant_identity(history: History, _: Declared) -> Found:
    """One stream has one id and one model."""
    for exchange, answer in streams(history):
        for name, values in (("id", answer.ids), ("model", answer.models)):
            if len(values) > 1:
                yield f"the stream's {name} changes: {', '.join(values[:4])}", (exchange.marker,)


def _claims_success(answer: Answer) -> bool:
    return answer.has(Mark.FINISH) and answer.has(Mark.DONE)


def _all_failed(history: History, exchange: Exchange) -> bool:
    attempts = history.attempts_of(exchange.marker)
    return bool(attempts) and all(failed(attempt) for attempt in attempts)


def _short(text: str) -> str:
    return repr(text) if len(text) <= 48 else f"{text[:30]!r}…{text[-15:]!r}"
