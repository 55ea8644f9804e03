"""How HTTP/1.1 puts a head and a body into bytes (RFC 9112, sections 4, 5 and 7.1)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from msgspec import Struct

from routeproof_simulator.received import Manner, Received
from routeproof_simulator.script import Head, Script, Send

LAST_CHUNK: Final = b"0\r\n\r\n"
CHUNK_END: Final = b"\r\n"
CHUNK_END_BYTES: Final = len(CHUNK_END)  # the line end after the data of a chunk
AT_ONCE_BYTES_MAX: Final = 256 * 2**10  # of frames that are joined into one send

_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}
_BODILESS: Final = frozenset({204, 304})
_SIZE_LINES: Final = tuple(b"%x\r\n" % size for size in range(2048))


class Form(Struct, frozen=True, gc=False):
    """How heads with the same names go out, and how the bodies after them are framed."""

    template: str  # of the head: a place for each value
    is_chunked: bool
    is_bodiless: bool  # whatever frames follow, none is sent
    keeps_alive: bool  # the connection, as far as the head says


class Whole(Struct, frozen=True, gc=False):
    """An answer on the wire from its first byte to its last."""

    head: Head
    data: bytes
    frames: list[bytes]
    keeps_alive: bool


def formed(head: Head, request: Received) -> tuple[bytes, Form]:
    """Return *head*, which begins the answer to *request*, on the wire, and its form."""
    names: tuple[str, ...]
    values: tuple[str, ...]
    names, values = zip(*head.headers, strict=True) if head.headers else ((), ())
    form = _form(head.version, head.status, names, request.head.manner)
    return (form.template % values).encode("latin-1"), form


@lru_cache(maxsize=512)
def _form(version: str, status: int, names: tuple[str, ...], asked: Manner) -> Form:
    is_whole = "content-length" in names
    until_close = version == "1.0" or (asked.is_http_10 and not is_whole)
    is_bodiless = asked.is_head or status in _BODILESS
    is_chunked = not (is_whole or until_close or is_bodiless)
    keeps_alive = asked.keep_alive and not until_close
    lines = [_status_line(version, status)]
    lines += [f"{name.replace('%', '%%')}: %s" for name in names]
    if is_chunked:
        lines.append("transfer-encoding: chunked")
    if "connection" not in names and (asked.is_http_10 or not keeps_alive):
        lines.append(f"connection: {'keep-alive' if keeps_alive else 'close'}")
    return Form("\r\n".join([*lines, "", ""]), is_chunked, is_bodiless, keeps_alive)


def at_once(script: Script, request: Received) -> Whole | None:
    """Return all that *script* sends, where that takes no time: a head and frames, not too many; else None."""
    if not script or type(head := script[0]) is not Head:
        return None
    frames = [op.data for op in script if type(op) is Send]
    if len(frames) + 1 != len(script) or sum(map(len, frames)) > AT_ONCE_BYTES_MAX:
        return None
    data, form = formed(head, request)
    if form.is_chunked:
        frames = sendable(frames)
        data = b"".join((data, *chunks(frames), LAST_CHUNK))
    elif form.is_bodiless:
        frames = []
    else:
        data = b"".join((data, *frames))
    return Whole(head, data, frames, form.keeps_alive)


def sendable(frames: list[bytes]) -> list[bytes]:
    """Return *frames* less the empty ones: a chunk of no bytes would end the body."""
    return frames if all(frames) else [data for data in frames if data]


def head_bytes(head: Head) -> bytes:
    """Return *head* on the wire as it stands, and the empty line."""
    lines = [_status_line(head.version, head.status), *(f"{name}: {value}" for name, value in head.headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """Return *data*, which is not empty, as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunks(frames: Iterable[bytes]) -> list[bytes]:
    """Return the bytes of each of *frames*, none of which is empty, as one chunk: three pieces each."""
    pieces: list[bytes] = []
    for data in frames:
        size = len(data)
        pieces += (_SIZE_LINES[size] if size < len(_SIZE_LINES) else b"%x\r\n" % size, data, CHUNK_END)
    return pieces


def _status_line(version: str, status: int) -> str:
    return f"HTTP/{version} {status} {_REASONS.get(status, '')}"
