"""States that a run may reach: a campaign that held without ever getting there has shown nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from routeproof_simulator.answers import Mark
from routeproof_simulator.door_states import Door
from routeproof_simulator.invariants.finding import Declared
from routeproof_simulator.invariants.views import (
    asked_models,
    attempt_answer,
    content_at,
    failed,
    fault_spans,
    is_healthy,
    streams,
    succeeded,
)
from routeproof_spec.history import Ended, Exchange, History

_Reached: TypeAlias = Callable[[History, Declared], bool]


def reached(history: History, declared: Declared) -> frozenset[str]:
    """Return the names of the states that *history* reached."""
    return frozenset(name for name, holds in STATES.items() if holds(history, declared))


def _fell_back(history: History, _: Declared) -> bool:
    return any(succeeded(each) and len(history.attempts_of(each.marker)) > 1 for each in history.exchanges)


def _fell_back_to_the_last(history: History, declared: Declared) -> bool:
    def to_the_last(exchange: Exchange) -> bool:
        chain = asked_models(exchange, declared)
        attempts = history.attempts_of(exchange.marker)
        return len(chain) > 1 and bool(attempts) and attempts[-1].provider in declared.serves.get(chain[-1], ())

    return any(to_the_last(each) and len(history.attempts_of(each.marker)) > 1 for each in history.exchanges)


def _all_failed(history: History, _: Declared) -> bool:
    chains = [history.attempts_of(exchange.marker) for exchange in history.exchanges]
    return any(len(attempts) > 1 and all(map(failed, attempts)) for attempts in chains)


def _all_down(history: History, _: Declared) -> bool:
    spans = fault_spans(history)
    providers = {attempt.provider for attempt in history.attempts} | set(spans)
    instants = [change.at for change in history.faults]
    return any(not any(is_healthy(spans, each, at, at) for each in providers) for at in instants)


def _cut_before_content(history: History, _: Declared) -> bool:
    return any(
        attempt.status == 200 and attempt.ended in _CUT and not attempt_answer(attempt).has(Mark.CONTENT)
        for attempt in history.attempts
    )


def _cut_after_content(history: History, _: Declared) -> bool:
    return any(
        attempt.status == 200 and attempt.ended in _CUT and attempt_answer(attempt).has(Mark.CONTENT)
        for attempt in history.attempts
    )


def _error_in_stream(history: History, _: Declared) -> bool:
    return any(answer.has(Mark.CONTENT) and answer.has(Mark.ERROR) for _exchange, answer in streams(history))


def _refused(history: History, declared: Declared) -> bool:
    """Whether a request went first to a provider whose door was shut: no journal can show a refused attempt."""
    spans = fault_spans(history, frozenset({Door.REFUSED.value}))

    def met_a_shut_door(exchange: Exchange) -> bool:
        first = declared.serves.get(next(iter(asked_models(exchange, declared)), ""), ())
        return len(first) == 1 and not is_healthy(spans, first[0], exchange.sent_at, exchange.sent_at)

    return any(map(met_a_shut_door, history.exchanges))


def _left_waiting(history: History, _: Declared) -> bool:
    return any(each.ended is Ended.LEFT and content_at(each) is None for each in history.exchanges)


def _left_reading(history: History, _: Declared) -> bool:
    return any(each.ended is Ended.LEFT and content_at(each) is not None for each in history.exchanges)


def _rate_limited(history: History, _: Declared) -> bool:
    return any(attempt.status == 429 for attempt in history.attempts)


_CUT: Final = frozenset({Ended.CUT, Ended.RESET})

STATES: Final[Mapping[str, _Reached]] = MappingProxyType(
    {
        "fallback": _fell_back,
        "fallback to the last of the chain": _fell_back_to_the_last,
        "all attempts failed": _all_failed,
        "all providers down": _all_down,
        "cut before content": _cut_before_content,
        "cut after content": _cut_after_content,
        "error in a stream": _error_in_stream,
        "refused": _refused,
        "client left while waiting": _left_waiting,
        "client left while reading": _left_reading,
        "rate limited": _rate_limited,
    }
)
