"""The pure core of the gateway: names, strategies, fallback. No clock, no socket, no chance of its own."""

from routeproof_reference_server.routing.catalogue import (
    AUTO,
    UNRESTRICTED,
    Capability,
    Catalogue,
    Deployment,
    Listed,
    Model,
    Restriction,
)
from routeproof_reference_server.routing.observed import Memory
from routeproof_reference_server.routing.outcome import Answered, Blame, Cause, Failed, Left, Outcome, Rejected, blame
from routeproof_reference_server.routing.router import Ask, Exhausted, Route, Router, Try, Unknown
from routeproof_reference_server.routing.strategy import Strategy

__all__ = [
    "AUTO",
    "UNRESTRICTED",
    "Answered",
    "Ask",
    "Blame",
    "Capability",
    "Catalogue",
    "Cause",
    "Deployment",
    "Exhausted",
    "Failed",
    "Left",
    "Listed",
    "Memory",
    "Model",
    "Outcome",
    "Rejected",
    "Restriction",
    "Route",
    "Router",
    "Strategy",
    "Try",
    "Unknown",
    "blame",
]
