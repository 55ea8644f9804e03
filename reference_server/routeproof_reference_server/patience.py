"""How long a provider is waited for: one budget for each of the deadlines, all of them Trio's own.

A timeout of each read is no deadline: twenty bytes a second would hold a request for ever. So the budgets are spent by
waiting, and only something whole renews one of them. Only waiting for the provider counts, not what the client takes.
"""

from __future__ import annotations

from types import TracebackType
from typing import final

import trio

from routeproof_reference_server.config import TimeoutsConfig


@final
class Patience:
    """What is left of one attempt's budgets, in seconds."""

    def __init__(self, timeouts: TimeoutsConfig) -> None:
        self._idle = timeouts.idle
        self._left = timeouts.first_byte
        self._total = timeouts.total

    def spent(self) -> Waiting:
        """Bound the waiting in a `with` block; raises `trio.TooSlowError` at its end."""
        return Waiting(self, min(self._left, self._total))

    def waited(self, seconds: float) -> None:
        """So long was waited."""
        self._left -= seconds
        self._total -= seconds

    def renew(self) -> None:
        """Something whole has come: the next may take `idle` again."""
        self._left = self._idle


@final
class Waiting:
    """One wait; a class and no generator, for there is one to every chunk of a stream."""

    __slots__ = ("_began", "_patience", "_scope")

    def __init__(self, patience: Patience, seconds: float) -> None:
        self._patience = patience
        self._began = trio.current_time()
        self._scope = trio.CancelScope(deadline=self._began + max(0.0, seconds))

    def __enter__(self) -> None:
        self._scope.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        is_suppressed = self._scope.__exit__(kind, error, trace)
        self._patience.waited(trio.current_time() - self._began)
        if self._scope.cancelled_caught:
            raise trio.TooSlowError
        return is_suppressed
