"""A check in plain text: what it asks, what happened on both sides, and how to see it again."""

from __future__ import annotations

from collections.abc import Iterator

from routeproof_conformance.report import AttemptSeen, CheckSeen, ExchangeSeen

EXCHANGES_SHOWN = 3
BODY_SHOWN = 160


def told(check: CheckSeen) -> str:
    """Return a red check as a stranger needs it to mend their gateway."""
    return "\n".join(_lines(check))


def _lines(check: CheckSeen) -> Iterator[str]:
    yield check.says
    yield f"requirements: {', '.join(check.requirements)}"
    yield f"{check.outcome}: {check.reason}"
    for statistic in check.statistics:
        yield (
            f"statistics: {statistic.question} {statistic.decision} after {statistic.n}: {statistic.seen}; "
            f"alpha {statistic.alpha:g}, beta {statistic.beta:g}, power {statistic.power:.6f}"
        )
    for note in check.notes:
        yield f"note: {note}"
    shown = check.exchanges[-EXCHANGES_SHOWN:]
    if check.requests > len(shown):
        yield f"the last {len(shown)} of {check.requests} requests:"
    for exchange in shown:
        yield from exchange_lines(exchange)
    if shown:
        yield f"reproduce: {shown[-1].curl}"
    if check.traceback:
        yield check.traceback.rstrip()


def exchange_lines(exchange: ExchangeSeen) -> Iterator[str]:
    """Yield one request from both sides, with times in seconds since it was sent."""
    start = exchange.sent
    yield f"  client    0.000  {exchange.method} {exchange.path}  marker {exchange.marker}"
    for attempt in exchange.attempts or ():
        yield from _attempt_lines(attempt, start)
    at = exchange.head if exchange.head is not None else exchange.ended_at
    status = exchange.status if exchange.status is not None else "no response"
    yield f"  client  {at - start:7.3f}  {status}  {_short(exchange.response.body)}"
    ending = f"{exchange.ended}{': ' + exchange.detail if exchange.detail else ''}"
    yield f"  client  {exchange.ended_at - start:7.3f}  {ending}, {exchange.response.body_bytes} bytes"


def _attempt_lines(attempt: AttemptSeen, start: float) -> Iterator[str]:
    faults = f" [{'; '.join(attempt.faults)}]" if attempt.faults else ""
    yield f"    {attempt.provider:<7} {attempt.received - start:6.3f}  asked{faults}"
    ended = "still open" if attempt.ended_at is None else f"{attempt.ended_at - start:.3f} {attempt.ended}"
    status = attempt.status if attempt.status is not None else "no status"
    yield f"    {attempt.provider:<7}         {status}, {ended}, {attempt.response.body_bytes} bytes"


def _short(body: str) -> str:
    line = " ".join(body.split())
    return line if len(line) <= BODY_SHOWN else line[:BODY_SHOWN] + "…"
