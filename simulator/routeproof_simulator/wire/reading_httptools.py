"""Requests off the wire, read with httptools.

Clients that keep a connection send one head again and again, with other bodies. A head that httptools has parsed once
is known by its bytes from then on, and the parser is not asked again: it would say the same.
"""

# ruff: noqa: D102 - the callbacks are httptools' own

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NoReturn, final

import httptools

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
from routeproof_spec.marker import MARKER_HEADER

KNOWN_HEADS_MAX: Final = 512
KNOWN_HEAD_BYTES_MAX: Final = 4096  # a longer one is parsed each time


@final
class HttptoolsReader:
    """Bytes in, requests out (httptools); after a refusal it takes nothing more. *now* is the run's clock."""

    def __init__(self, now: Callable[[], float], number: int) -> None:
        self.requests: deque[Received] = deque()
        self.refusal: Refusal | None = None
        self.wants_continue = False
        self.is_in_request = False
        self._parser = httptools.HttpRequestParser(self)
        self._now = now
        self._number = number
        self._count = 0
        self._known = _KNOWN_HEADS
        self._begin()

    def feed(self, data: bytes | bytearray) -> bool:
        """Take *data* in; return whether a request has begun in it that is not complete."""
        had_begun = self.is_in_request
        if self.refusal is not None:
            return False
        if type(data) is not bytes:
            data = bytes(data)
        if not had_begun and self._is_known(data):
            return False
        count, body_bytes = self._count, len(self._body)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.refusal = OTHER_PROTOCOL
        except httptools.HttpParserCallbackError:
            assert self.refusal is not None  # one of ours, which said why
        except httptools.HttpParserError as error:
            self.refusal = not_http(error)
        if (self._count, len(self._body)) != (count, body_bytes):
            self._other_bytes = 0
        else:
            self._other_bytes += len(data)
            if self._other_bytes > HEAD_BYTES_MAX:
                self.refusal = self.refusal or HEAD_TOO_LONG
        if not had_begun and self._count == count + 1 and not self.is_in_request and self.refusal is None:
            self._know(data)
        return self.is_in_request and not had_begun

    def _is_known(self, data: bytes) -> bool:
        """Whether *data* is one whole request with a head that is known; it is taken then."""
        end = data.find(b"\r\n\r\n") + 4
        known = self._known.get(data[:end])
        if known is None or len(data) != end + known[1]:
            return False
        self._count += 1
        self.requests.append(Received(known[0], data[end:], self._now(), self._number, self._count > 1))
        return True

    def _know(self, data: bytes) -> None:
        """Keep the head of the one whole request that *data* is, unless its head says more than what follows it."""
        head = self.requests[-1].head
        end = data.find(b"\r\n\r\n") + 4
        length = head.first.get("content-length", "0")
        if (
            4 <= end <= KNOWN_HEAD_BYTES_MAX
            and len(data) == end + int(length)
            and head.keep_alive
            and not (head.is_http_10 or head.first.keys() & _SAYS_MORE)
        ):
            if len(self._known) >= KNOWN_HEADS_MAX:
                self._known.clear()
            self._known[data[:end]] = (head, int(length))

    def unfinished(self) -> Received:
        """Return what was read of a request that never became complete."""
        return self._received(method=self._parser.get_method().decode("ascii") if self._url else "")

    # What httptools calls; its documentation says when.

    def on_message_begin(self) -> None:
        self._begin()
        self.is_in_request = True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # else it is a trailer, which is no header (RFC 9110, section 6.5.1)
            self._headers.append(_decoded(name, value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        version = self._parser.get_http_version()
        if version not in ("1.0", "1.1"):
            self._stop(OTHER_VERSION)
        if len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._headers) > HEAD_BYTES_MAX:
            self._stop(HEAD_TOO_LONG)
        headers = dict(self._headers)
        if is_too_long(headers.get("content-length", "")):
            self._stop(BODY_TOO_LONG)
        if version == "1.1" and sum(name == "host" for name, _ in self._headers) != 1:
            self._stop(NOT_ONE_HOST)
        self.wants_continue = headers.get("expect", "").lower() == "100-continue"

    def on_body(self, data: bytes) -> None:
        # A client that does not wait for 100 needs none (RFC 9110, section 10.1.1).
        self.wants_continue = False
        self._body += data
        if len(self._body) > BODY_BYTES_MAX:
            self._stop(BODY_TOO_LONG)

    def on_message_complete(self) -> None:
        self.wants_continue = False
        self.requests.append(self._received(method=self._parser.get_method().decode("ascii")))
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()
        self._in_head = True
        self._other_bytes = 0  # that came since the body last grew: of a head, a trailer, or the framing of chunks
        self.is_in_request = False

    def _received(self, *, method: str) -> Received:
        self._count += 1
        head = RequestHead(
            method=method,
            target=self._url.decode("latin-1"),
            headers=tuple(self._headers),
            keep_alive=self._parser.should_keep_alive(),
            is_http_10=self._parser.get_http_version() == "1.0",
        )
        return Received(
            head=head, body=bytes(self._body), at=self._now(), connection=self._number, reused=self._count > 1
        )

    def _stop(self, refusal: Refusal) -> NoReturn:
        self.refusal = refusal
        raise ValueError(refusal[1])  # ends httptools' run over the data


#: By its bytes: a head, and how many bytes of a body follow it.
_KNOWN_HEADS: Final[dict[bytes, tuple[RequestHead, int]]] = {}
_SAYS_MORE: Final = frozenset({"transfer-encoding", "upgrade", "expect", MARKER_HEADER})  # the last: it comes but once


@lru_cache(maxsize=4096)
def _decoded(name: bytes, value: bytes) -> tuple[str, str]:
    # Latin-1 keeps every byte (RFC 9110, section 5.5).
    return name.decode("latin-1").lower(), value.rstrip(b"\t ").decode("latin-1")
