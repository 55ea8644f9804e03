"""What an answer says, read alike on both sides: as the client got it, and as the provider sent it."""

from __future__ import annotations

import zlib
from typing import Final

from routeproof_conformance.dig import dig, items_of, parsed
from routeproof_conformance.forms import Form
from routeproof_simulator.answers import Mark, read_stream, read_whole

_GZIP: Final = 16 + zlib.MAX_WBITS  # with the header and the checksum of RFC 1952


def content(body: bytes, form: Form) -> object:
    """Return what *body* says, an answer to *form*: its texts, or its vectors; None where it is not whole."""
    if form.operation == "embeddings":
        return [dig(entry, "embedding") for entry in items_of(dig(parsed(body), "data"))] or None
    answer = read_stream(body) if form.stream else read_whole(body)
    is_whole = answer.is_clean and (not form.stream or answer.has(Mark.DONE))
    return dict(answer.said) if is_whole and answer.said else None


def unzipped(data: bytes) -> bytes:
    """Return what was compressed to *data* with gzip; nothing where that cannot be had whole."""
    unpacker = zlib.decompressobj(wbits=_GZIP)
    try:
        plain = unpacker.decompress(data)
    except zlib.error:
        return b""
    return plain if unpacker.eof else b""
