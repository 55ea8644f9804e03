"""A request as it came off the wire."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from routeproof_spec.history import Headers, first_header


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request, complete, and the connection that it came on."""

    method: str
    target: str  # as sent: path and query
    headers: Headers  # names in lower case
    body: bytes
    at: float  #: seconds; when it was complete
    connection: int = 0
    reused: bool = False  # the connection had brought an earlier request
    keep_alive: bool = True
    is_http_10: bool = False

    @cached_property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What stands after the first question mark."""
        return self.target.partition("?")[2]

    def header(self, name: str) -> str | None:
        """Return the first value of *name* (any case), or None."""
        return first_header(self.headers, name)
