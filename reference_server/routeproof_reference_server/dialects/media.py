"""What a request holds that is no text, or points to it."""

from __future__ import annotations

import re
from typing import Final

_DATA: Final = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)?(?:;[^;,]*)*?;base64,", re.IGNORECASE)


def data_of(url: str) -> tuple[str, str] | None:
    """Return the media type and the base64 of a data URL; None where *url* is none, or is not in base64."""
    found = _DATA.match(url)
    return (found["type"] or "text/plain", url[found.end() :]) if found else None


def is_address(url: str) -> bool:
    """Whether *url* is one that a provider can fetch."""
    return url.startswith(("https://", "http://"))
