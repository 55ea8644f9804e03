"""Times as the answers of providers spell them."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache


@lru_cache(maxsize=8)
def http_date(created: int) -> str:
    """Return *created*, in Unix seconds, as a Date header, which a server with a clock sends (RFC 9110, 6.6.1)."""
    return formatdate(created, usegmt=True)


def rfc3339(at: int) -> str:
    """Return *at*, in Unix seconds, in UTC: `2025-01-31T12:00:00Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
