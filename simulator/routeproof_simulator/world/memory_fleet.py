"""A fleet on the network in memory: the providers' real wire and doors, reached by host name."""

from __future__ import annotations

from functools import partial
from typing import Final

import trio

from routeproof_simulator.fleet import Fleet
from routeproof_simulator.wire.door import stand_at_door
from routeproof_simulator.world.network import MemoryNetwork, MemoryStream
from routeproof_spec.errors import ConfigError

PORT: Final = 80


def host_of(provider: str) -> str:
    """Return the host at which *provider* is reached: `alpha.test` (RFC 2606 keeps `.test` for such)."""
    return f"{provider}.test"


async def serve_fleet_in_memory(
    fleet: Fleet, network: MemoryNetwork, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve every provider of *fleet* on *network* until cancelled; raises `ConfigError` for one of TLS."""
    for name, provider in fleet.providers.items():
        if provider.tls:
            wanted = "false: TLS is served on sockets alone"
            raise ConfigError(file=f"provider '{name}'", key="tls", found="true", wanted=wanted)
    async with trio.open_nursery() as nursery:
        for provider in fleet.providers.values():
            host = host_of(provider.name)
            network.name(host)  # a refusing door is a host without a listener, not a host that nobody knows
            listen = partial(network.listen, host, PORT)
            await nursery.start(partial(stand_at_door, provider, listen, now=trio.current_time, reset=_reset))
        task_status.started()


async def _reset(stream: trio.abc.HalfCloseableStream) -> None:
    assert isinstance(stream, MemoryStream)
    stream.close(reset=True)
    await trio.lowlevel.checkpoint()
