"""What a ledger says of a run, held against what its providers' journals and its clients say."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from routeproof_simulator.world.run import EPOCH
from routeproof_spec.history import Attempt, Exchange, History

REQUEST_ID: Final = "x-inferoute-request-id"

Prices: TypeAlias = Mapping[str, tuple[int, int]]
"""By provider: pico-USD for a token of a prompt, and for one of an answer."""


@dataclass(frozen=True, slots=True)
class Row:
    """A request of the ledger, and how its attempts ended."""

    id: str
    began: float
    end: str
    provider: str | None
    tokens: tuple[int, int]
    cost: int
    attempts: tuple[tuple[str, str, int | None], ...]  # provider, end, status


def rows_in(ledger: Path) -> list[Row]:
    with sqlite3.connect(ledger) as connection:
        requests = connection.execute(
            "select id, began, end, provider, prompt_tokens, completion_tokens, cost from requests order by began"
        ).fetchall()
        attempts: dict[str, list[tuple[str, str, int | None]]] = {}
        for id_, *attempt in connection.execute(
            "select request, provider, end, status from attempts order by 1, number"
        ):
            attempts.setdefault(id_, []).append((attempt[0], attempt[1], attempt[2]))
    return [
        Row(id_, began - EPOCH, end, provider, (prompt, completion), cost, tuple(attempts.get(id_, ())))
        for id_, began, end, provider, prompt, completion, cost in requests
    ]


def usage_told(attempt: Attempt) -> tuple[int, int] | None:
    """What the provider said the answer took, whole or in a stream."""
    texts = [attempt.body] if attempt.body[:1] == b"{" else attempt.body.split(b"\n\n")
    for text in reversed(texts):
        try:
            usage = msgspec.json.decode(text.removeprefix(b"data: ")).get("usage")
        except (msgspec.DecodeError, AttributeError):
            continue
        if usage:
            return usage["prompt_tokens"], usage["completion_tokens"]
    return None


def differences(history: History, rows: Sequence[Row], prices: Prices) -> Iterator[str]:
    """Yield a sentence for everything in which the ledger and the journals differ."""
    by_id = {row.id: row for row in rows}
    told = {exchange.marker: exchange.header(REQUEST_ID) for exchange in history.exchanges}
    # Who left before there was a head was told no id; then it is the row of that moment that nobody else was told.
    untold = sorted((row for row in rows if row.id not in told.values()), key=lambda row: row.began)
    silent = sorted((each for each in history.exchanges if not told[each.marker]), key=lambda each: each.sent_at)
    if len(rows) != len(history.exchanges) or len(untold) != len(silent):
        yield f"{len(history.exchanges)} requests were made, {len(rows)} are written down"
    pairs = [(each, by_id.get(told[each.marker] or "")) for each in history.exchanges if told[each.marker]]
    for exchange, row in [*pairs, *zip(silent, untold, strict=False)]:
        if row is None:
            yield f"request {exchange.marker}: it is not written down"
            continue
        for sentence in _of_request(exchange, history.attempts_of(exchange.marker), row, prices):
            yield f"request {exchange.marker}: {sentence}"


def _of_request(exchange: Exchange, attempts: Sequence[Attempt], row: Row, prices: Prices) -> Iterator[str]:
    if abs(row.began - exchange.sent_at) > 1e-3:
        yield f"it began at {exchange.sent_at:.3f}, {row.began:.3f} is written down"
    # A provider whose door is shut has no attempt in its journal, and the ledger no status of it.
    left = list(attempts)
    for provider, end, status in row.attempts:
        if left and left[0].provider == provider:
            attempt = left.pop(0)
            if status is not None and status != attempt.status:
                yield f"{provider} answered {attempt.status}, {status} is written down"
        elif status is not None or end not in ("failed", "left"):
            yield f"an attempt at {provider} is written down ({end}) that it has not seen"
    for attempt in left:
        yield f"{attempt.provider} was asked, and that is not written down"
    yield from _of_bill(exchange, attempts, row, prices)


def _of_bill(exchange: Exchange, attempts: Sequence[Attempt], row: Row, prices: Prices) -> Iterator[str]:
    if row.end == "served":
        used = usage_told(attempts[-1]) if attempts else None
        if (row.tokens, row.provider) != (used, attempts[-1].provider if attempts else None):
            yield f"the provider told {used}, {row.tokens} of {row.provider} are written down"
    elif (row.end != "left" or not exchange.frames) and row.tokens != (0, 0):
        yield f"it was not served ({row.end}), and is billed {row.tokens}"
    price = prices.get(row.provider or "", (0, 0))
    if row.cost != sum(each * count for each, count in zip(price, row.tokens, strict=True)):
        yield f"{row.cost} pico-USD are written down for {row.tokens} of {row.provider}"
