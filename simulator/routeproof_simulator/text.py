"""What a fake provider says: text and vectors that depend on nothing but what they are asked for.

A text begins with the provider's name, so that whoever reads it sees whose it is, and holds characters of two, three
and four bytes, so that a split inside a character shows.
"""

from __future__ import annotations

import hashlib
import math
import re
import struct
from operator import itemgetter
from typing import Final

_WORDS: Final = tuple(
    """
    river stone amber quiet lantern harbour winter meadow copper signal garden thunder paper violet
    window engine orchard silver compass ribbon shadow marble feather island velvet timber candle ocean
    valley sparrow canyon ember café naïve jalapeño Zürich señor déjà façade smörgåsbord Łódź Ελλάδα
    мир 漢字 東京 水 안녕 🚀 🌍 ✨ mirror bridge anchor falcon crystal saddle
    beacon harvest pebble willow tunnel kettle magnet prairie walnut
    """.split()  # noqa: SIM905 - sixty words in quotes and commas would not be read
)
_ACCENTED: Final = (" é", " 漢", " 🚀")
_TOKEN_OF_BYTE: Final = tuple(f" {_WORDS[byte % len(_WORDS)]}" for byte in range(256))


def tokens(provider: str, count: int, *seeds: str) -> tuple[str, ...]:
    """Return *count* tokens whose joint text names *provider*; the same for the same *seeds*."""
    assert count >= 1
    # The first four stand fast: every text, however short a test makes it, holds a name and wide characters.
    fixed = (f"{provider}:", *_ACCENTED)
    drawn: tuple[str, ...] = itemgetter(*digest(max(count, 2), provider, *seeds))(_TOKEN_OF_BYTE)
    return (fixed + drawn)[:count]


def split_into_tokens(text: str) -> tuple[str, ...]:
    """Return *text* in pieces of at most six characters, as a model would spell out JSON."""
    return tuple(re.findall(r".{1,6}", text, re.DOTALL))


def count_tokens(text: str) -> int:
    """Return how many tokens *text* counts for: one for every four characters begun, none for no text."""
    return (len(text) + 3) // 4


def digest(size: int, *seeds: str) -> bytes:
    """Return *size* bytes that depend on *seeds* alone."""
    return hashlib.shake_128("\x1f".join(seeds).encode("utf-8", "surrogatepass")).digest(size)


def unit_vector(text: str, dimensions: int) -> tuple[float, ...]:
    """Return the vector of *text*: of length one, in numbers that a 32-bit float holds exactly."""
    raw = struct.unpack(f"<{dimensions}i", digest(4 * dimensions, text))
    norm = math.sqrt(math.fsum(float(each) ** 2 for each in raw)) or 1.0
    packed = struct.pack(f"<{dimensions}f", *(each / norm for each in raw))
    return struct.unpack(f"<{dimensions}f", packed)
