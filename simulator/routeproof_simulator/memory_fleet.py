"""A fleet on the network in memory: the providers' real wire, reached by host name."""

from __future__ import annotations

from typing import Final

import trio

from routeproof_simulator.fleet import Fleet
from routeproof_simulator.network import MemoryListener, MemoryNetwork, MemoryStream
from routeproof_simulator.provider import Door, Provider
from routeproof_simulator.wire import serve_connection

PORT: Final = 80


def host_of(provider: str) -> str:
    """Return the host at which *provider* is reached: `alpha.test` (RFC 2606 keeps `.test` for such)."""
    return f"{provider}.test"


async def serve_fleet_in_memory(
    fleet: Fleet, network: MemoryNetwork, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve every provider of *fleet* on *network* until cancelled."""
    async with trio.open_nursery() as nursery:
        for provider in fleet.providers.values():
            await nursery.start(_stand_at_door, provider, network)
        task_status.started()


async def _stand_at_door(
    provider: Provider, network: MemoryNetwork, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Let connections in as the door says; a door that changes ends those that are there."""
    host = host_of(provider.name)
    network.name(host)
    task_status.started()
    while True:
        changed = trio.Event()
        provider.door_changed = changed.set
        async with trio.open_nursery() as nursery:
            if provider.door is not Door.REFUSED:
                nursery.start_soon(_accept, provider, network.listen(host, PORT))
            await changed.wait()
            nursery.cancel_scope.cancel()


async def _accept(provider: Provider, listener: MemoryListener) -> None:
    count = 0

    async def handle(stream: MemoryStream) -> None:
        nonlocal count
        count += 1
        async with stream:
            if provider.door is Door.SILENT:
                await trio.sleep_forever()
            await serve_connection(stream, provider, now=trio.current_time, reset=_reset, connection=count)

    await trio.serve_listeners(handle, [listener])


async def _reset(stream: trio.abc.HalfCloseableStream) -> None:
    assert isinstance(stream, MemoryStream)
    stream.close(reset=True)
    await trio.lowlevel.checkpoint()
