"""The names of the four strategies."""

from __future__ import annotations

from enum import StrEnum


class Strategy(StrEnum):
    """How a provider is chosen, as the strategy header spells it."""

    COST = "cost"
    LATENCY = "latency"
    AVAILABILITY = "availability"
    ROUND_ROBIN = "round-robin"
