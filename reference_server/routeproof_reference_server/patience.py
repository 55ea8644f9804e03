"""How long a provider is waited for: one budget for each of the deadlines, all of them Trio's own.

A timeout of each read is no deadline: twenty bytes a second would hold a request for ever. So the budgets are spent by
waiting, and only something whole renews one of them. Only waiting for the provider counts, not what the client takes.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
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

    @contextmanager
    def spent(self) -> Generator[None]:
        """Bound the waiting in the block; raises `trio.TooSlowError`."""
        began = trio.current_time()
        with trio.fail_after(max(0.0, min(self._left, self._total))):
            yield
        waited = trio.current_time() - began
        self._left -= waited
        self._total -= waited

    def renew(self) -> None:
        """Something whole has come: the next may take `idle` again."""
        self._left = self._idle
