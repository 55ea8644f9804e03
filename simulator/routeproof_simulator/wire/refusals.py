"""What the wire does not read: the limits of a request, and the status and the sentence of each refusal."""

from __future__ import annotations

from typing import Final, TypeAlias

Refusal: TypeAlias = tuple[int, str]

HEAD_BYTES_MAX: Final = 64 * 2**10
BODY_BYTES_MAX: Final = 8 * 2**20

LENGTH_DIGITS_MAX: Final = 20  # of a Content-Length; Python reads no number of some thousands

HEAD_TOO_LONG: Final = (431, f"The head, or the trailer, is longer than {HEAD_BYTES_MAX} bytes.")
BODY_TOO_LONG: Final = (413, f"The body is longer than {BODY_BYTES_MAX} bytes.")
OTHER_VERSION: Final = (505, "HTTP/1.1 and HTTP/1.0 are spoken here.")
NOT_ONE_HOST: Final = (400, "A request of HTTP/1.1 names its host, once.")  # RFC 9112, section 3.2
# The offer of another protocol is declined by answering in this one (RFC 9110, section 7.8); what follows cannot be
# read, so the answer is the last.
OTHER_PROTOCOL: Final = (400, "The connection cannot change its protocol.")


def is_too_long(length: str) -> bool:
    """Whether *length*, a Content-Length, announces more than a body may have, or in more digits than it may."""
    return length.isdecimal() and (len(length) > LENGTH_DIGITS_MAX or int(length) > BODY_BYTES_MAX)


def not_http(reason: object) -> Refusal:
    """Return the refusal of bytes that break HTTP's grammar."""
    return 400, f"The bytes received are not HTTP: {reason}."
