"""How long a provider asks to be left alone, out of its headers (RFC 9110, 10.2.3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

RETRY_AFTER_MAX: Final = 86_400  #: seconds; a day, which Azure asks for in earnest. Beyond it is a mistake, not a wish


def retry_after(headers: Mapping[str, str], wall: float) -> int | None:
    """Return the seconds that *headers* ask for, rounded up and at most a day, or None where they ask for nothing.

    `retry-after-ms` is the more exact and wins. A date is counted from the answer's own `Date`, or from *wall* (Unix
    seconds) where it has none; a date that has passed is 0. What is neither number nor date, or negative, is nothing.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = _number(headers.get(name))
        if seconds is not None:
            return _bounded(seconds * unit)
    until = _date(headers.get("retry-after"))
    if until is None:
        return None
    answered = _date(headers.get("date"))
    return _bounded(max(0.0, until - (wall if answered is None else answered)))


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if number >= 0 else None


def _date(value: str | None) -> float | None:
    try:
        parsed = parsedate_to_datetime(value or "")
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):  # the latter from a year or a zone beyond all numbers
        return None


def _bounded(seconds: float) -> int:
    return math.ceil(min(seconds, RETRY_AFTER_MAX))
