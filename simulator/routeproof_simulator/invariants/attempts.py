"""Whom the gateway asked: how often, in which order, and when it let go."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from routeproof_simulator.invariants.breakers import known_of, may_be_out
from routeproof_simulator.invariants.finding import Declared, Found
from routeproof_simulator.invariants.views import (
    asked_models,
    asks_fallback,
    body_model,
    fault_spans,
    is_healthy,
    is_open,
)
from routeproof_spec.history import Attempt, Ended, History

_SAID_RETRY_AFTER = re.compile(r"\bretry_after=(\d+(?:\.\d+)?)\b")


def bounded_and_distinct(history: History, declared: Declared) -> Found:
    """A request makes a bounded number of attempts, each at another provider or another model."""
    for exchange in history.exchanges:
        attempts = history.attempts_of(exchange.marker)
        if len(attempts) > declared.attempts_max:
            yield f"{len(attempts)} attempts, more than {declared.attempts_max}", (exchange.marker,)
        targets = [(each.provider, body_model(each.request_body)) for each in attempts]
        for provider, model in sorted({each for each in targets if targets.count(each) > 1}):
            yield f"{provider} was asked {targets.count((provider, model))} times for {model}", (exchange.marker,)


def chain_in_order(history: History, declared: Declared) -> Found:
    """Attempts follow the chain that the client asked for, and there is but one attempt where it asked for none."""
    spans, known = fault_spans(history), known_of(history, declared)
    for exchange in history.exchanges:
        attempts = history.attempts_of(exchange.marker)
        if not asks_fallback(exchange, declared):
            if len(attempts) > 1 and declared.dialect.fallback is not None:
                asked = _names(attempts)
                yield f"no fallback was asked for, yet {len(attempts)} attempts were made: {asked}", (exchange.marker,)
            continue
        if not declared.serves:
            continue
        chain = tuple(declared.serves.get(model, ()) for model in asked_models(exchange, declared))
        wanted = f"the chain is {' then '.join('/'.join(each) for each in chain)}"
        stages = _stages(chain, attempts, goes_back=declared.breaker is not None)
        if stages is None:
            yield f"asked {_names(attempts)}; {wanted}", (exchange.marker,)
            continue
        # Who failed lately may be passed over, and a refused connection leaves no attempt; nobody else is left out.
        since = exchange.sent_at - declared.recover_within
        for provider, at in _passed_over(chain, attempts, stages):
            if is_healthy(spans, provider, since, at) and not may_be_out(known, declared, provider, at):
                yield f"{provider} was passed over; {wanted}", (exchange.marker,)


def _stages(
    chain: tuple[tuple[str, ...], ...], attempts: tuple[Attempt, ...], *, goes_back: bool
) -> tuple[int, ...] | None:
    """Return which stage of *chain* each attempt belongs to, or None where that cannot be.

    Where nobody is left, a gateway with breakers *goes_back* to those that it has passed over.
    """
    stages: list[int] = []
    asked: set[tuple[int, str]] = set()
    for attempt in attempts:
        last = stages[-1] if stages else 0
        fit = [
            stage
            for stage, providers in enumerate(chain)
            if attempt.provider in providers and (stage, attempt.provider) not in asked
        ]
        onward = [stage for stage in fit if stage >= last]
        if not onward and not (goes_back and fit):
            return None
        stages.append(min(onward or fit))
        asked.add((stages[-1], attempt.provider))
    return tuple(stages)


def _passed_over(
    chain: tuple[tuple[str, ...], ...], attempts: tuple[Attempt, ...], stages: tuple[int, ...]
) -> Iterator[tuple[str, float]]:
    """Yield who was not asked before somebody of a later stage was, once each, and when that was."""
    seen: set[str] = set()
    for index, (attempt, stage) in enumerate(zip(attempts, stages, strict=True)):
        before = {each.provider for each in attempts[:index]} | seen | {attempt.provider}
        for earlier in sorted(set(range(stage)) - set(stages[:index])):
            for provider in sorted(set(chain[earlier]) - before):
                seen.add(provider)
                yield provider, attempt.received_at


def mistakes_not_retried(history: History, declared: Declared) -> Found:
    """What a provider calls the client's mistake is told to the client and never tried again."""
    for exchange in history.exchanges:
        attempts = history.attempts_of(exchange.marker)
        for attempt, later in pairwise(attempts):
            if attempt.status in declared.client_mistakes:
                sentence = f"{attempt.provider} answered {attempt.status}, yet {later.provider} was asked as well"
                yield sentence, (exchange.marker,)
        last = attempts[-1].status if attempts else None
        if last in declared.client_mistakes and exchange.status not in (None, last):
            yield f"the provider answered {last}, the client was told {exchange.status}", (exchange.marker,)


def retry_after_handed_on(history: History, _: Declared) -> Found:
    """Where a client is told 429 and a provider said Retry-After, the smallest is handed on."""
    for exchange in history.exchanges:
        said = [value for each in history.attempts_of(exchange.marker) if (value := _retry_after(each)) is not None]
        if exchange.status != 429 or not said:
            continue
        told = exchange.header("retry-after")
        if told is None:
            yield f"a provider said Retry-After {min(said):g}, the client was told none", (exchange.marker,)
        elif not told.isdigit() or not min(said) <= int(told) < min(said) + 1:
            yield f"providers said Retry-After {min(said):g} at least, the client was told {told}", (exchange.marker,)


def _retry_after(attempt: Attempt) -> float | None:
    """Return the seconds that the fault of a 429 put into its Retry-After."""
    words = " ".join(attempt.faults) if attempt.status == 429 else ""
    found = _SAID_RETRY_AFTER.search(words)
    return float(found[1]) if found else None


def bounded_amplification(history: History, declared: Declared) -> Found:
    """Providers are asked a bounded number of times for each request, in a total outage too."""
    requests = len(history.exchanges)
    attempts = sum(len(history.attempts_of(exchange.marker)) for exchange in history.exchanges)
    if attempts > declared.amplification_max * requests:
        yield f"{attempts} attempts for {requests} requests, more than {declared.amplification_max:g} each", ()


def leaving_is_felt(history: History, declared: Declared) -> Found:
    """A client that leaves ends its attempts at once."""
    for exchange in history.exchanges:
        if exchange.ended is not Ended.LEFT:
            continue
        bound = exchange.ended_at + declared.leave_within
        for attempt in history.attempts_of(exchange.marker):
            if is_open(attempt) or max(attempt.ended_at, attempt.received_at) > bound:
                end = "never ended" if is_open(attempt) else f"ended at {attempt.ended_at:g} s"
                sentence = f"the client left at {exchange.ended_at:g} s, its attempt at {attempt.provider} {end}"
                yield sentence, (exchange.marker,)


def _names(attempts: tuple[Attempt, ...]) -> str:
    return ", ".join(attempt.provider for attempt in attempts) or "nobody"
