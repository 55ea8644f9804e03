"""Answers that come compressed although plain ones were asked for, as some providers' front doors send them."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import Final, final

PIECE_BYTES_MAX: Final = 65_536  # of what one step unpacks: a bomb is felt before it has gone off

_WINDOW_BITS: Final[Mapping[str, int]] = MappingProxyType({"gzip": 31, "x-gzip": 31, "deflate": 15})  # as zlib has them


@final
class NotUnpacked(Exception):
    """The answer is not what its content encoding says, or has one that nobody here reads."""


async def unpacked(pieces: AsyncGenerator[bytes, None], encoding: str) -> AsyncGenerator[bytes, None]:
    """Yield what *pieces* hold, closing them at the end; raises `NotUnpacked`."""
    async with aclosing(pieces):
        if encoding == "identity":
            async for piece in pieces:
                yield piece
            return
        if encoding not in _WINDOW_BITS:
            raise NotUnpacked(encoding)
        unpacker = zlib.decompressobj(_WINDOW_BITS[encoding])
        async for piece in pieces:
            packed = piece
            while packed:
                try:
                    plain = unpacker.decompress(packed, PIECE_BYTES_MAX)
                except zlib.error as error:
                    raise NotUnpacked(str(error)) from error
                packed = unpacker.unconsumed_tail
                if plain:
                    yield plain
