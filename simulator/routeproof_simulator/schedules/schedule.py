"""What goes wrong at which provider and when: one seeded schedule over many providers, as a file spells it.

One provider has one fault at a time: two that could meet, whatever the seed, are a mistake of the file. What is to
happen together is one fault, whose behaviours compose.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, TypeAlias, final

import msgspec
from msgspec import Meta

from routeproof_simulator import spelling
from routeproof_simulator.algebra import Behaviour
from routeproof_simulator.door_states import Door, check_door
from routeproof_simulator.schedules.act import Act, Change, Phases
from routeproof_simulator.schedules.ramp import Ramp
from routeproof_spec.config import decode
from routeproof_spec.errors import ConfigError

SECONDS_MAX: Final = 1e8  # three years
CHANGES_MAX: Final = 10_000  # of one schedule, whatever the seed

Seconds: TypeAlias = Annotated[float, Meta(ge=0, le=SECONDS_MAX)]
Length: TypeAlias = Annotated[float, Meta(ge=0.001, le=SECONDS_MAX)]


class Flap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fault comes and goes: in force for *down* seconds, healed for *up*, and so on, each give or take *jitter*."""

    up: Length  #: seconds
    down: Length  #: seconds
    jitter: Seconds = 0.0  #: seconds


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong, at whom, from when and for how long."""

    at: Seconds
    providers: tuple[str, ...] | Literal["all"]
    lasts: Length | None = msgspec.field(name="for", default=None)  #: seconds; None: to the end
    behaviour: list[dict[str, Any]] | None = None
    door: Door | None = None
    ramp: Ramp | None = None
    flap: Flap | None = None
    jitter: Seconds = 0.0  #: seconds; of *at*
    stagger: Seconds = 0.0  #: seconds from one provider of the group to the next


class _Told(msgspec.Struct, frozen=True):
    fault: tuple[Fault, ...]


@final
@dataclass(frozen=True, slots=True)
class Schedule:
    """All that goes wrong, and when."""

    acts: tuple[Act, ...] = ()

    @property
    def count_max(self) -> int:
        """How many changes there are at most, whatever the seed."""
        return sum(act.count_max for act in self.acts)

    def changes(self, seed: int) -> tuple[Change, ...]:
        """Return every change in order; of those at one instant the heals come first."""
        ordered = sorted(self.acts, key=lambda act: (act.at, act.providers))
        found = [change for act in ordered for change in act.changes(seed)]
        return tuple(sorted(found, key=lambda change: (change.at, change.to is not None)))

    def check_doors(self, tls: Collection[str], *, file: str) -> None:
        """Raise `ConfigError` for a door of TLS at a provider that is not among *tls*, those served over it."""
        for index, act in enumerate(self.acts):
            for door in act.steps:
                if isinstance(door, Door):
                    is_tls = all(provider in tls for provider in act.providers)
                    check_door(door, tls=is_tls, file=file, key=f"fault[{index}].door")


def parse(tree: object, *, file: str, providers: Collection[str]) -> Schedule:
    """Return the schedule that *tree* spells, the list that stands under `fault` in *file*.

    *providers* are those that there are. Raises `ConfigError`, whose keys begin with `fault`.
    """
    return schedule_of(decode({"fault": tree}, _Told, file=file).fault, file=file, providers=providers)


def schedule_of(
    faults: Sequence[Fault], *, file: str, providers: Collection[str], duration: float = math.inf
) -> Schedule:
    """Return the schedule of *faults*; raise `ConfigError` for what the types alone do not show.

    What heals has to heal within *duration* seconds.
    """
    acts: list[Act] = []
    for index, fault in enumerate(faults):
        act = _act(fault, providers, file=file, key=f"fault[{index}]")
        _check_end(act, duration, file=file, key=f"fault[{index}]")
        acts.append(act)
    schedule = Schedule(tuple(acts))
    if schedule.count_max > CHANGES_MAX:
        found = f"up to {schedule.count_max} changes"
        raise ConfigError(
            file=file, key="fault", found=found, wanted=f"at most {CHANGES_MAX}: longer phases, fewer steps"
        )
    _check_overlap(acts, file)
    return schedule


def _act(fault: Fault, providers: Collection[str], *, file: str, key: str) -> Act:
    lasts = math.inf if fault.lasts is None else fault.lasts
    for name, is_bounded in (("ramp", fault.ramp), ("flap", fault.flap)):
        if is_bounded is not None and lasts == math.inf:
            raise ConfigError(file=file, key=f"{key}.for", found="nothing", wanted=f"the seconds that the {name} lasts")
    if fault.jitter > fault.at:
        raise ConfigError(
            file=file, key=f"{key}.jitter", found=f"{fault.jitter:g}", wanted=f"at most {fault.at:g}, its 'at'"
        )
    return Act(
        at=fault.at,
        lasts=lasts,
        providers=_group(fault, providers, file=file, key=key),
        steps=tuple(_steps(fault, file=file, key=key)),
        phases=_phases(fault.flap, file=file, key=f"{key}.flap"),
        jitter=fault.jitter,
        stagger=fault.stagger,
    )


def _group(fault: Fault, providers: Collection[str], *, file: str, key: str) -> tuple[str, ...]:
    group = tuple(providers) if fault.providers == "all" else fault.providers
    place = f"{key}.providers"
    if not group:
        raise ConfigError(file=file, key=place, found="none", wanted='at least one provider, or "all"')
    for index, name in enumerate(group):
        if name not in providers:
            raise ConfigError(file=file, key=place, found=repr(name), wanted="one of " + ", ".join(providers))
        if name in group[:index]:
            raise ConfigError(file=file, key=place, found=f"{name!r} again", wanted="each provider once")
    return group


def _phases(flap: Flap | None, *, file: str, key: str) -> Phases | None:
    if flap is None:
        return None
    most = min(flap.up, flap.down) / 2
    if flap.jitter > most:
        wanted = f"at most {most:g}, half of the shorter phase"
        raise ConfigError(file=file, key=f"{key}.jitter", found=f"{flap.jitter:g}", wanted=wanted)
    return Phases(up=flap.up, down=flap.down, jitter=flap.jitter)


def _steps(fault: Fault, *, file: str, key: str) -> Iterator[Behaviour | Door]:
    if (fault.behaviour is None) == (fault.door is None):
        found = "neither" if fault.door is None else "both"
        raise ConfigError(file=file, key=key, found=found, wanted="either behaviour or door")
    if fault.behaviour is None:
        assert fault.door is not None
        if fault.ramp is not None:
            raise ConfigError(file=file, key=f"{key}.ramp", found="the ramp of a door", wanted="one of a behaviour")
        yield fault.door
        return
    behaviour = spelling.decode(fault.behaviour, file=file, key=f"{key}.behaviour")
    if fault.ramp is None:
        yield behaviour
    else:
        yield from fault.ramp.steps_of(fault.behaviour, file=file, key=f"{key}.ramp")


def _check_end(act: Act, duration: float, *, file: str, key: str) -> None:
    windows = [act.window(number) for number in range(len(act.providers))]
    latest = max(end if end < math.inf else start for start, end in windows)
    if latest > duration:
        wanted = f"a fault that heals before the load ends, at {duration:g} s"
        raise ConfigError(file=file, key=f"{key}.for", found=f"an end at {latest:g} s", wanted=wanted)


def _check_overlap(acts: Sequence[Act], file: str) -> None:
    windows = sorted(
        (provider, act.window(number), index)
        for index, act in enumerate(acts)
        for number, provider in enumerate(act.providers)
    )
    for (provider, (_, end), before), (other, (start, _), index) in pairwise(windows):
        if provider == other and end > start:
            ends = "for ever" if end == math.inf else f"until {end:g} s"
            wanted = f"a fault that begins later: {provider} has one at a time, and fault[{before}] may last {ends}"
            raise ConfigError(file=file, key=f"fault[{index}].at", found=f"a start at {start:g} s", wanted=wanted)
