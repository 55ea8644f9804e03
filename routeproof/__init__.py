"""Prove what an LLM gateway does: the public names of routeproof.

>>> from routeproof import FleetThread, fail, first
"""

from routeproof._version import __version__
from routeproof_spec import History, RouteproofError, Violation

__all__ = ["History", "RouteproofError", "Violation", "__version__"]
