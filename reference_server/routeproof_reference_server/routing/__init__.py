"""The pure core of the gateway: names, strategies, fallback. No clock, no socket, no chance of its own."""

from routeproof_reference_server.routing.catalogue import (
    AUTO,
    UNRESTRICTED,
    Api,
    Capability,
    Catalogue,
    Deployment,
    Listed,
    Model,
    Restriction,
)
from routeproof_reference_server.routing.outcome import (
    Answered,
    Blame,
    Cause,
    Failed,
    Finished,
    Left,
    Outcome,
    Rejected,
    blame,
)
from routeproof_reference_server.routing.policy import BreakerConfig, RoutingConfig
from routeproof_reference_server.routing.router import Ask, Exhausted, Route, Router, Try, Unfit, Unknown
from routeproof_reference_server.routing.strategy import Strategy

__all__ = [
    "AUTO",
    "UNRESTRICTED",
    "Answered",
    "Api",
    "Ask",
    "Blame",
    "BreakerConfig",
    "Capability",
    "Catalogue",
    "Cause",
    "Deployment",
    "Exhausted",
    "Failed",
    "Finished",
    "Left",
    "Listed",
    "Model",
    "Outcome",
    "Rejected",
    "Restriction",
    "Route",
    "Router",
    "RoutingConfig",
    "Strategy",
    "Try",
    "Unfit",
    "Unknown",
    "blame",
]
