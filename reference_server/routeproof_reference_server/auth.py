"""Whose key a request bears (RFC 6750), without ever holding a key: hashes are compared, in constant time."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from routeproof_reference_server.config import KeyConfig, LimitsConfig
from routeproof_reference_server.errors import GatewayError
from routeproof_reference_server.headers import CHALLENGE
from routeproof_reference_server.limits.rules import NO_LIMITS, KeyLimits, usd_to_pico
from routeproof_reference_server.routing.catalogue import Restriction

# One scheme, in any letter case, one blank or more, one token of visible characters (RFC 9110, 11.1 and 11.4).
_BEARER = re.compile(r"bearer +([\x21-\x7e]+) *", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A valid key: its name, for limits and billing, and what it may use."""

    key: str
    restriction: Restriction
    limits: KeyLimits = NO_LIMITS


Issued: TypeAlias = Callable[[bytes], KeyConfig | None]
"""Given the SHA-256 of a key; returns the key with that hash, of those that were issued while the gateway runs."""


class KeyRing:
    """The keys that the operator has issued, and by what all of them are measured."""

    def __init__(
        self,
        keys: Sequence[KeyConfig],
        measure: LimitsConfig = LimitsConfig(),  # noqa: B008 - it is frozen
        *,
        issued: Issued = lambda _: None,
    ) -> None:
        self._measure = measure
        self._issued = issued
        self._keys = [(bytes.fromhex(key.sha256 or ""), key, _caller(key, measure)) for key in keys]

    def caller(self, authorization: Sequence[str], now: float) -> Caller:
        """Return whose key the values of the Authorization header hold at *now* (Unix seconds).

        Raises `GatewayError` (401), the same for every reason: a stranger learns nothing.
        """
        match = _BEARER.fullmatch(authorization[0]) if len(authorization) == 1 else None
        if match is None:
            raise _refused("")
        digest = hashlib.sha256(match[1].encode()).digest()
        # Every key is compared, so that the time taken does not tell which one was near.
        found = [entry for entry in self._keys if hmac.compare_digest(entry[0], digest)]
        # What was issued later is looked up by its hash, of which the time can tell nothing that helps to find the key.
        if not found and (key := self._issued(digest)) is not None:
            found = [(digest, key, _caller(key, self._measure))]
        for _, key, caller in found:
            if not key.revoked and (key.expires_at is None or now < key.expires_at.timestamp()):
                return caller
        raise _refused(' error="invalid_token"')


def _caller(key: KeyConfig, measure: LimitsConfig) -> Caller:
    models = None if key.models is None else frozenset(key.models)
    providers = None if key.providers is None else frozenset(key.providers)
    limits = KeyLimits(
        requests_per_minute=key.requests_per_minute,
        tokens_per_minute=key.tokens_per_minute,
        tokens_per_month=key.tokens_per_month,
        spend_per_month=None if key.spend_per_month is None else usd_to_pico(key.spend_per_month),
        max_tokens=key.max_tokens,
        minute=measure.minute,
        completion_estimate=measure.completion_estimate,
    )
    return Caller(key=key.name, restriction=Restriction(models=models, providers=providers), limits=limits)


def _refused(detail: str) -> GatewayError:
    return GatewayError("invalid_api_key", headers={CHALLENGE: f"Bearer{detail}"})
