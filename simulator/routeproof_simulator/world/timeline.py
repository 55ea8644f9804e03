"""A history as text: the story of one request from both sides, and the order of all steps of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from routeproof_simulator.answers import Mark, read_stream
from routeproof_simulator.invariants.views import attempt_answer, body_model, content_at, is_event_stream, is_open
from routeproof_spec.history import Attempt, Exchange, History

TEXT_MAX: Final = 60  # characters of an answer that are shown


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One thing that happened."""

    at: float  #: seconds
    who: str
    what: str

    def __str__(self) -> str:
        """Return the step as a line of a timeline."""
        return f"{self.at:10.3f} s  {self.who:<10}  {self.what}"


def steps(history: History) -> list[Step]:
    """Return all that happened, in order."""
    found = [Step(each.at, each.provider, f"becomes {each.behaviour}") for each in history.faults]
    for exchange in history.exchanges:
        found += _exchange(exchange)
    for attempt in history.attempts:
        found += _attempt(attempt)
    return sorted(found)


def timeline(history: History, marker: str) -> str:
    """Return the story of the request with *marker*: the client's side, each attempt, and the faults of the time."""
    exchanges = [each for each in history.exchanges if each.marker == marker]
    attempts = history.attempts_of(marker)
    asked = {attempt.provider for attempt in attempts}
    until = max((each.ended_at for each in exchanges), default=0.0)
    found: list[Step] = []
    for provider in sorted(asked):
        standing = [each for each in history.faults if each.provider == provider and each.at <= until]
        found += [Step(each.at, provider, f"becomes {each.behaviour}") for each in standing[-1:]]
    for exchange in exchanges:
        found += _exchange(exchange)
    for attempt in attempts:
        found += _attempt(attempt)
    return "\n".join([f"request {marker}:", *(f"  {step}" for step in sorted(found, key=lambda step: step.at))])


def _exchange(exchange: Exchange) -> Iterator[Step]:
    asked = f"{exchange.method} {exchange.path} for {body_model(exchange.request_body) or 'no model'}"
    yield Step(exchange.sent_at, "client", f"sends {asked} [{exchange.marker}]")
    if exchange.head_at is not None:
        yield Step(exchange.head_at, "client", f"gets {exchange.status} [{exchange.marker}]")
    content = content_at(exchange)
    if content is not None:
        yield Step(content, "client", f"reads the first content [{exchange.marker}]")
    yield Step(exchange.ended_at, "client", f"{_ending(exchange)} [{exchange.marker}]")


def _ending(exchange: Exchange) -> str:
    detail = f" ({exchange.detail})" if exchange.detail else ""
    if exchange.status == 200 and is_event_stream(exchange.headers):
        answer = read_stream(exchange.body)
        marks = ", ".join(mark for mark in (Mark.FINISH, Mark.ERROR, Mark.DONE) if answer.has(mark)) or "no end"
        return f"ends {exchange.ended}{detail}: {_short(answer.text)}, {marks}"
    return f"ends {exchange.ended}{detail}: {_short(exchange.body.decode('utf-8', 'replace'))}"


def _attempt(attempt: Attempt) -> Iterator[Step]:
    marker, who = attempt.marker or "unmarked", attempt.provider
    because = f" because of {' | '.join(attempt.faults)}" if attempt.faults else ""
    yield Step(attempt.received_at, who, f"is asked for {body_model(attempt.request_body)} [{marker}]")
    if is_open(attempt):
        yield Step(attempt.received_at, who, f"never comes to an end{because} [{marker}]")
        return
    status = attempt.status if attempt.status is not None else "nothing"
    said = _short(attempt_answer(attempt).text)
    yield Step(attempt.ended_at, who, f"answered {status}, {attempt.ended}: {said}{because} [{marker}]")


def _short(text: str) -> str:
    return repr(text) if len(text) <= TEXT_MAX else f"{text[: TEXT_MAX - 20]!r}…{text[-15:]!r}"
