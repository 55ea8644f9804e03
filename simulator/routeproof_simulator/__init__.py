"""Fake model providers that misbehave on demand, and the simulator that lives through their outages."""

from routeproof_simulator.algebra import Behaviour, chance, first, ok
from routeproof_simulator.fleet import FleetConfig, ProviderConfig, RunningFleet, load_fleet, serve_fleet, serving_fleet
from routeproof_simulator.fleet_client import FleetClient
from routeproof_simulator.provider import Door
from routeproof_simulator.thread import FleetThread

__all__ = [
    "Behaviour",
    "Door",
    "FleetClient",
    "FleetConfig",
    "FleetThread",
    "ProviderConfig",
    "RunningFleet",
    "chance",
    "first",
    "load_fleet",
    "ok",
    "serve_fleet",
    "serving_fleet",
]
