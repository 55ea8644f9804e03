"""Who is left alone for a while, because it failed: when that may be, when it must be, and that it ends."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from routeproof_simulator.door_states import Door
from routeproof_simulator.invariants.finding import BreakerDeclared, Declared, Found
from routeproof_simulator.invariants.views import asked_models, failed, fault_spans, is_healthy, is_open, named_first
from routeproof_spec.history import Attempt, Ended, Exchange, History

HEARD: Final = 0.05  #: seconds until a gateway has heard of a failure that its provider's journal has noted
SHUT: Final = frozenset({Door.REFUSED.value, Door.SILENT.value, Door.RESET.value})  # such leaves no attempt
NAMED_MIN: Final = 10  # requests that name a provider first: by then it is asked, if it ever will be


class Told(NamedTuple):
    """What one attempt told of its provider."""

    ended: float
    began: float
    is_failure: bool


@dataclass(frozen=True, slots=True)
class Lately:
    """What a gateway may know of one provider: what attempts told, as they ended, and when its door was shut."""

    told: Sequence[Told]
    shut: Sequence[tuple[float, float]]
    asked: Sequence[tuple[float, float]]  # from when to when each attempt was under way, whatever it told

    def is_probed(self, now: float) -> bool:
        """Whether an attempt is under way at *now* while what was told last is a failure: others wait for its end."""
        until = bisect_right(self.told, now, key=lambda each: each.ended)
        failed_last = until > 0 and self.told[until - 1].is_failure
        return failed_last and any(began <= now <= ended for began, ended in self.asked)

    def last_failure(self, now: float) -> float:
        """Return when it failed the last time until *now*; minus infinity where it never did."""
        until = bisect_right(self.told, now, key=lambda each: each.ended)
        failed = next((each.ended for each in reversed(self.told[:until]) if each.is_failure), -math.inf)
        return max([failed, *(min(end, now) for begin, end in self.shut if begin <= now)])

    def open_spans(self, breaker: BreakerDeclared) -> list[tuple[float, float]]:
        """Return from when to when a breaker of that kind is open for certain.

        What an attempt tells that began before a breaker closed again says nothing of what came after.
        """
        spans: list[tuple[float, float]] = []
        in_a_row = 0
        for each in self.told:
            closed_at = spans[-1][1] if spans else -math.inf
            if not each.is_failure:
                # Who is asked although its breaker is open, and answers, has closed it.
                if each.ended < closed_at:
                    spans[-1] = (spans[-1][0], each.ended)
                in_a_row = 0
            elif each.began >= closed_at:
                in_a_row += 1
                if in_a_row >= breaker.failures:
                    spans.append((each.ended, each.ended + breaker.cooldown))
        return spans


def known_of(history: History, declared: Declared) -> Mapping[str, Lately]:
    """Return, by provider, what can be known; who was left, or whose client was mistaken, tells nothing."""
    left = {each.marker for each in history.exchanges if each.ended is Ended.LEFT}
    found: dict[str, list[Told]] = {}
    asked: dict[str, list[tuple[float, float]]] = {}
    for attempt in history.attempts:
        end = math.inf if is_open(attempt) else attempt.ended_at
        asked.setdefault(attempt.provider, []).append((attempt.received_at, end))
        was_left = attempt.ended is Ended.LEFT and attempt.marker in left
        if was_left or is_open(attempt) or attempt.status in declared.client_mistakes:
            continue
        found.setdefault(attempt.provider, []).append(Told(attempt.ended_at, attempt.received_at, failed(attempt)))
    shut = fault_spans(history, SHUT)
    return {
        name: Lately(sorted(found.get(name, [])), shut.get(name, []), asked.get(name, []))
        for name in asked.keys() | shut.keys()
    }


def may_be_out(known: Mapping[str, Lately], declared: Declared, provider: str, now: float) -> bool:
    """Whether a breaker may leave *provider* alone at *now*: it is declared, and the provider failed lately."""
    breaker, lately = declared.breaker, known.get(provider)
    if breaker is None or lately is None:
        return False
    return now - lately.last_failure(now) <= breaker.out_max or lately.is_probed(now)


def open_means_left_alone(history: History, declared: Declared) -> Found:
    """A provider whose breaker must be open is not asked while another of the request's providers could be."""
    if declared.breaker is None:
        return
    known, spans = known_of(history, declared), fault_spans(history)
    asked = {each.marker: each for each in history.exchanges}
    open_in = {name: each.open_spans(declared.breaker) for name, each in known.items()}
    for attempt in history.attempts:
        now, spans_open = attempt.received_at, open_in.get(attempt.provider, [])
        trip = next((begin for begin, end in spans_open if begin + HEARD < now < end), None)
        if trip is None or attempt.marker not in asked:
            continue
        exchange = asked[attempt.marker]
        for other in sorted(_others(history, declared, exchange, attempt)):
            is_fine = is_healthy(spans, other, exchange.sent_at - declared.recover_within, now)
            if is_fine and not may_be_out(known, declared, other, now):
                failures = f"{declared.breaker.failures} failures in a row until {trip:g} s"
                sentence = f"{attempt.provider} was asked at {now:g} s, after {failures}; {other} was healthy"
                yield sentence, (attempt.marker,)
                break


def _others(history: History, declared: Declared, exchange: Exchange, attempt: Attempt) -> set[str]:
    """Return whom the request could reach beside the provider of *attempt*, and had not asked yet."""
    reach = {name for model in asked_models(exchange, declared) for name in declared.serves.get(model, ())}
    before = {each.provider for each in history.attempts_of(exchange.marker) if each.received_at < attempt.received_at}
    return reach - before - {attempt.provider}


def comes_back(history: History, declared: Declared) -> Found:
    """A provider that is healthy again, and was left alone, is asked again when a breaker's longest time is over."""
    if declared.breaker is None:
        return
    ends = max((each.ended_at for each in history.exchanges), default=0.0)
    for provider, spans in fault_spans(history).items():
        for (_, healed), (broken, _) in pairwise([*spans, (ends, math.inf)]):
            since = healed + max(declared.breaker.out_max, declared.recover_within)
            later = [each for each in history.exchanges if since <= each.sent_at < broken]
            naming = [each for each in later if named_first(each, declared) == (provider,)]
            markers = {each.marker for each in later}
            asked = any(each.provider == provider and each.marker in markers for each in history.attempts)
            if len(naming) >= NAMED_MIN and not asked:
                found = f"{len(naming)} requests named it first, and none reached it"
                yield f"{provider} healed at {healed:g} s, {found}", (naming[0].marker,)
