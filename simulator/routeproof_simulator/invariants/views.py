"""What the invariants ask of a history: which answers were streams, who was healthy when, what a request asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import msgspec

from routeproof_simulator.answers import Answer, Mark, first_at, read_stream, read_whole
from routeproof_simulator.invariants.finding import Declared
from routeproof_spec.errors import NOT_JSON
from routeproof_spec.history import Attempt, Ended, Exchange, FaultChange, Headers, History, first_header

HEALTHY: Final = "ok"  # how a fault change spells that the provider is healed

#: The client itself ended these, or gave up: nothing is said of how they would have gone on.
UNFINISHED: Final = frozenset({Ended.LEFT, Ended.TIMED_OUT})


def is_event_stream(headers: Headers) -> bool:
    """Whether *headers* announce server-sent events."""
    return (first_header(headers, "content-type") or "").lower().startswith("text/event-stream")


def streams(history: History) -> Iterator[tuple[Exchange, Answer]]:
    """Yield the exchanges that were answered with a stream, with what it says."""
    for exchange in history.exchanges:
        if exchange.status == 200 and is_event_stream(exchange.headers):
            yield exchange, read_stream(exchange.body)


def wholes(history: History) -> Iterator[tuple[Exchange, Answer]]:
    """Yield the exchanges that were answered with a whole answer that says something."""
    for exchange in history.exchanges:
        if exchange.status == 200 and exchange.ended is Ended.COMPLETE and not is_event_stream(exchange.headers):
            answer = read_whole(exchange.body)
            if answer.said:
                yield exchange, answer


def attempt_answer(attempt: Attempt) -> Answer:
    """Return what a provider said in *attempt*, whether whole or in a stream."""
    is_json = attempt.body[:1].lstrip() in (b"{", b"[")
    return read_whole(attempt.body) if is_json else read_stream(attempt.body)


def is_open(attempt: Attempt) -> bool:
    """Whether *attempt* had not ended when the history was written."""
    return attempt.ended_at < attempt.received_at


def failed(attempt: Attempt) -> bool:
    """Whether the provider did not give in *attempt* what was asked for.

    After `[DONE]`, or after the last byte of a whole answer, nothing is missing any more, however the connection ends.
    """
    answer = attempt_answer(attempt)
    is_all = answer.has(Mark.DONE) or _is_whole(attempt.body)
    return attempt.status != 200 or (attempt.ended is not Ended.COMPLETE and not is_all) or answer.has(Mark.ERROR)


def _is_whole(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except NOT_JSON:
        return False
    return True


def succeeded(exchange: Exchange) -> bool:
    """Whether the client got what it asked for, to its end."""
    if exchange.status != 200 or exchange.ended is not Ended.COMPLETE:
        return False
    if not is_event_stream(exchange.headers):
        return True
    answer = read_stream(exchange.body)
    return answer.has(Mark.DONE) and not answer.has(Mark.ERROR)


def content_at(exchange: Exchange) -> float | None:
    """Return the second in which the first content of a stream reached the client, or None."""
    return first_at(exchange.frames, Mark.CONTENT)


def asked_models(exchange: Exchange, declared: Declared) -> tuple[str, ...]:
    """Return the chain that a request asks for: its model, then those of its fallback header, each once."""
    model = body_model(exchange.request_body)
    return tuple(dict.fromkeys((model, *_listed(exchange, declared)) if model else _listed(exchange, declared)))


def named_first(exchange: Exchange, declared: Declared) -> tuple[str, ...]:
    """Return the one provider that a request names first, or none where it leaves the choice to the gateway."""
    behind = declared.serves.get(next(iter(asked_models(exchange, declared)), ""), ())
    return behind if len(behind) == 1 else ()


def asks_fallback(exchange: Exchange, declared: Declared) -> bool:
    """Whether a request lists models to fall back to."""
    return bool(_listed(exchange, declared))


def _listed(exchange: Exchange, declared: Declared) -> tuple[str, ...]:
    header = declared.dialect.fallback
    value = first_header(exchange.request_headers, header) if header is not None else None
    return tuple(item.strip() for item in (value or "").split(",") if item.strip())


@lru_cache(maxsize=4096)
def body_model(body: bytes) -> str:
    """Return the model that a request body names, or nothing."""
    try:
        model = msgspec.json.decode(body, type=dict[str, object]).get("model")
    except NOT_JSON:
        return ""
    return model if isinstance(model, str) else ""


def fault_spans(history: History, only: frozenset[str] = frozenset()) -> dict[str, list[tuple[float, float]]]:
    """Return, by provider, from when to when it was anything but healthy, or as *only* says."""
    spans: dict[str, list[tuple[float, float]]] = {}
    since: dict[str, float] = {}
    for change in _in_order(history.faults):
        start = since.pop(change.provider, None)
        if start is not None:
            spans.setdefault(change.provider, []).append((start, change.at))
        if change.behaviour in only if only else change.behaviour != HEALTHY:
            since[change.provider] = change.at
    for provider, start in since.items():
        spans.setdefault(provider, []).append((start, math.inf))
    return spans


def is_healthy(spans: dict[str, list[tuple[float, float]]], provider: str, start: float, end: float) -> bool:
    """Whether *provider* was healthy from *start* to *end*, both included."""
    return all(end < fault_start or start > fault_end for fault_start, fault_end in spans.get(provider, []))


def last_heal(history: History) -> float | None:
    """Return when the last fault was healed, or None where there was none or one still stands."""
    ends = [end for spans in fault_spans(history).values() for _, end in spans]
    return max(ends) if ends and max(ends) < math.inf else None


def _in_order(faults: tuple[FaultChange, ...]) -> list[FaultChange]:
    return sorted(faults, key=lambda change: change.at)
