"""What must happen in the end: recovery, an answer in time, success where it was possible."""

from __future__ import annotations

from routeproof_simulator.answers import Mark, read_stream
from routeproof_simulator.invariants.breakers import known_of, may_be_out
from routeproof_simulator.invariants.finding import Declared, Found
from routeproof_simulator.invariants.views import (
    UNFINISHED,
    asked_models,
    asks_fallback,
    fault_spans,
    is_event_stream,
    is_healthy,
    last_heal,
    named_first,
    succeeded,
)
from routeproof_spec.history import Ended, Exchange, History


def recovers(history: History, declared: Declared) -> Found:
    """Some time after the last fault is healed all requests succeed, and who is named first is asked again."""
    healed_at = last_heal(history)
    if healed_at is None:
        return
    settled_at = healed_at + declared.recover_within
    later = [exchange for exchange in history.exchanges if exchange.sent_at >= settled_at]
    for exchange in later:
        if (
            not succeeded(exchange)
            and exchange.ended is not Ended.LEFT
            and not _is_mistake(history, exchange, declared)
        ):
            sentence = (
                f"{exchange.sent_at - healed_at:.1f} s after the last heal a request still fails: {_ending(exchange)}"
            )
            yield sentence, (exchange.marker,)
    # Of a pool a strategy may leave anybody out; who is named first has to be asked again, once no breaker is open.
    back_at = max(settled_at, healed_at + declared.breaker.out_max) if declared.breaker else settled_at
    asked_again = {each.provider for each in history.attempts if each.received_at >= back_at}
    named = {name for each in later if each.sent_at >= back_at for name in named_first(each, declared)}
    for provider in sorted(named - asked_again):
        yield f"requests name {provider} first, and it was never asked again after it healed", ()


def every_request_ends(history: History, declared: Declared) -> Found:
    """Every request ends by its deadline."""
    for exchange in history.exchanges:
        if exchange.ended is Ended.TIMED_OUT or exchange.duration > declared.request_within:
            yield f"the request had not ended after {exchange.duration:.1f} s", (exchange.marker,)


def fallback_saves(history: History, declared: Declared) -> Found:
    """With one healthy provider in the chain and fallback asked for, nobody sees an error."""
    spans, known = fault_spans(history), known_of(history, declared)
    for exchange in history.exchanges:
        if not asks_fallback(exchange, declared) or exchange.ended in UNFINISHED or succeeded(exchange):
            continue
        if _broke_after_its_first_byte(exchange) or _is_mistake(history, exchange, declared):
            continue  # nothing could be done, and nothing may be
        chain = [provider for model in asked_models(exchange, declared) for provider in declared.serves.get(model, ())]
        for provider in dict.fromkeys(chain):
            if is_healthy(spans, provider, exchange.sent_at, exchange.ended_at) and not may_be_out(
                known, declared, provider, exchange.ended_at
            ):
                yield f"the client saw {_ending(exchange)}, though {provider} was healthy", (exchange.marker,)
                break


def _broke_after_its_first_byte(exchange: Exchange) -> bool:
    """Whether some of the answer had reached the client, the role chunk counted, before the stream failed."""
    is_stream = exchange.status == 200 and is_event_stream(exchange.headers)
    return is_stream and any(mark is not Mark.ERROR for mark in read_stream(exchange.body).marks)


def _is_mistake(history: History, exchange: Exchange, declared: Declared) -> bool:
    return any(each.status in declared.client_mistakes for each in history.attempts_of(exchange.marker))


def _ending(exchange: Exchange) -> str:
    if exchange.status is None:
        return f"no response ({exchange.ended})"
    return f"status {exchange.status}" if exchange.status != 200 else f"a stream that failed ({exchange.ended})"
