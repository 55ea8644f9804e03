"""How long a provider is waited for: one budget for each of the deadlines, all of them Trio's own.

A timeout of each read is no deadline: twenty bytes a second would hold a request for ever. So the budgets are spent by
waiting, and only what moves the answer on renews one of them: no comment, no ping, no half event, no role alone. Only
waiting for the provider counts, not what the client takes.

    an attempt waits for      until                      within
    a connection              connected()                connect
    the answer's head         head_came()                headers
    what it was asked for     moved(), the first time    first_token
    more of it                moved(), again             between_tokens
    all of it                                            total
"""

from __future__ import annotations

from types import TracebackType
from typing import Final, final

import trio

from routeproof_reference_server.config import TimeoutsConfig

_CONNECT: Final = "no connection came about in time"
_HEADERS: Final = "it did not answer in time"
_BEGINNING: Final = "it did not begin to answer in time"
_PROGRESS: Final = "it did not go on in time"
_TOTAL: Final = "it did not come to an end in time"


@final
class OutOfPatienceError(Exception):
    """A deadline has passed; the text says which."""


@final
class Patience:
    """What is left of one attempt's budgets, in seconds."""

    def __init__(self, timeouts: TimeoutsConfig) -> None:
        self._timeouts = timeouts
        self._lack = _CONNECT
        self._left = timeouts.connect
        self._total = timeouts.total
        self._waiting: Waiting | None = None

    def spent(self) -> Waiting:
        """Bound the waiting in a `with` block; raises `OutOfPatienceError` at its end."""
        self._waiting = Waiting(self, min(self._left, self._total))
        return self._waiting

    def connected(self) -> None:
        """There is a connection, and the request leaves; told within a wait, which has another end from now on."""
        assert self._waiting is not None, "nobody is connected to without a wait"
        self._waiting.count()
        self._expect(_HEADERS, self._timeouts.headers)
        self._waiting.go_on(min(self._left, self._total))

    def head_came(self) -> None:
        """The answer's head has come."""
        self._expect(_BEGINNING, self._timeouts.first_token)

    def moved(self) -> None:
        """The answer has moved on."""
        self._expect(_PROGRESS, self._timeouts.between_tokens)

    def waited(self, seconds: float) -> None:
        """So long was waited."""
        self._left -= seconds
        self._total -= seconds

    def lack(self) -> OutOfPatienceError:
        """Return what was waited for in vain."""
        return OutOfPatienceError(_TOTAL if self._total < self._left else self._lack)

    def _expect(self, lack: str, seconds: float) -> None:
        self._lack, self._left = lack, seconds


@final
class Waiting:
    """One wait; a class and no generator, for there is one to every chunk of a stream."""

    __slots__ = ("_began", "_patience", "_scope")

    def __init__(self, patience: Patience, seconds: float) -> None:
        self._patience = patience
        self._began = trio.current_time()
        self._scope = trio.CancelScope(deadline=self._began + max(0.0, seconds))

    def count(self) -> None:
        """Take in what was waited so far."""
        now = trio.current_time()
        self._patience.waited(now - self._began)
        self._began = now

    def go_on(self, seconds: float) -> None:
        """Wait *seconds* from now, however long it was to be before."""
        self._scope.deadline = self._began + max(0.0, seconds)

    def __enter__(self) -> None:
        self._scope.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        is_suppressed = self._scope.__exit__(kind, error, trace)
        self.count()
        if self._scope.cancelled_caught:
            raise self._patience.lack()
        return is_suppressed
