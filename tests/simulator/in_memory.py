"""The HTTP client on the network in memory."""

from __future__ import annotations

from typing import final

import httpcore2
import httpx2

from routeproof_simulator.world.memory_dialling import MemoryDialling
from routeproof_simulator.world.network import MemoryNetwork


@final
class MemoryTransport(httpx2.AsyncHTTPTransport):
    """The client's own transport; only the dialling is ours."""

    def __init__(self, network: MemoryNetwork) -> None:
        super().__init__(verify=False, trust_env=False)
        # No limit of ours, and no expiry: that of the pool reads the real clock.
        self._pool = httpcore2.AsyncConnectionPool(max_connections=None, network_backend=MemoryDialling(network))
