"""The order of attempts: was the chain kept, and nobody asked more often than declared?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby


def collapsed(asked: Sequence[str]) -> tuple[str, ...]:
    """Return *asked* with immediate repetitions taken together: a retry is not a fallback."""
    return tuple(name for name, _ in groupby(asked))


def breach(asked: Sequence[str], chain: Sequence[str], *, retries: int = 0) -> str | None:
    """Return how *asked* strays from *chain* with so many further tries of each provider, in words, or None."""
    if not retries:
        return None if tuple(asked) == tuple(chain) else _told(asked)
    runs = [(name, len(list(run))) for name, run in groupby(asked)]
    if tuple(name for name, _ in runs) != tuple(chain):
        return _told(asked)
    over = [f"{name} {count} times" for name, count in runs if count > retries + 1]
    return f"{_told(asked)}: {over[0]}, with {retries} retries declared" if over else None


def _told(asked: Sequence[str]) -> str:
    return " → ".join(asked) if asked else "no attempt"
