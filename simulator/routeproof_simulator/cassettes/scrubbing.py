"""Keys out of what is about to be written to a file, in every spelling in which they may have travelled.

A key is replaced by its fingerprint wherever it stands: an API may quote it in an error, an application in a prompt.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

from routeproof_simulator.received import Received
from routeproof_spec.history import Headers
from routeproof_spec.redaction import SECRET_HEADERS, fingerprint, redact_headers

SECRET_CHARS_MIN: Final = 8  # what is shorter guards nothing, and would be found in every other word
SECRET_QUERY: Final = frozenset({"key", "api_key", "api-key", "apikey", "access_token", "token", "sig", "signature"})


class Scrubber:
    """Replaces every one of *secrets*; those of fewer than `SECRET_CHARS_MIN` characters are none."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted({each for each in secrets if len(each) >= SECRET_CHARS_MIN}, key=len, reverse=True)
        self._fingerprints = {form: fingerprint(each).encode() for each in known for form in _forms(each)}
        longest_first = sorted(self._fingerprints, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, longest_first))) if known else None

    def scrub(self, data: bytes) -> bytes:
        """Return *data* without the secrets."""
        (one,) = self.scrub_pieces((data,))
        return one

    def scrub_pieces(self, pieces: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Return *pieces* of one body without the secrets, those too that begin in one piece and end in another."""
        if self._pattern is None:
            return pieces
        data = b"".join(pieces)
        found = [(match.start(), match.end(), self._fingerprints[match[0]]) for match in self._pattern.finditer(data)]
        if not found:
            return pieces
        scrubbed: list[bytes] = []
        start = 0
        for piece in pieces:
            scrubbed.append(_without(data, start, start + len(piece), found))
            start += len(piece)
        return tuple(scrubbed)

    def scrub_text(self, text: str) -> str:
        """Return *text* without the secrets."""
        return self.scrub(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")

    def scrub_headers(self, headers: Headers) -> Headers:
        """Return *headers* without the secrets, credentials and cookies that are headers of their own among them."""
        return tuple((name, self.scrub_text(value)) for name, value in redact_headers(headers))


def secrets_of(request: Received) -> frozenset[str]:
    """Return the credentials by which the caller of *request* identified itself."""
    found: set[str] = set()
    for name, value in request.headers:
        if name in SECRET_HEADERS:
            found |= {value, value.partition(" ")[2].strip()}
    found |= {value for name, value in parse_qsl(request.query) if name.lower() in SECRET_QUERY}
    return frozenset(found - {""})


def public_target(request: Received) -> str:
    """Return path and query of *request* without the credentials in it; the query in the order of its names."""
    kept = [(name, value) for name, value in parse_qsl(request.query, True) if name.lower() not in SECRET_QUERY]
    return f"{request.path}?{urlencode(sorted(kept))}" if kept else request.path


def _without(data: bytes, start: int, end: int, found: list[tuple[int, int, bytes]]) -> bytes:
    """Return the piece of *data* from *start* to *end*; what is *found* is put where it begins, and left out beyond."""
    kept: list[bytes] = []
    at = start
    for first, last, instead in found:
        if last <= at or first >= end:
            continue
        kept.append(data[at : max(at, first)])
        if first >= start:
            kept.append(instead)
        at = min(last, end)
    return b"".join([*kept, data[at:end]])


def _forms(secret: str) -> set[bytes]:
    """Return how *secret* may be spelled: as it is, in a URL, in JSON, in Basic credentials."""
    raw = secret.encode("utf-8", "surrogateescape")
    return {raw, quote(raw, safe="").encode(), json.dumps(secret)[1:-1].encode(), base64.b64encode(raw)}
