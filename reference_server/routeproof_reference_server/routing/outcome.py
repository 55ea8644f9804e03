"""What may become of one attempt, and whose fault it is where it did not go well.

What the client got wrong is never tried twice, for it would fail the same elsewhere. Everything else that is not the
promised success is the provider's failure, the gateway's own credentials and catalogue included.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Cause(StrEnum):
    """Why an attempt failed at its provider."""

    STATUS = "status"  # an answer that is not 200 and blames nobody's request
    UNREACHABLE = "unreachable"  # no connection came about
    BROKEN = "broken"  # the connection broke, or the bytes are not HTTP
    TIMED_OUT = "timed_out"  # one of the deadlines passed
    UNPROMISED = "unpromised"  # a 200 that is not what was asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The provider answers as promised: a whole answer is complete, or a stream has begun."""

    latency: float  #: seconds from sending the request


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The provider has kept its promise: the answer is complete, a stream to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The provider judged the client's request to be wrong."""

    status: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The provider failed."""

    cause: Cause
    message: str
    status: int | None = None  # None: there was no answer
    retry_after: int | None = None  #: seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The client went away before the attempt was over."""


Outcome: TypeAlias = Answered | Finished | Rejected | Failed | Left


class Blame(StrEnum):
    """Who answers for a status."""

    NOBODY = "nobody"
    CLIENT = "client"
    PROVIDER = "provider"


def blame(status: int, relayed: Set[int]) -> Blame:
    """Return whom a provider's *status* accuses; *relayed* are those that accuse the client."""
    if status == 200:
        return Blame.NOBODY
    return Blame.CLIENT if status in relayed else Blame.PROVIDER
