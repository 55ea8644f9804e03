"""The reference gateway: the contract's second telling, small enough to be read."""

from routeproof_reference_server.app import create_app
from routeproof_reference_server.config import DEFAULT_FILE, GatewayConfig, load_config
from routeproof_reference_server.serve import serve, simulated

__all__ = ["DEFAULT_FILE", "GatewayConfig", "create_app", "load_config", "serve", "simulated"]
