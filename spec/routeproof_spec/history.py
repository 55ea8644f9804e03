"""What happened in one run, from all sides.

A conformance case, a chaos run and a live outage write the same `History`; the same pure functions judge it. Three
kinds of event make it up: an `Exchange` is what the client sent and got, an `Attempt` is what one provider saw and
did, a `FaultChange` is what the scenario did to a provider. Every time is in seconds on one clock of the run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TypeAlias

import msgspec

Headers: TypeAlias = tuple[tuple[str, str], ...]


class Ended(StrEnum):
    """How one side of a transfer came to its end."""

    COMPLETE = "complete"  # the framing's own end was reached
    CUT = "cut"  # the connection was closed in order before that end
    RESET = "reset"  # the connection was reset
    REFUSED = "refused"  # no connection came about
    TIMED_OUT = "timed_out"  # the recorder's own bound ran out
    LEFT = "left"  # the client went away: on purpose (exchange), or felt by the provider (attempt)
    BROKEN = "broken"  # the peer's bytes are not HTTP

    __hash__ = str.__hash__  # an Enum's own is Python, and three times as slow


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Bytes of a body as they passed, at one instant."""

    at: float  #: seconds
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request as its client sent it, and all that came back.

    Secrets are already redacted: an `authorization` value reads `Bearer sha256:…`, by which two sides can be compared.
    """

    marker: str
    method: str
    path: str
    request_headers: Headers
    request_body: bytes
    sent_at: float  #: seconds
    status: int | None = None  # None: no response head arrived
    headers: Headers = ()  # names in lower case
    head_at: float | None = None  #: seconds
    frames: tuple[Frame, ...] = ()
    ended_at: float = 0.0  #: seconds
    ended: Ended = Ended.COMPLETE
    detail: str = ""  # the transport's own words where it did not end well

    @cached_property
    def body(self) -> bytes:
        """The response body as far as it arrived."""
        return b"".join(frame.data for frame in self.frames)

    @property
    def duration(self) -> float:
        """Seconds from sending the request to the end of the answer."""
        return self.ended_at - self.sent_at

    def header(self, name: str) -> str | None:
        """Return the first value of the response header *name* (any case), or None."""
        return first_header(self.headers, name)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One request as one provider saw it, and what the provider did with it."""

    provider: str
    marker: str | None  # None: not of the suite (a health probe, a neighbour)
    index: int  # 0-based among the attempts with this marker at this provider
    connection: int  # unique within the provider
    reused: bool  # the connection had served an earlier request
    method: str
    path: str
    request_headers: Headers  # names in lower case
    request_body: bytes
    received_at: float  #: seconds; the request was complete
    status: int | None = None  # as put on the wire; None: none was
    faults: tuple[str, ...] = ()  # the behaviours that changed the answer, in words
    answer_headers: Headers = ()  # names in lower case
    frames: tuple[Frame, ...] = ()
    ended_at: float = 0.0  #: seconds
    ended: Ended = Ended.COMPLETE
    peer_gone_at: float | None = None  #: seconds; when the peer was felt to be gone before the end

    @cached_property
    def body(self) -> bytes:
        """The body as far as it was sent."""
        return b"".join(frame.data for frame in self.frames)

    def header(self, name: str) -> str | None:
        """Return the first value of the request header *name* (any case), or None."""
        return first_header(self.request_headers, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultChange:
    """A provider was given another behaviour; `ok` heals it."""

    at: float  #: seconds
    provider: str
    behaviour: str


@dataclass(frozen=True, kw_only=True)
class History:
    """One run from all sides, each kind in the order of its start."""

    exchanges: tuple[Exchange, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    faults: tuple[FaultChange, ...] = ()
    seed: str = ""
    notes: dict[str, str] = field(default_factory=dict[str, str])  # what the run was: scenario, level, versions

    def attempts_of(self, marker: str) -> tuple[Attempt, ...]:
        """Return the attempts that bear *marker*, in the order in which providers received them."""
        return self._by_marker.get(marker, ())

    @cached_property
    def _by_marker(self) -> dict[str, tuple[Attempt, ...]]:
        grouped: dict[str, list[Attempt]] = {}
        for attempt in sorted(self.attempts, key=lambda each: each.received_at):
            if attempt.marker is not None:
                grouped.setdefault(attempt.marker, []).append(attempt)
        return {marker: tuple(each) for marker, each in grouped.items()}

    def to_json(self) -> bytes:
        """Return the history as JSON (bytes in base64), the same bytes for the same history."""
        return msgspec.json.encode(self, order="deterministic")

    @classmethod
    def from_json(cls, data: bytes) -> History:
        """Return the history that `to_json` wrote."""
        return msgspec.json.decode(data, type=cls)


def first_header(headers: Headers, name: str) -> str | None:
    """Return the first value of *name* in *headers*, whatever its case, or None."""
    wanted = name.lower()
    return next((value for key, value in headers if key.lower() == wanted), None)
