"""Turns at a provider: who has to wait until others have ended, first come first served."""

from __future__ import annotations

from collections import deque
from typing import final

import trio

from routeproof_simulator.journal import Entry


@final
class Turns:
    """The turns of one provider; an entry gives its turn back when it ends."""

    def __init__(self) -> None:
        self._taken = 0
        self._waiting: deque[tuple[int, trio.Event]] = deque()

    async def take(self, slots: int, entry: Entry) -> None:
        """Wait until fewer than *slots* turns are taken, after all who came before; then take one for *entry*."""
        if self._waiting or self._taken >= slots:
            mine = (slots, trio.Event())
            self._waiting.append(mine)
            try:
                await mine[1].wait()
            except BaseException:
                self._given_up(mine)
                raise
        else:
            self._taken += 1
        entry.when_ended(self._back)

    def _given_up(self, mine: tuple[int, trio.Event]) -> None:
        if mine[1].is_set():  # cancelled in the very moment in which its turn came
            self._back()
        else:
            self._waiting.remove(mine)
            self._pass_on()

    def _back(self) -> None:
        self._taken -= 1
        self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting and self._taken < self._waiting[0][0]:
            self._taken += 1
            self._waiting.popleft()[1].set()
