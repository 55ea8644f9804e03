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


def improbable(chosen: Sequence[str], providers: Sequence[str], *, alpha: float) -> tuple[str, int] | None:
    """Return a provider whose count is not one of a uniform random choice, with its count, or None.

    The chance of a false alarm is below *alpha*, shared by the providers and by too few and too many.
    """
    counts, size = Counter(chosen), len(providers)
    low, high = _usual(requests=len(chosen), share=Fraction(1, size), alpha=alpha / (2 * size))
    for provider in (*providers, *sorted(counts.keys() - set(providers))):
        if not low <= counts[provider] <= high or provider not in providers:
            return provider, counts[provider]
    return None


def improbable_missed(*, providers: int, requests: int, alpha: float) -> float:
    """Return the chance that a provider passes which is chosen twice as often as it should be, at most always."""
    low, high = _usual(requests=requests, share=Fraction(1, providers), alpha=alpha / (2 * providers))
    return float(
        sum(_binomial(count, requests, min(Fraction(2, providers), Fraction(1))) for count in range(low, high + 1))
    )


def _usual(*, requests: int, share: Fraction, alpha: float) -> tuple[int, int]:
    """Return the least and the greatest count that do not lie in a tail lighter than *alpha*."""
    weights = [_binomial(count, requests, share) for count in range(requests + 1)]
    return _tail(weights, alpha), requests - _tail(weights[::-1], alpha)


def _tail(weights: Sequence[Fraction], alpha: float) -> int:
    """Return how many of *weights*, from the first on, weigh less than *alpha* together."""
    total = Fraction(0)
    for count, weight in enumerate(weights):
        total += weight
        if total >= alpha:
            return count
    return len(weights)


def _binomial(count: int, requests: int, share: Fraction) -> Fraction:
    return math.comb(requests, count) * share**count * (1 - share) ** (requests - count)
