"""What the gateway claims, and what it must not tell."""

from __future__ import annotations

from collections import defaultdict

from routeproof_simulator.door_states import Door
from routeproof_simulator.invariants.finding import Declared, Found
from routeproof_simulator.invariants.views import fault_spans, is_event_stream, is_healthy, succeeded
from routeproof_spec.history import Exchange, History
from routeproof_spec.redaction import SECRET_HEADERS, fingerprint

# A header in whole milliseconds may be rounded up.
_ROUNDING_MS = 1.0

_SHUT = frozenset(door.value for door in Door if door is not Door.OPEN)


def headers_tell_the_truth(history: History, declared: Declared) -> Found:
    """The provider named is the one that served, the latency is possible, every response has an id of its own."""
    by_id: defaultdict[str, list[str]] = defaultdict(list)
    for exchange in history.exchanges:
        if exchange.status is None:
            continue
        yield from _provider(history, exchange, declared.dialect.provider)
        yield from _latency(exchange, declared.dialect.latency_ms)
        if declared.dialect.request_id is not None:
            by_id[exchange.header(declared.dialect.request_id) or ""].append(exchange.marker)
    for identity, markers in by_id.items():
        if not identity:
            yield f"{len(markers)} responses have no {declared.dialect.request_id}", tuple(markers)
        elif len(markers) > 1:
            yield f"{len(markers)} responses share the request id {identity}", tuple(markers)


def _provider(history: History, exchange: Exchange, header: str | None) -> Found:
    attempts = history.attempts_of(exchange.marker)
    claimed = exchange.header(header) if header is not None else None
    if header is None or not attempts:
        return
    if claimed is None:
        if succeeded(exchange):
            yield f"a success does not say in {header} who served it", (exchange.marker,)
    elif claimed != attempts[-1].provider and not _asked_in_vain(history, exchange, claimed):
        yield f"{header} says {claimed}, but {attempts[-1].provider} answered", (exchange.marker,)


def _asked_in_vain(history: History, exchange: Exchange, provider: str) -> bool:
    """Whether *provider* may have been asked last and kept no trace of it: it served nothing, and its door was shut."""
    spans = fault_spans(history, _SHUT)
    return exchange.status != 200 and not is_healthy(spans, provider, exchange.sent_at, exchange.ended_at)


def _latency(exchange: Exchange, header: str | None) -> Found:
    claimed = exchange.header(header) if header is not None else None
    if header is None or claimed is None:
        return
    if not claimed.isdigit():
        yield f"{header} is {claimed!r}, not a whole number", (exchange.marker,)
        return
    end = exchange.ended_at
    if is_event_stream(exchange.headers):
        end = exchange.frames[0].at if exchange.frames else exchange.ended_at
    measured = 1000 * (end - exchange.sent_at)
    if int(claimed) >= measured + _ROUNDING_MS:
        yield f"{header} says {claimed} ms, but the client measured {measured:.1f}", (exchange.marker,)


def no_secret_crosses(history: History, declared: Declared) -> Found:
    """No provider's key reaches a client, no client's key reaches a provider."""
    for exchange in history.exchanges:
        told = exchange.body + "".join(value for _, value in exchange.headers).encode()
        if any(key.encode() in told for key in declared.provider_keys):
            yield "the key of a provider reached the client", (exchange.marker,)
    prints = {fingerprint(key) for key in declared.client_keys}
    for attempt in history.attempts:
        words = [word for name, value in attempt.request_headers if name in SECRET_HEADERS for word in value.split()]
        others = " ".join(value for name, value in attempt.request_headers if name not in SECRET_HEADERS).encode()
        in_text = any(key.encode() in attempt.request_body + others for key in declared.client_keys)
        if in_text or prints.intersection(words):
            yield f"a client's key reached {attempt.provider}", (attempt.marker,) if attempt.marker else ()
