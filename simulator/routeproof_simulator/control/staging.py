"""A scenario's body made ready, whole, before any of it is set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from routeproof_simulator import spelling
from routeproof_simulator.control.setting import Setting
from routeproof_simulator.control.views import Cast, Scenario
from routeproof_simulator.door_states import check_door
from routeproof_simulator.provider import Provider
from routeproof_simulator.schedules import schedule as schedules
from routeproof_simulator.schedules.schedule import Schedule
from routeproof_spec.errors import ConfigError


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a scenario comes to: how all providers are set, and what happens next."""

    settings: Mapping[str, Setting]
    schedule: Schedule | None
    seed: int
    scale: float
    until: float | None  #: seconds; when the schedule ends, whatever is yet to come


def staged(told: Scenario, providers: Mapping[str, Provider], *, now: float) -> Stage:
    """Return what *told* comes to; raises `ConfigError`."""
    if not told.providers and told.fault is None:
        raise ConfigError(file="body", key="", found="neither providers nor fault", wanted="one of the two, or both")
    for name in told.providers:
        if name not in providers:
            wanted = "one of " + ", ".join(providers)
            raise ConfigError(file="body", key=f"providers.{name}", found="an unknown provider", wanted=wanted)
    until = None if told.ttl is None else now + told.ttl
    return Stage(
        settings={
            name: _setting(told.providers.get(name, Cast()), provider, until=until)
            for name, provider in providers.items()
        },
        schedule=None if told.fault is None else _schedule(told.fault, providers),
        seed=told.seed,
        scale=told.scale,
        until=until,
    )


def _setting(cast: Cast, provider: Provider, *, until: float | None) -> Setting:
    key = f"providers.{provider.name}"
    behaviour, door = provider.configured, provider.configured_door
    if cast.behaviour is not None:
        behaviour = spelling.decode(cast.behaviour, file="body", key=f"{key}.behaviour")
    if cast.door is not None:
        door = cast.door
        check_door(door, tls=provider.tls, file="body", key=f"{key}.door")
    return Setting(
        behaviour=behaviour,
        door=door,
        behaviour_until=None if cast.behaviour is None else until,
        door_until=None if cast.door is None else until,
    )


def _schedule(tree: object, providers: Mapping[str, Provider]) -> Schedule:
    schedule = schedules.parse(tree, file="body", providers=tuple(providers))
    schedule.check_doors([each.name for each in providers.values() if each.tls], file="body")
    return schedule
