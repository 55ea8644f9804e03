"""Prove what an LLM gateway does: the names that people import.

`FleetThread` serves fake providers beside any test; in pytest the fixtures `fleet` and `provider` do, and `faults` says
what goes wrong. The words for it are in `routeproof_simulator.behaviours`. Everything else is the command line:
`routeproof --help`.
"""

from routeproof._version import __version__
from routeproof_simulator import (
    Door,
    FleetClient,
    FleetConfig,
    FleetThread,
    ProviderConfig,
    Seen,
    SteeredProvider,
    load_fleet,
    serving_fleet,
)
from routeproof_simulator.behaviours import chance, cut, fail, first, ok, pace, reset, stall, ttft
from routeproof_simulator.marks import faults
from routeproof_spec import Attempt, Exchange, History, RouteproofError, Violation

__all__ = [
    "Attempt",
    "Door",
    "Exchange",
    "FleetClient",
    "FleetConfig",
    "FleetThread",
    "History",
    "ProviderConfig",
    "RouteproofError",
    "Seen",
    "SteeredProvider",
    "Violation",
    "__version__",
    "chance",
    "cut",
    "fail",
    "faults",
    "first",
    "load_fleet",
    "ok",
    "pace",
    "reset",
    "serving_fleet",
    "stall",
    "ttft",
]
