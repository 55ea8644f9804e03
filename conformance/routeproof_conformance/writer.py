"""Both sides of a request as the report holds them: in seconds into the check, bounded, and without a secret."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, final

from routeproof_conformance.observed import Observed
from routeproof_conformance.report import AttemptSeen, ExchangeSeen, Transfer
from routeproof_conformance.target import KEY_CHARS, Target
from routeproof_spec.history import Attempt, Frame, Headers
from routeproof_spec.redaction import fingerprint

CURL_BODY_CHARS_MAX: Final = 4000
NEVER_ISSUED: Final = "0" * KEY_CHARS
#: What every client sends of its own accord.
_OWN_HEADERS: Final = frozenset({"host", "content-length", "accept", "accept-encoding", "connection", "user-agent"})


@final
@dataclass(frozen=True, kw_only=True)
class Writer:
    """Turns what a check observed into its report; *started* is the instant from which its seconds are counted."""

    target: Target
    started: float  #: seconds
    secrets: Sequence[str] = field(repr=False)
    body_chars_max: int
    frames_max: int

    def exchange(self, seen: Observed) -> ExchangeSeen:
        """Return both sides of one request."""
        exchange = seen.exchange
        return ExchangeSeen(
            marker=exchange.marker,
            method=exchange.method,
            path=exchange.path,
            sent=self._at(exchange.sent_at),
            request=self._transfer(exchange.request_headers, exchange.request_body),
            status=exchange.status,
            head=None if exchange.head_at is None else self._at(exchange.head_at),
            response=self._transfer(exchange.headers, exchange.body, exchange.frames),
            ended=exchange.ended.value,
            ended_at=self._at(exchange.ended_at),
            detail=self.redacted(exchange.detail),
            curl=self.curl(seen),
            attempts=None if seen.journal is None else [self._attempt(attempt) for attempt in seen.journal],
        )

    def curl(self, seen: Observed) -> str:
        """Return a command line that sends the same request; a key stands there as the variable that holds it."""
        exchange = seen.exchange
        scheme, _, rest = self.target.base_url.partition("://")
        words = [
            "curl",
            "-sS",
            "-i",
            "-N",
            "-X",
            exchange.method,
            f"{scheme}://{rest.partition('/')[0]}{exchange.path}",
        ]
        line = " ".join(shlex.quote(word) for word in words)
        for name, value in exchange.request_headers:
            if name not in _OWN_HEADERS:
                line += " -H " + self._header_word(name, value)
        if exchange.request_body:
            body = self.redacted(exchange.request_body.decode("utf-8", "replace"))
            line += " --data-binary " + shlex.quote(body[:CURL_BODY_CHARS_MAX])
        return line

    def redacted(self, text: str) -> str:
        """Return *text* without any secret of the run: a body that quotes one is a finding, not to be spread."""
        for secret in self.secrets:
            text = text.replace(secret, "[secret]")
        return text

    def _header_word(self, name: str, value: str) -> str:
        # Recorded headers hold a key's fingerprint alone; whichever header it stands in, it tells whose key that was.
        keys = self.target.keys
        scheme, blank, token = value.rpartition(" ")
        match next((role for role, secret in keys.items() if fingerprint(secret) == token), None):
            case None:
                return shlex.quote(f"{name}: {value}")
            case "unknown":  # no variable holds it, and any key that was never issued does
                return shlex.quote(f"{name}: {scheme}{blank}{self.target.dialect.keys.prefix}{NEVER_ISSUED}")
            case role:
                tables = self.target.tables
                return f'"{name}: {scheme}{blank}${tables.keys.get(role, tables.target.key_env)}"'

    def _attempt(self, attempt: Attempt) -> AttemptSeen:
        return AttemptSeen(
            provider=attempt.provider,
            received=self._at(attempt.received_at),
            status=attempt.status,
            faults=list(attempt.faults),
            request=self._transfer(attempt.request_headers, attempt.request_body),
            response=self._transfer((), attempt.body, attempt.frames),
            ended=attempt.ended.value,
            ended_at=self._at(attempt.ended_at) if attempt.ended_at else None,
            peer_gone=None if attempt.peer_gone_at is None else self._at(attempt.peer_gone_at),
        )

    def _transfer(self, headers: Headers, body: bytes, frames: Sequence[Frame] = ()) -> Transfer:
        # Redacted before it is cut: half a secret would not be known for one.
        text = self.redacted(body.decode("utf-8", "replace"))
        return Transfer(
            headers=[(name, self.redacted(value)) for name, value in headers],
            body=text[: self.body_chars_max],
            body_bytes=len(body),
            frames=[(self._at(frame.at), len(frame.data)) for frame in frames[: self.frames_max]],
        )

    def _at(self, time: float) -> float:
        return round(time - self.started, 6)
