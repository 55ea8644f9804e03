"""What became of one request, noted while it happens: the one source of logs, metrics, traces and bills.

Whoever does the work tells the record in one line, and the record tells its observer. An observer is called within the
request, so it neither waits nor raises; what takes time (a file, a database) it hands to a task of its own.

    an attempt is told     it becomes
    trying()               open
    Answered               open, and `first` is set: a whole answer is complete, or a stream's first content has come
    Rejected               ended: the client's mistake
    Failed                 ended: failed, or broken where `first` is set
    served()               ended: served, to its last byte
    nothing, until closed  ended: the client has left
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias, final

import msgspec

from routeproof_reference_server.auth import Caller
from routeproof_reference_server.errors import GatewayError
from routeproof_reference_server.routing.catalogue import Deployment
from routeproof_reference_server.routing.outcome import Answered, Cause, Failed, Outcome, Rejected
from routeproof_reference_server.routing.strategy import Strategy
from routeproof_reference_server.validation import Body

Head: TypeAlias = Iterable[tuple[bytes, bytes]]


class AttemptEnd(StrEnum):
    """How an attempt ended."""

    SERVED = "served"
    REJECTED = "rejected"  # the provider blames the client
    FAILED = "failed"  # before the client got a byte of it
    BROKEN = "broken"  # a stream, after its first content
    LEFT = "left"  # the client did not wait for its end


@final
@dataclass(slots=True, kw_only=True, eq=False)
class AttemptRecord:
    """One try at one provider. Times are seconds on Trio's clock."""

    deployment: Deployment
    began: float
    first: float | None = None  # its promise was kept: a whole answer complete, a stream's first content come
    ended: float | None = None
    end: AttemptEnd | None = None
    status: int | None = None  # of the provider; None where none came or it does not matter
    cause: Cause | None = None
    message: str = ""  # why it ended badly: cleaned, but in the provider's words
    usage: msgspec.Raw | None = None  # as the client was told
    said: int = 0  #: bytes of text and of calls that the client was told; of a whole answer, where it tells no usage
    headers: Head = ()  # that an observer wants the provider to get beside its own; set when the attempt begins

    @property
    def seconds(self) -> float:
        """How long it took; 0 while it goes on."""
        return 0.0 if self.ended is None else self.ended - self.began


@final
@dataclass(slots=True, kw_only=True, eq=False)
class RequestRecord:
    """One request from its first byte to its answer's last, or to the client's departure."""

    id: str
    began: float
    observer: Observer
    head: Head = ()  # the headers as they came, the key among them: for tracing's two, and nothing else
    operation: str | None = None  # its id in the contract
    caller: Caller | None = None  # None: no valid key was shown
    body: Body | None = None  # None: not read, or refused
    strategy: Strategy | None = None  # the one that holds, asked for or by default
    attempts: list[AttemptRecord] = field(default_factory=list[AttemptRecord])
    status: int | None = None  # None: the client left before there was an answer
    error: str | None = None  # the code that the client was told
    is_complete: bool = False  # the answer's last byte was handed to the server
    ended: float | None = None

    @property
    def seconds(self) -> float:
        """How long it took; 0 while it goes on."""
        return 0.0 if self.ended is None else self.ended - self.began

    @property
    def served(self) -> AttemptRecord | None:
        """The attempt whose answer the client got, from its first byte on."""
        return next((each for each in self.attempts if each.first is not None), None)

    def asked(self, operation: str, caller: Caller, body: Body, strategy: Strategy) -> None:
        """The request has been understood."""
        self.operation, self.caller, self.body, self.strategy = operation, caller, body, strategy

    def trying(self, deployment: Deployment, now: float) -> None:
        """An attempt begins."""
        attempt = AttemptRecord(deployment=deployment, began=now)
        self.attempts.append(attempt)
        self.observer.attempt_began(self, attempt)

    def told(self, outcome: Outcome, now: float) -> None:
        """Take in what became of the attempt under way."""
        attempt = self.attempts[-1]
        match outcome:
            case Answered():
                attempt.first = now
                attempt.status = 200
            case Rejected():
                attempt.status, attempt.message = outcome.status, outcome.message
                self._end(attempt, AttemptEnd.REJECTED, now)
            case Failed():
                attempt.cause, attempt.message = outcome.cause, outcome.message
                attempt.status = outcome.status or attempt.status
                self._end(attempt, AttemptEnd.FAILED if attempt.first is None else AttemptEnd.BROKEN, now)
            case _:
                self._end(attempt, AttemptEnd.LEFT, now)

    def finished(self, usage: msgspec.Raw | None, now: float) -> None:
        """The answer of the attempt under way has passed whole."""
        attempt = self.attempts[-1]
        attempt.usage = usage
        self._end(attempt, AttemptEnd.SERVED, now)

    def refused(self, error: GatewayError) -> None:
        """The client is told *error*."""
        self.error = error.row.code

    def closed(self, now: float) -> None:
        """The request is over, one way or the other."""
        if self.attempts and self.attempts[-1].end is None:
            self._end(self.attempts[-1], AttemptEnd.LEFT, now)
        self.ended = now
        self.observer.request_ended(self)

    def _end(self, attempt: AttemptRecord, end: AttemptEnd, now: float) -> None:
        attempt.end, attempt.ended = end, now
        self.observer.attempt_ended(self, attempt)


class Observer(Protocol):
    """Is told of every request and attempt, within it: never waits, never raises."""

    def request_began(self, request: RequestRecord) -> None:
        """Its head has come; nothing is known of it but its id."""
        ...

    def attempt_began(self, request: RequestRecord, attempt: AttemptRecord) -> None:
        """*attempt* is about to be made."""
        ...

    def attempt_ended(self, request: RequestRecord, attempt: AttemptRecord) -> None:
        """*attempt* has ended; where it served, the client has its last byte, or the server to hand it on."""
        ...

    def request_ended(self, request: RequestRecord) -> None:
        """Nothing of it is under way any more; the record does not change again."""
        ...


@final
class Observers:
    """Several observers as one, told in order."""

    def __init__(self, observers: Sequence[Observer] = ()) -> None:
        self._all = tuple(observers)

    def request_began(self, request: RequestRecord) -> None:
        """Tell all."""
        for each in self._all:
            each.request_began(request)

    def attempt_began(self, request: RequestRecord, attempt: AttemptRecord) -> None:
        """Tell all."""
        for each in self._all:
            each.attempt_began(request, attempt)

    def attempt_ended(self, request: RequestRecord, attempt: AttemptRecord) -> None:
        """Tell all."""
        for each in self._all:
            each.attempt_ended(request, attempt)

    def request_ended(self, request: RequestRecord) -> None:
        """Tell all."""
        for each in self._all:
            each.request_ended(request)
