"""Turns at a provider: who has to wait until others have ended, first come first served."""

from __future__ import annotations

from collections import deque
from typing import final

import trio

from routeproof_simulator.journal import Entry


@final
class Turns:
    """The turns of one provider; an entry gives its turn back when it ends.

    As many wait as connections do: one at most on each.
    """

    def __init__(self) -> None:
        self._taken = 0
        self._waiting: deque[tuple[int, trio.Event]] = deque()

    async def take(self, slots: int, entry: Entry) -> None:
        """Wait until fewer than *slots* turns are taken, after all who came before; then take one for *entry*."""
        mine = (slots, trio.Event())
        self._waiting.append(mine)
        self._pass_on()
        try:
            await mine[1].wait()
        finally:
            # The turn may have come in the very moment in which the wait was cancelled, or the peer felt to be gone.
            if not mine[1].is_set():
                self._waiting.remove(mine)
                self._pass_on()
            elif entry.is_open:
                entry.when_ended(self._back)
            else:
                self._back()

    def _back(self) -> None:
        self._taken -= 1
        self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting and self._taken < self._waiting[0][0]:
            self._taken += 1
            self._waiting.popleft()[1].set()
