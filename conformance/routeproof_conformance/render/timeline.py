"""The picture of one request: who was asked when, for how long, and what came of it. Geometry only, in percent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from routeproof_conformance.report import AttemptSeen, ExchangeSeen

MARKS_MAX: Final = 80  # of one lane; more would be a bar
WIDTH_MIN: Final = 0.4  # percent: even an instant is seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One side of the request: a bar from *start* over *width*, and a mark for each frame."""

    label: str
    kind: str  # `client`, `good`, `bad`, `open`
    start: float
    width: float
    marks: tuple[float, ...]
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The lanes of one request, on a scale that ends at *seconds*."""

    lanes: tuple[Lane, ...]
    seconds: float


def timeline(exchange: ExchangeSeen) -> Timeline:
    """Return the picture of *exchange*: the client above, its attempts below in the order of their arrival."""
    attempts = exchange.attempts or []
    ends = [exchange.ended_at, *(attempt.ended_at or attempt.received for attempt in attempts)]
    span = max(max(ends) - exchange.sent, 1e-6)

    def place(at: float) -> float:
        return round(min(max((at - exchange.sent) / span, 0.0), 1.0) * 100, 3)

    def lane(label: str, kind: str, span: tuple[float, float], frames: list[tuple[float, int]], says: str) -> Lane:
        start, end = map(place, span)
        marks = tuple(place(at) for at, _ in frames[:MARKS_MAX])
        return Lane(label=label, kind=kind, start=start, width=max(end - start, WIDTH_MIN), marks=marks, says=says)

    client = lane(
        "client",
        "client",
        (exchange.sent, exchange.ended_at),
        exchange.response.frames,
        f"{exchange.status if exchange.status is not None else 'no response'}, {exchange.ended}",
    )
    providers = [
        lane(
            attempt.provider,
            _kind(attempt),
            (attempt.received, attempt.ended_at if attempt.ended_at is not None else exchange.sent + span),
            attempt.response.frames,
            _says(attempt),
        )
        for attempt in attempts
    ]
    return Timeline(lanes=(client, *providers), seconds=round(span, 3))


def _kind(attempt: AttemptSeen) -> str:
    if attempt.ended_at is None:
        return "open"
    return "good" if attempt.status == 200 and attempt.ended == "complete" else "bad"


def _says(attempt: AttemptSeen) -> str:
    status = str(attempt.status) if attempt.status is not None else "no status"
    ended = attempt.ended if attempt.ended_at is not None else "still open"
    return ", ".join([status, ended, *attempt.faults])
