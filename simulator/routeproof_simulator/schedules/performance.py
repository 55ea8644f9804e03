"""A schedule as it is played over providers, on trio's clock, whether real or virtual."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Annotated, TypeAlias, final

import trio
from msgspec import Meta, Struct

from routeproof_simulator import spelling
from routeproof_simulator.algebra import Behaviour, ok
from routeproof_simulator.door_states import Door
from routeproof_simulator.invariants.views import HEALTHY
from routeproof_simulator.provider import Provider
from routeproof_simulator.schedules.act import Change
from routeproof_simulator.schedules.schedule import Schedule
from routeproof_spec.history import FaultChange

Scale: TypeAlias = Annotated[float, Meta(gt=0, le=1000)]
"""How many seconds of the schedule pass in one second: 2.0 is twice as fast."""

Tell: TypeAlias = Callable[[FaultChange], None]


class StepView(Struct, frozen=True):
    """One change of a schedule; one with neither behaviour nor door heals."""

    at: float  #: seconds of the schedule
    provider: str
    behaviour: spelling.Spelled | None = None  # added to the configured one
    door: Door | None = None


class PerformanceView(Struct, frozen=True):
    """Where a performance stands, for whoever asks from outside."""

    seed: int
    scale: float
    elapsed: float  #: seconds of the schedule
    standing: tuple[StepView, ...]  # what is in force, and since when
    next: StepView | None
    remaining: int  # changes that are yet to come


@final
class Performance:
    """Plays one schedule at a time over *providers*, in *nursery*; *now* is the clock of their journal."""

    def __init__(self, providers: Mapping[str, Provider], nursery: trio.Nursery, *, now: Callable[[], float]) -> None:
        self._providers = providers
        self._nursery = nursery
        self._now = now
        self._playing: _Playing | None = None
        self._told: list[FaultChange] = []

    @property
    def changes(self) -> tuple[FaultChange, ...]:
        """What the schedule that was played last has done, on the clock of the journal."""
        return tuple(self._told)

    def play(self, schedule: Schedule, *, seed: int, scale: float = 1.0) -> None:
        """Play *schedule* from its start, *scale* times as fast, instead of what is being played.

        What is to happen at its very start has happened when this returns. Raises `ConfigError`, and leaves what is
        being played as it is, for a door of TLS where a provider is not served over TLS.
        """
        schedule.check_doors([each.name for each in self._providers.values() if each.tls], file="the schedule")
        self.stop()
        self._told = []
        self._playing = _Playing(
            schedule, self._providers, seed=seed, scale=scale, now=self._now, tell=self._told.append
        )
        self._nursery.start_soon(self._playing.run, name="schedule")

    def stop(self) -> None:
        """Play no further, and heal every provider at which a fault of the schedule stands."""
        if self._playing is not None:
            self._playing.stop()
            self._playing = None

    def view(self) -> PerformanceView | None:
        """Return where the performance stands, after its last change too, or None where nothing is played."""
        return None if self._playing is None else self._playing.view()


async def play(
    schedule: Schedule,
    providers: Mapping[str, Provider],
    *,
    seed: int,
    scale: float = 1.0,
    tell: Tell,
    now: Callable[[], float] = trio.current_time,
) -> None:
    """Play *schedule* over *providers* from now on, *scale* times as fast, to its last change; *tell* is told of each.

    Where it is cancelled, the providers stay as they are. *now* is the clock of what is told.
    """
    await _Playing(schedule, providers, seed=seed, scale=scale, now=now, tell=tell).run()


@final
class _Playing:
    """One schedule on its way; what is due at its very start is carried out at once."""

    def __init__(
        self,
        schedule: Schedule,
        providers: Mapping[str, Provider],
        *,
        seed: int,
        scale: float,
        now: Callable[[], float],
        tell: Tell,
    ) -> None:
        self._providers = providers
        self._pending = deque(schedule.changes(seed))
        self._standing: dict[str, Change] = {}
        self._seed = seed
        self._scale = scale
        self._now = now
        self._tell = tell
        self._began = trio.current_time()
        self._scope = trio.CancelScope()
        while self._pending and self._pending[0].at <= 0:
            self._carry_out(self._pending.popleft())

    async def run(self) -> None:
        with self._scope:
            while self._pending:
                await trio.sleep_until(self._began + self._pending[0].at / self._scale)
                self._carry_out(self._pending.popleft())

    def stop(self) -> None:
        self._scope.cancel()
        for provider in tuple(self._standing):
            self._carry_out(Change(at=self._elapsed(), provider=provider, to=None))

    def view(self) -> PerformanceView:
        return PerformanceView(
            seed=self._seed,
            scale=self._scale,
            elapsed=self._elapsed(),
            standing=tuple(map(_view, self._standing.values())),
            next=_view(self._pending[0]) if self._pending else None,
            remaining=len(self._pending),
        )

    def _elapsed(self) -> float:
        return (trio.current_time() - self._began) * self._scale

    def _carry_out(self, change: Change) -> None:
        provider = self._providers[change.provider]
        match change.to:
            case Behaviour() as behaviour:
                provider.set_behaviour(provider.configured | behaviour)
                words = HEALTHY if behaviour == ok else str(provider.behaviour)
            case Door() as door:
                provider.set_door(door)
                words = door.value
            case None:
                provider.heal()
                words = HEALTHY if provider.door is Door.OPEN else provider.door.value
        self._standing.pop(change.provider, None)
        if change.to is not None:
            self._standing[change.provider] = change
        self._tell(FaultChange(at=self._now(), provider=change.provider, behaviour=words))


def _view(change: Change) -> StepView:
    match change.to:
        case Behaviour() as behaviour:
            return StepView(at=change.at, provider=change.provider, behaviour=spelling.encode(behaviour))
        case door:
            return StepView(at=change.at, provider=change.provider, door=door)
