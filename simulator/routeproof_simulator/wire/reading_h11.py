"""Requests off the wire, read with h11, where httptools has no wheel: slower, and no less strict."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, final

import h11

from routeproof_simulator.received import Received, RequestHead
from routeproof_simulator.wire.refusals import (
    BODY_BYTES_MAX,
    BODY_TOO_LONG,
    HEAD_BYTES_MAX,
    HEAD_TOO_LONG,
    NOT_ONE_HOST,
    OTHER_PROTOCOL,
    OTHER_VERSION,
    Refusal,
    is_too_long,
    not_http,
)

# RFC 9112, sections 3 and 5, and no more: h11 also takes bare line feeds, folded lines and control characters, on
# which two readers of one connection can disagree.
_START: Final = re.compile(rb"([A-Z]+) ([\x21-\x7e]+)(?: HTTP/([0-9]\.[0-9]))?\r\n")
_FIELD: Final = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*((?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)[\t ]*\r\n"
)
_END: Final = b"\r\n\r\n"
_BARE_LINE_FEED: Final = re.compile(rb"(?<!\r)\n")


@final
class H11Reader:
    """Bytes in, requests out (h11); after a refusal it takes nothing more. *now* is the run's clock."""

    def __init__(self, now: Callable[[], float], number: int) -> None:
        self.requests: deque[Received] = deque()
        self.refusal: Refusal | None = None
        self.wants_continue = False
        self._now = now
        self._number = number
        self._count = 0
        self._is_over = False  # a request has asked for the connection's end
        self._begin()

    @property
    def is_in_request(self) -> bool:
        """Whether a request has begun that is not complete."""
        return bool(self._raw)

    def feed(self, data: bytes | bytearray) -> bool:
        """Take *data* in; return whether a request has begun in it that is not complete."""
        had_begun = self.is_in_request
        rest = bytes(data)
        while rest and self.refusal is None:
            if self._is_over:
                self.refusal = not_http("more comes after the request that was to be the last")
                break
            rest = self._take_head(rest) if self._framing is None else self._take_body(self._framing, rest)
        return self.is_in_request and not had_begun

    def unfinished(self) -> Received:
        """Return what was read of a request that never became complete."""
        return self._received()

    def _begin(self) -> None:
        self._raw = bytearray()  # the head as it came
        self._framing: h11.Connection | None = None  # of the body, once the head is complete
        self._body = bytearray()

    def _take_head(self, data: bytes) -> bytes:
        """Take in what of *data* belongs to a head; return the rest."""
        if not self._raw:
            data = data.lstrip(b"\r\n")  # RFC 9112, section 2.2
        seen = max(0, len(self._raw) - len(_END))
        self._raw += data
        end = self._raw.find(_END, seen)
        if end < 0:
            self.refusal = _refused_early(self._raw, seen)
            return b""
        rest = bytes(self._raw[end + len(_END) :])
        del self._raw[end + len(_END) :]
        self.refusal = _refused(self._raw)
        if self.refusal is None:
            self._open_body()
        return rest

    def _open_body(self) -> None:
        head = _head_of(self._raw)
        if is_too_long(head.first.get("content-length", "")):
            self.refusal = BODY_TOO_LONG
            return
        self.wants_continue = head.first.get("expect", "").lower() == "100-continue"
        self._framing = h11.Connection(h11.SERVER)
        self._take_body(self._framing, bytes(self._raw))

    def _take_body(self, framing: h11.Connection, data: bytes) -> bytes:
        """Take in what of *data* belongs to the body; return the rest."""
        try:  # h11 itself bounds a trailer and the framing of chunks
            framing.receive_data(data)
            while self.refusal is None:
                match framing.next_event():
                    case h11.Data(data=piece):
                        # A client that does not wait for 100 needs none (RFC 9110, section 10.1.1).
                        self.wants_continue = False
                        self._body += piece
                        if len(self._body) > BODY_BYTES_MAX:
                            self.refusal = BODY_TOO_LONG
                    case h11.EndOfMessage():
                        rest, _ = framing.trailing_data
                        self._complete()
                        return rest
                    case h11.NEED_DATA:
                        break
                    case _:
                        continue  # the head, which is known
        except h11.RemoteProtocolError as error:
            self.refusal = not_http(error)
        return b""

    def _complete(self) -> None:
        self.wants_continue = False
        received = self._received()
        self.requests.append(received)
        if received.method == "CONNECT" or (received.header("upgrade") and "upgrade" in _options(received.headers)):
            self.refusal = OTHER_PROTOCOL
        self._is_over = not received.keep_alive
        self._begin()

    def _received(self) -> Received:
        self._count += 1
        return Received(
            head=_head_of(self._raw),
            body=bytes(self._body),
            at=self._now(),
            connection=self._number,
            reused=self._count > 1,
        )


def _refused_early(raw: bytearray, seen: int) -> Refusal | None:
    """Return why a head that is not complete will not do; what stands before *seen* has been looked at."""
    if raw and not 0x41 <= raw[0] <= 0x5A:
        return not_http("a method begins with a capital letter")
    if _BARE_LINE_FEED.search(raw, seen):
        return not_http("a line ends with a line feed alone")
    return HEAD_TOO_LONG if len(raw) > HEAD_BYTES_MAX else None


def _refused(raw: bytearray) -> Refusal | None:
    """Return why the complete head *raw* will not do."""
    start = _START.match(raw)
    if len(raw) > HEAD_BYTES_MAX:
        return HEAD_TOO_LONG
    if start is None:
        return not_http("its first line is no request line")
    if start[3] not in (b"1.0", b"1.1"):
        return OTHER_VERSION
    headers, end = _headers(raw, start.end())
    if bytes(raw[end:]) != b"\r\n":
        return not_http(f"its line {len(headers) + 2} is no header")
    return _refused_headers(headers, is_http_10=start[3] == b"1.0")


def _refused_headers(headers: list[tuple[str, str]], *, is_http_10: bool) -> Refusal | None:
    names = [name for name, _ in headers]
    if not is_http_10 and names.count("host") != 1:
        return NOT_ONE_HOST
    # Where two say how long the body is, two readers may believe one each (RFC 9112, section 6.3).
    if names.count("content-length") + names.count("transfer-encoding") > 1:
        return not_http("the length of its body is said twice")
    if any(name == "content-length" and not re.fullmatch("[0-9]+", value) for name, value in headers):
        return not_http("its Content-Length is no number")
    return None


def _head_of(raw: bytearray) -> RequestHead:
    """Return what *raw*, a head or the beginning of one, says."""
    start = _START.match(raw)
    if start is None:
        return RequestHead(method="", target="", headers=())
    headers, _ = _headers(raw, start.end())
    is_http_10 = start[3] == b"1.0"
    options = _options(headers)
    return RequestHead(
        method=start[1].decode("ascii"),
        target=start[2].decode("ascii"),
        headers=tuple(headers),
        keep_alive="close" not in options and ("keep-alive" in options or not is_http_10),
        is_http_10=is_http_10,
    )


def _headers(raw: bytearray, at: int) -> tuple[list[tuple[str, str]], int]:
    """Return the headers that stand from *at* on, and where the first line begins that is none."""
    headers: list[tuple[str, str]] = []
    while field := _FIELD.match(raw, at):
        # Latin-1 keeps every byte (RFC 9110, section 5.5).
        headers.append((field[1].decode("latin-1").lower(), field[2].decode("latin-1")))
        at = field.end()
    return headers, at


def _options(headers: Iterable[tuple[str, str]]) -> set[str]:
    said = ",".join(value for name, value in headers if name == "connection")
    return {each.strip().lower() for each in said.split(",")}
