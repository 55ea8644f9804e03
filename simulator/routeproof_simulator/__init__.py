"""Fake model providers that misbehave on demand, and the simulator that lives through their outages.

A name is imported when it is first used: the pytest plugin lives in this package, and is loaded in every pytest run of
whoever installs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from routeproof_simulator.algebra import Behaviour, chance, first, ok
    from routeproof_simulator.door_states import Door
    from routeproof_simulator.fleet import (
        FleetConfig,
        ProviderConfig,
        RunningFleet,
        load_fleet,
        serve_fleet,
        serving_fleet,
    )
    from routeproof_simulator.fleet_client import FleetClient
    from routeproof_simulator.seen import Seen
    from routeproof_simulator.thread import FleetThread, SteeredProvider

__all__ = [
    "Behaviour",
    "Door",
    "FleetClient",
    "FleetConfig",
    "FleetThread",
    "ProviderConfig",
    "RunningFleet",
    "Seen",
    "SteeredProvider",
    "chance",
    "first",
    "load_fleet",
    "ok",
    "serve_fleet",
    "serving_fleet",
]

_MODULES: Final = {
    "algebra": ("Behaviour", "chance", "first", "ok"),
    "fleet": ("FleetConfig", "ProviderConfig", "RunningFleet", "load_fleet", "serve_fleet", "serving_fleet"),
    "fleet_client": ("FleetClient",),
    "door_states": ("Door",),
    "seen": ("Seen",),
    "thread": ("FleetThread", "SteeredProvider"),
}
_HOME: Final = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    """Return the public *name*, its module imported."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
