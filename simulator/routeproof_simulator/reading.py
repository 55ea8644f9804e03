"""Requests off the wire: bytes in, requests out, within limits. Owns no stream."""

# ruff: noqa: D102 - the callbacks are httptools' own

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, NoReturn, final

import httptools

from routeproof_simulator.received import Received

HEAD_BYTES_MAX: Final = 64 * 2**10
BODY_BYTES_MAX: Final = 8 * 2**20

_HEAD_TOO_LONG: Final = (431, f"The head is longer than {HEAD_BYTES_MAX} bytes.")
_OTHER_VERSION: Final = (505, "HTTP/1.1 and HTTP/1.0 are spoken here.")
_BODY_TOO_LONG: Final = (413, f"The body is longer than {BODY_BYTES_MAX} bytes.")


@final
class Reader:
    """Bytes in, requests out (httptools); after a refusal it takes nothing more. *now* is the run's clock."""

    def __init__(self, now: Callable[[], float], number: int) -> None:
        self.requests: deque[Received] = deque()
        self.refusal: tuple[int, str] | None = None
        self.wants_continue = False
        self.is_in_request = False
        self._parser = httptools.HttpRequestParser(self)
        self._now = now
        self._number = number
        self._count = 0
        self._begin()

    def feed(self, data: bytes | bytearray) -> bool:
        """Take *data* in; return whether a request has begun in it that is not complete."""
        had_begun = self.is_in_request
        if self.refusal is not None:
            return False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The offer of another protocol is declined by answering in this one (RFC 9110, section 7.8); what follows
            # cannot be read, so the answer is the last.
            self.refusal = (400, "The connection cannot change its protocol.")
        except httptools.HttpParserCallbackError:
            assert self.refusal is not None  # one of ours, which said why
        except httptools.HttpParserError as error:
            self.refusal = (400, f"The bytes received are not HTTP: {error}.")
        if had_begun and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self.refusal = self.refusal or _HEAD_TOO_LONG
        return self.is_in_request and not had_begun

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
        # Latin-1 keeps every byte (RFC 9110, section 5.5).
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._parser.get_http_version() not in ("1.0", "1.1"):
            self._stop(_OTHER_VERSION)
        if len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._headers) > HEAD_BYTES_MAX:
            self._stop(_HEAD_TOO_LONG)
        headers = dict(self._headers)
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > BODY_BYTES_MAX:
            self._stop(_BODY_TOO_LONG)
        self.wants_continue = headers.get("expect", "").lower() == "100-continue"

    def on_body(self, data: bytes) -> None:
        # A client that does not wait for 100 needs none (RFC 9110, section 10.1.1).
        self.wants_continue = False
        self._body += data
        if len(self._body) > BODY_BYTES_MAX:
            self._stop(_BODY_TOO_LONG)

    def on_message_complete(self) -> None:
        self.wants_continue = False
        self.requests.append(self._received(method=self._parser.get_method().decode("ascii")))
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()
        self._in_head = True
        self._head_bytes = 0  # of a head that takes more than one receive; the first is not counted
        self.is_in_request = False

    def _received(self, *, method: str) -> Received:
        self._count += 1
        return Received(
            method=method,
            target=self._url.decode("latin-1"),
            headers=tuple(self._headers),
            body=bytes(self._body),
            at=self._now(),
            connection=self._number,
            reused=self._count > 1,
            keep_alive=self._parser.should_keep_alive(),
            is_http_10=self._parser.get_http_version() == "1.0",
        )

    def _stop(self, refusal: tuple[int, str]) -> NoReturn:
        self.refusal = refusal
        raise ValueError(refusal[1])  # ends httptools' run over the data
