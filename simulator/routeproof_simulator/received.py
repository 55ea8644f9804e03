"""A request as it came off the wire."""

from __future__ import annotations

from functools import cached_property
from typing import final

from msgspec import Struct

from routeproof_spec.history import Headers
from routeproof_spec.marker import MARKER_OPENING, find_marker
from routeproof_spec.redaction import redact_headers


class Manner(Struct, frozen=True, gc=False, cache_hash=True):
    """What of a request's head decides how its answer is framed."""

    is_head: bool  # the method is HEAD
    is_http_10: bool
    keep_alive: bool


@final
class RequestHead:
    """The head of a request, and what follows from it; requests whose heads are the same bytes share one."""

    def __init__(
        self, *, method: str, target: str, headers: Headers, keep_alive: bool = True, is_http_10: bool = False
    ) -> None:
        self.method = method
        self.target = target  # as sent: path and query
        self.headers = headers  # names in lower case
        self.keep_alive = keep_alive
        self.is_http_10 = is_http_10
        self.path, _, self.query = target.partition("?")
        self.manner = Manner(method == "HEAD", is_http_10, keep_alive)

    @cached_property
    def redacted(self) -> Headers:
        """The headers with every credential replaced by its fingerprint."""
        return redact_headers(self.headers)

    @cached_property
    def marker(self) -> str | None:
        """The marker that a header bears, or None."""
        return find_marker(self.headers, b"")

    @cached_property
    def first(self) -> dict[str, str]:
        """The first value of each header."""
        return dict(reversed(self.headers))


class Received(Struct, frozen=True, gc=False):
    """One request, complete, and the connection that it came on."""

    head: RequestHead
    body: bytes
    at: float  #: seconds; when it was complete
    connection: int = 0
    reused: bool = False  # the connection had brought an earlier request

    @property
    def method(self) -> str:
        """The method, in upper case."""
        return self.head.method

    @property
    def target(self) -> str:
        """The path and the query, as sent."""
        return self.head.target

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.head.path

    @property
    def query(self) -> str:
        """What stands after the first question mark."""
        return self.head.query

    @property
    def headers(self) -> Headers:
        """The headers, names in lower case."""
        return self.head.headers

    @property
    def marker(self) -> str | None:
        """The marker that the request bears, in its text or in a header, or None."""
        return find_marker(self.headers, self.body) if MARKER_OPENING in self.body else self.head.marker

    @property
    def keep_alive(self) -> bool:
        """Whether the client would send another request on the connection."""
        return self.head.keep_alive

    @property
    def is_http_10(self) -> bool:
        """Whether the client speaks HTTP/1.0."""
        return self.head.is_http_10

    def header(self, name: str) -> str | None:
        """Return the first value of *name* (any case), or None."""
        return self.head.first.get(name.lower())
