"""What an answer says, read alike on both sides: as the client got it, and as the provider sent it."""

from __future__ import annotations

import zlib
from typing import Final

from routeproof_conformance.dig import dig, items_of, parsed
from routeproof_conformance.forms import Form
from routeproof_conformance.judge import stream
from routeproof_spec.errors import RemoteProtocolError
from routeproof_spec.sse import SSEDecoder

_GZIP: Final = 16 + zlib.MAX_WBITS  # with the header and the checksum of RFC 1952


def content(body: bytes, form: Form) -> object:
    """Return what *body* says, an answer to *form*: its texts by choice, or its vectors; None where it is not whole."""
    if form.stream:
        return _streamed(body, form.operation)
    answer = parsed(body)
    if form.operation == "embeddings":
        return [dig(entry, "embedding") for entry in items_of(dig(answer, "data"))] or None
    field = ("message", "content") if form.operation == "chat" else ("text",)
    return {dig(choice, "index"): dig(choice, *field) for choice in items_of(dig(answer, "choices"))} or None


def unzipped(data: bytes) -> bytes:
    """Return what was compressed to *data* with gzip; nothing where that cannot be had whole."""
    unpacker = zlib.decompressobj(wbits=_GZIP)
    try:
        plain = unpacker.decompress(data)
    except zlib.error:
        return b""
    return plain if unpacker.eof else b""


def _streamed(body: bytes, operation: str) -> object:
    try:
        events = tuple(SSEDecoder().feed(body))
    except RemoteProtocolError:
        return None
    is_whole = bool(events) and stream.kind_of(events[-1]) is stream.Kind.DONE
    return stream.texts(events, operation=operation) if is_whole else None
