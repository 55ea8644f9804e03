"""The contract of an LLM gateway in machine-readable form, and the words in which a run of one is told."""

from routeproof_spec.errors import (
    ConfigError,
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
    RouteproofError,
    TargetUnreachable,
    Violation,
)
from routeproof_spec.history import Attempt, Ended, Exchange, FaultChange, Frame, History

__all__ = [
    "Attempt",
    "ConfigError",
    "Ended",
    "Exchange",
    "FaultChange",
    "Frame",
    "History",
    "LocalProtocolError",
    "ProtocolError",
    "RemoteProtocolError",
    "RouteproofError",
    "TargetUnreachable",
    "Violation",
]
