"""The numbers of an embedding, in either of its encodings."""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Sequence
from typing import Final

from routeproof_conformance.dig import dig, items_of

FLOAT_BYTES: Final = 4

#: Unequal by more than this are no two roundings of one number: what is left of a value in 32 bits, and a model's own
#: noise between two requests, is far smaller; bytes read in the wrong order are far off.
TOLERANCE: Final = 0.01


def numbers(embedding: object) -> tuple[float, ...]:
    """Return the numbers of *embedding*, an array or the base64 text of little-endian float32; none for neither."""
    if isinstance(embedding, str):
        data = decoded(embedding)
        count, rest = divmod(len(data), FLOAT_BYTES)
        return () if rest else struct.unpack(f"<{count}f", data)
    found = items_of(embedding)
    return tuple(each for each in found if isinstance(each, int | float)) if all(map(_is_number, found)) else ()


def widths(answer: object) -> list[int]:
    """Return how many numbers each embedding of *answer*, the JSON of a whole answer, holds."""
    return [len(numbers(dig(entry, "embedding"))) for entry in items_of(dig(answer, "data"))]


def decoded(text: str) -> bytes:
    """Return the bytes of a base64 *text*; none where it is not base64 (RFC 4648, section 4)."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def are_close(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether both hold the same numbers, but for rounding."""
    if len(one) != len(other):
        return False
    pairs = zip(one, other, strict=True)
    return all(math.isclose(mine, theirs, rel_tol=TOLERANCE, abs_tol=TOLERANCE) for mine, theirs in pairs)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
