"""What a key may consume, and what an answer costs. Money is whole pico-USD: a sum of floats is nobody's bill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from routeproof_reference_server.routing.catalogue import Deployment

#: What a key without a limit of requests is told to have: clients want a number, and nobody reaches this one.
UNLIMITED: Final = 1_000_000_000

_PICO: Final = 1_000_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLimits:
    """The limits of one key; None: there is none."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_month: int | None = None
    spend_per_month: int | None = None  #: pico-USD
    max_tokens: int | None = None  # of one request
    minute: float = 60.0  #: seconds of the windows
    completion_estimate: int = 256  # tokens reserved for an answer whose request names no limit

    @property
    def reserves(self) -> bool:
        """Whether what a request will cost has to be reserved."""
        return not (self.tokens_per_minute is self.tokens_per_month is self.spend_per_month is None)


NO_LIMITS: Final = KeyLimits()


def usd_to_pico(usd: float) -> int:
    """Return *usd* as whole pico-USD."""
    return round(usd * _PICO)


def pico_to_usd(pico: int) -> str:
    """Return whole pico-USD as USD, exactly: two decimals at least, and no nought after them."""
    whole, rest = divmod(pico, _PICO)
    return f"{whole}.{f'{rest:012d}'.rstrip('0').ljust(2, '0')}"


def cost(deployment: Deployment, prompt_tokens: int, completion_tokens: int) -> int:
    """Return what so many tokens cost at *deployment*, in pico-USD."""
    return prompt_tokens * deployment.prompt_price + completion_tokens * deployment.completion_price
