"""Prove what an LLM gateway does: the names that people import.

`FleetThread` serves fake providers beside any test; the words of `routeproof_simulator.behaviours` say how they
misbehave. Everything else is the command line: `routeproof --help`.
"""

from routeproof._version import __version__
from routeproof_simulator import FleetClient, FleetConfig, FleetThread, load_fleet, serving_fleet
from routeproof_simulator.behaviours import chance, cut, fail, first, ok, pace, reset, stall, ttft
from routeproof_spec import Attempt, Exchange, History, RouteproofError, Violation

__all__ = [
    "Attempt",
    "Exchange",
    "FleetClient",
    "FleetConfig",
    "FleetThread",
    "History",
    "RouteproofError",
    "Violation",
    "__version__",
    "chance",
    "cut",
    "fail",
    "first",
    "load_fleet",
    "ok",
    "pace",
    "reset",
    "serving_fleet",
    "stall",
    "ttft",
]
