"""Where clients connect: hypercorn's connection and its HTTP/1.1, with a bound to all that a client can do."""

from routeproof_reference_server.edge.connection import Connection
from routeproof_reference_server.edge.settings import EdgeSettings, edge_settings

__all__ = ["Connection", "EdgeSettings", "edge_settings"]
