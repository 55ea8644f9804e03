"""Header honesty: what a header claims, what the client measured and what the journal shows must agree."""

from __future__ import annotations

import re
from typing import Final

_MILLISECONDS: Final = re.compile(r"[0-9]{1,9}")

#: A header counts whole milliseconds and two clocks may differ in the last one.
ROUNDING: Final = 0.001  #: seconds


def latency_breach(claimed: str | None, *, measured: float, at_least: float = 0.0) -> str | None:
    """Return why a *claimed* latency in milliseconds cannot be true, in words, or None.

    *measured* are the seconds that the client saw, which the claim cannot pass; *at_least* those that the provider
    took.
    """
    if claimed is None:
        return "no latency header"
    if not _MILLISECONDS.fullmatch(claimed):
        return f"{claimed!r}, which is no non-negative whole number of milliseconds"
    seconds = int(claimed) / 1000
    if seconds > measured + ROUNDING:
        return f"{claimed} ms, more than the {measured * 1000:.1f} ms that the client measured"
    if seconds < at_least - ROUNDING:
        return f"{claimed} ms, less than the {at_least * 1000:.1f} ms that the provider took"
    return None
