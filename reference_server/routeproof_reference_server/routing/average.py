"""A mean in which the newest counts most.

The weight of a value halves with every `half_life`; after `forget_after` without a new one it is none at all, so that
no verdict outlives its grounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """How long a value counts."""

    half_life: float  #: seconds
    forget_after: float  #: seconds


@final
class Average:
    """A mean in which older values weigh less (EWMA over time)."""

    __slots__ = ("_mean", "at", "weight")

    def __init__(self) -> None:
        self._mean = 0.0
        self.weight = 0.0  # of all values together, when the newest came; the newest weighs 1
        self.at = float("-inf")  #: seconds; of the newest value

    def add(self, value: float, now: float, memory: Memory) -> None:
        """Take *value* in."""
        age = now - self.at
        kept = 2.0 ** (-age / memory.half_life) if age < memory.forget_after else 0.0
        self.weight = self.weight * kept + 1.0
        # In steps, so that equal values give exactly their own mean, and equals stay equal.
        self._mean = self._mean + (value - self._mean) / self.weight if kept else value
        self.at = now

    def mean(self, now: float, memory: Memory) -> float | None:
        """Return the mean, or None where nothing is remembered."""
        return self._mean if now - self.at < memory.forget_after else None
