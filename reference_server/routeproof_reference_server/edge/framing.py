"""Which requests no server may guess the meaning of: what h11 lets pass, and another server might read otherwise.

Two servers that disagree about where a request ends can be made to take the one's body for the other's next request.
So whatever is ambiguous is refused, though RFC 9112 would allow to repair it. Bare line feeds and folded lines are read
as the standard has it: nothing of a head is ever sent on, so nobody behind this gateway could read them otherwise.
"""

from __future__ import annotations

import re
from typing import Final

import h11

_VERSIONS: Final = (b"1.0", b"1.1")
# A name of labels as DNS knows them, or an address (RFC 9110, 7.2); none, as a client that has no name for us may send.
_HOST: Final = re.compile(rb"(?:(?:[\w-]{1,63}\.)*[\w-]{1,63}\.?|\[[0-9A-Fa-f:.]{2,45}\])?(?::\d{1,5})?", re.ASCII)
_SCHEMES: Final = (b"http://", b"https://")


def head_bytes(request: h11.Request) -> int:
    """Return how long the head was on the wire, give or take its blanks."""
    fields = sum(len(name) + len(value) + 4 for name, value in request.headers)
    return len(request.method) + len(request.target) + fields + 14


def flaw(request: h11.Request) -> str | None:
    """Return why *request* is refused, or None where it is sound."""
    names = [name for name, _ in request.headers]
    has_encoding = b"transfer-encoding" in names
    if request.http_version not in _VERSIONS:
        return "The version of HTTP must be 1.0 or 1.1."
    if has_encoding and b"content-length" in names:
        return "A request has a Content-Length or a Transfer-Encoding, not both."
    if has_encoding and request.http_version == b"1.0":
        return "HTTP/1.0 has no Transfer-Encoding."
    if any(_HOST.fullmatch(value) is None for name, value in request.headers if name == b"host"):
        return "The Host is no name and no address."
    if origin_form(request.target) is None:
        return "The target must be a path or an absolute URL."
    return None


def origin_form(target: bytes) -> bytes | None:
    """Return *target* from its path on, or None where it has none (RFC 9112, 3.2)."""
    if target.startswith(b"/"):
        return target
    for scheme in _SCHEMES:
        if target[: len(scheme)].lower() == scheme:
            _, slash, path = target[len(scheme) :].partition(b"/")
            return slash + path if slash else None
    return None
