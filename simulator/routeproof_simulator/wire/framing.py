"""How HTTP/1.1 puts a head and a body into bytes (RFC 9112, sections 4, 5 and 7.1)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from routeproof_simulator.script import Head
from routeproof_spec.history import Headers

LAST_CHUNK: Final = b"0\r\n\r\n"
CHUNK_END_BYTES: Final = 2  # the line end after the data of a chunk

_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}


def head_bytes(head: Head, more: Headers = ()) -> bytes:
    """Return *head* on the wire, with *more* headers after its own, and the empty line."""
    headers = head.headers + more if more else head.headers
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    return f"{_status_line(head.version, head.status)}{lines}\r\n".encode("latin-1")


def chunk(data: bytes) -> bytes:
    """Return *data*, which is not empty, as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunks(frames: Iterable[bytes]) -> list[bytes]:
    """Return each of *frames*, none of which is empty, as one chunk."""
    return [b"%x\r\n%b\r\n" % (len(data), data) for data in frames]


@lru_cache(maxsize=256)
def _status_line(version: str, status: int) -> str:
    return f"HTTP/{version} {status} {_REASONS.get(status, '')}\r\n"
