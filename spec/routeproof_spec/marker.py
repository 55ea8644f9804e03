"""The marker: the unique word in a request by which what a provider saw is attributed to it.

It travels four ways at once, for gateways drop headers and fields they do not know: a header, `user`, `metadata`, and
`[[rp:…]]` in the text of the last user message (or the prompt, or the input), which survives every gateway.
"""

from __future__ import annotations

import re
from random import Random

from routeproof_spec.history import Headers, first_header

MARKER_HEADER = "x-routeproof-marker"
MARKER_BYTES_MAX = 64

MARKER_OPENING = b"[[rp:"
_IN_TEXT = re.compile(rb"\[\[rp:([A-Za-z0-9._-]{1,64})\]\]")
_WHOLE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def new_marker(rng: Random) -> str:
    """Return a marker that no other request of a run bears: 60 random bits in base 32."""
    alphabet = "abcdefghijkmnpqrstuvwxyz23456789"
    return "".join(rng.choice(alphabet) for _ in range(12))


def in_text(marker: str) -> str:
    """Return how *marker* is spelled inside a text."""
    return f"[[rp:{marker}]]"


def find_marker(headers: Headers, body: bytes) -> str | None:
    """Return the marker that a request bears, or None.

    The text comes first, and its last occurrence: a header may be added by a hop in between, and earlier messages of a
    conversation may quote another request.
    """
    if MARKER_OPENING in body and (found := _IN_TEXT.findall(body)):
        last: bytes = found[-1]
        return last.decode("ascii")
    value = first_header(headers, MARKER_HEADER)
    return value if value is not None and _WHOLE.fullmatch(value) else None
