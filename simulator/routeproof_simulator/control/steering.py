"""What the providers are set to, what was changed last, and how to go back.

Rule 1. A change is all or nothing: what is wrong is refused before anything is set.
Rule 2. A change remembers how the providers that it touches were before. Undoing puts those back, the last change
        first; what would have ended by itself in the meantime has ended. A schedule that was stopped does not go on.
Rule 3. Whoever undoes may say which change is meant, so that of two people who look at the same fleet the slower one
        does not undo what the other has just done.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, final

import trio

from routeproof_simulator.algebra import Behaviour
from routeproof_simulator.control.replies import Refusal
from routeproof_simulator.control.setting import Setting, configured, setting_of
from routeproof_simulator.control.staging import Stage
from routeproof_simulator.door_states import Door
from routeproof_simulator.provider import Provider
from routeproof_simulator.schedules.performance import Performance, PerformanceView

CHANGES_MAX: Final = 100  # that can be undone


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that was changed, and how it was before."""

    number: int
    says: str
    before: Mapping[str, Setting]
    has_schedule: bool  # which ends with the change


@final
class Steering:
    """Sets *providers*, and lets *performance* play schedules over them; *now* is the clock of the run."""

    def __init__(
        self, providers: Mapping[str, Provider], performance: Performance, *, now: Callable[[], float]
    ) -> None:
        self.providers = providers
        self.schedule_until: float | None = None  #: seconds; when the schedule that is played ends before its time
        self._performance = performance
        self._now = now
        self._changes: deque[Change] = deque(maxlen=CHANGES_MAX)
        self._last = 0
        self._changed = trio.Event()

    @property
    def last(self) -> Change | None:
        """The change that would be undone next."""
        return self._changes[-1] if self._changes else None

    @property
    def schedule(self) -> PerformanceView | None:
        """Where the schedule stands, None where none is played."""
        return self._performance.view()

    def set_behaviour(self, name: str, behaviour: Behaviour, *, ttl: float | None) -> None:
        """Let the provider *name* behave so, for *ttl* seconds."""
        before = {name: setting_of(self.providers[name])}
        self.providers[name].set_behaviour(behaviour, ttl=ttl)
        self._note(f"{name}: {behaviour}", before)

    def set_door(self, name: str, door: Door, *, ttl: float | None) -> None:
        """Let the door of the provider *name* be so, for *ttl* seconds; raises `ConfigError` for one it cannot have."""
        before = {name: setting_of(self.providers[name])}
        self.providers[name].set_door(door, ttl=ttl)
        self._note(f"{name}: door {door}", before)

    def heal(self) -> None:
        """Let every provider be as configured, and play no further."""
        settings = {name: configured(provider) for name, provider in self.providers.items()}
        self._stage(Stage(settings=settings, schedule=None, seed=0, scale=1.0, until=None), says="everything healed")

    def stage(self, stage: Stage) -> None:
        """Set everything as *stage* says, and play its schedule."""
        self._stage(stage, says="the scenario")

    def undo(self, number: int | None) -> None:
        """Put back what the last change changed; raises `Refusal` where there is none, or it is not *number*."""
        last = self.last
        if last is None:
            raise Refusal(409, "There is no change to undo.", found="none", wanted="a change before")
        if number not in (None, last.number):
            wanted = f"{last.number} ({last.says})"
            raise Refusal(409, "Another change has been made since.", found=str(number), wanted=wanted)
        self._changes.pop()
        if last.has_schedule:
            self._performance.stop()
        for name, setting in last.before.items():
            setting.put(self.providers[name], now=self._now())
        self._wake()

    async def keep(self) -> None:
        """Let end what has had its time, until cancelled."""
        while True:
            self._changed = trio.Event()
            with trio.move_on_after(max(0.0, self._due() - self._now())):
                await self._changed.wait()
            if self.schedule_until is not None and self._now() >= self.schedule_until:
                self._stop()
            for provider in self.providers.values():
                setting_of(provider)

    def _due(self) -> float:
        dues = [self.schedule_until, *(each.door_reverts_at for each in self.providers.values())]
        return min((due for due in dues if due is not None), default=math.inf)

    def _stage(self, stage: Stage, *, says: str) -> None:
        before = {name: setting_of(provider) for name, provider in self.providers.items()}
        self._stop()
        for name, setting in stage.settings.items():
            setting.put(self.providers[name], now=self._now())
        if stage.schedule is not None:
            self._performance.play(stage.schedule, seed=stage.seed, scale=stage.scale)
            self.schedule_until = stage.until
        self._note(says, before, has_schedule=stage.schedule is not None)

    def _stop(self) -> None:
        self._performance.stop()
        self.schedule_until = None

    def _note(self, says: str, before: Mapping[str, Setting], *, has_schedule: bool = False) -> None:
        self._wake()
        now = {name: setting_of(self.providers[name]) for name in before}
        if now != before or has_schedule:  # else there is nothing to go back to
            self._last += 1
            self._changes.append(Change(number=self._last, says=says, before=before, has_schedule=has_schedule))

    def _wake(self) -> None:
        self._changed.set()
