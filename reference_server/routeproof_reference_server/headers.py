"""What the contract's own headers ask for, and what they tell: names come from the contract, by role."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

from routeproof_reference_server.errors import GatewayError, echoed
from routeproof_reference_server.routing.strategy import Strategy
from routeproof_spec.contract import load_contract

_CONTRACT = load_contract()

STRATEGY: Final = _CONTRACT.headers["strategy"]
FALLBACK: Final = _CONTRACT.headers["fallback"]
REQUEST_ID: Final = _CONTRACT.headers["request_id"]
PROVIDER: Final = _CONTRACT.headers["provider"]
LATENCY_MS: Final = _CONTRACT.headers["latency_ms"]
RETRY_AFTER: Final = _CONTRACT.headers["retry_after"]
RATELIMIT_LIMIT_REQUESTS: Final = _CONTRACT.headers["ratelimit_limit_requests"]
RATELIMIT_REMAINING_REQUESTS: Final = _CONTRACT.headers["ratelimit_remaining_requests"]
RATELIMIT_RESET_REQUESTS: Final = _CONTRACT.headers["ratelimit_reset_requests"]
CHALLENGE: Final = _CONTRACT.headers["challenge"]


def asked_strategy(values: Sequence[str]) -> Strategy | None:
    """Return the strategy that the header's *values* ask for, or None where it is absent.

    Exactly one of the contract's words, letter for letter; raises `GatewayError` for anything else.
    """
    if not values:
        return None
    if len(values) > 1 or values[0] not in _CONTRACT.strategies:
        found = echoed(", ".join(values))
        raise GatewayError("invalid_strategy", f"{STRATEGY} is '{found}'; it must be one of {_strategies()}.")
    return Strategy(values[0])


def asked_fallback(values: Sequence[str]) -> tuple[str, ...]:
    """Return the models that the header's *values* list, in order, without blanks, empty items and repetitions.

    A header that comes several times is one list (RFC 9110, 5.3). Raises `GatewayError` where the list is too long.
    """
    items = (item.strip(" \t") for value in values for item in value.split(","))
    listed = tuple(dict.fromkeys(item for item in items if item))
    if len(listed) > _CONTRACT.limits.fallback_items_max:
        wanted = f"{FALLBACK} lists {len(listed)} models; it must list at most {_CONTRACT.limits.fallback_items_max}."
        raise GatewayError("malformed_request", wanted)
    return listed


def told_route(provider: str, elapsed: float) -> dict[str, str]:
    """Return the headers of a response that reached routing, *elapsed* seconds after the request came in.

    Whole milliseconds, rounded down: never more than the client measures.
    """
    return {PROVIDER: provider, LATENCY_MS: str(int(elapsed * 1000))}


def new_id(rng: Random) -> str:
    """Return a request id that no other request has: 96 random bits."""
    return f"req-{rng.getrandbits(96):024x}"


def _strategies() -> str:
    return ", ".join(_CONTRACT.strategies)
