"""Does a rotation rotate? Exact: no tolerance, no chance of a false alarm."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction


def broken_window(chosen: Sequence[str], providers: Sequence[str]) -> int | None:
    """Return where the first run of k successive choices begins that does not hold k different *providers*, or None.

    A random choice passes n windows with probability (k!/kᵏ) · k⁻⁽ⁿ⁻¹⁾: less than 1e-6 after 8k requests.
    """
    size, wanted = len(providers), set(providers)
    for start in range(len(chosen) - size + 1):
        if set(chosen[start : start + size]) != wanted:
            return start
    return None


def windows_missed(*, providers: int, requests: int) -> float:
    """Return the chance that a random choice passes every window of *requests* for so many *providers*."""
    if requests < providers:
        return 1.0
    first = 1.0
    for index in range(providers):
        first *= (providers - index) / providers
    return first * float(providers) ** -(requests - providers)


def uneven(chosen: Sequence[str], providers: Sequence[str], *, workers: int) -> tuple[str, int] | None:
    """Return a provider whose count strays further than *workers* independent rotations can, with its count, or None.

    Each worker keeps a rotation of its own, so that |count - n/k| is at most workers · (1 - 1/k).
    """
    counts, size = Counter(chosen), len(providers)
    bound = workers * (1 - Fraction(1, size))
    for provider in providers:
        if abs(counts[provider] - Fraction(len(chosen), size)) > bound:
            return provider, counts[provider]
    strangers = sorted(counts.keys() - set(providers))
    return (strangers[0], counts[strangers[0]]) if strangers else None


def uneven_missed(*, providers: int, requests: int, workers: int) -> float:
    """Return the chance that a random choice stays within that bound for one provider: no more pass for all."""
    bound, share = workers * (1 - Fraction(1, providers)), Fraction(requests, providers)
    within = range(max(0, math.ceil(share - bound)), min(requests, math.floor(share + bound)) + 1)
    ways = sum(math.comb(requests, count) * (providers - 1) ** (requests - count) for count in within)
    return float(Fraction(ways, providers**requests))
