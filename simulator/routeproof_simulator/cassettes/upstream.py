"""The real API behind a recorder: where a request is handed on to, and with whose key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final
from urllib.parse import parse_qsl, urlencode, urlsplit

from routeproof_simulator.cassettes.scrubbing import SECRET_CHARS_MIN, SECRET_QUERY
from routeproof_simulator.cassettes.taping import HOP_BY_HOP
from routeproof_simulator.received import Received
from routeproof_spec.errors import RouteproofError
from routeproof_spec.history import Headers
from routeproof_spec.marker import MARKER_HEADER
from routeproof_spec.redaction import KEY_HEADERS

_NOT_HANDED_ON: Final = HOP_BY_HOP | {"host", "accept-encoding", "expect", MARKER_HEADER}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """The API that is recorded: its base URL, and the key that it wants (None: the caller's own)."""

    url: str
    key: str | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        is_url = parts.scheme in ("http", "https") and parts.hostname
        if not is_url or parts.query or parts.fragment or parts.username is not None:
            mend = "give one like https://api.example/v1, without a query and without a password"
            raise RouteproofError(f"what was given is no base URL of an API that can be written to a file: {mend}")
        if self.key is not None and len(self.key) < SECRET_CHARS_MIN:
            raise RouteproofError(
                f"the API's key has {len(self.key)} characters: one of fewer than {SECRET_CHARS_MIN} cannot be told "
                "from other text, and would end up in the file"
            )

    @property
    def prefix(self) -> str:
        """What paths begin with here and there: `/v1` where the base URL ends so, else nothing."""
        return "/v1" if self.url.rstrip("/").endswith("/v1") else ""

    def target(self, request: Received) -> str | None:
        """Return the URL that *request* is handed on to, or None where its path is not below ours."""
        base = self.url.rstrip("/").removesuffix("/v1") + self.prefix
        below = request.path.removeprefix(self.prefix)
        if not (request.path.startswith(f"{self.prefix}/") and below.startswith("/")):
            return None
        query = [
            (name, self.key if self.key is not None and name.lower() in SECRET_QUERY else value)
            for name, value in parse_qsl(request.query, keep_blank_values=True)
        ]
        return f"{base}{below}?{urlencode(query)}" if query else f"{base}{below}"

    def headers(self, request: Received) -> Headers:
        """Return the headers of *request* as they are handed on: with the API's key where the caller's was."""
        handed = [(name, value) for name, value in request.headers if name not in _NOT_HANDED_ON]
        if self.key is not None:
            has_key = any(name in KEY_HEADERS for name, _ in handed) or any(
                name.lower() in SECRET_QUERY for name, _ in parse_qsl(request.query)
            )
            handed = [(name, self._credential(name) if name in KEY_HEADERS else value) for name, value in handed]
            handed += [] if has_key else [("authorization", self._credential("authorization"))]
        # A compressed answer would be recorded as nobody can read it, and could hide a key.
        return (*handed, ("accept-encoding", "identity"))

    def _credential(self, header: str) -> str:
        return f"Bearer {self.key}" if header == "authorization" else f"{self.key}"
