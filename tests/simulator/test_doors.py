"""Doors before HTTP, in memory and on sockets; those of TLS have a file of their own."""

from __future__ import annotations

import resource
import socket
from collections.abc import Awaitable, Callable

import pytest
import trio

from routeproof_simulator import Door, FleetThread
from routeproof_simulator.fleet import Fleet
from routeproof_simulator.wire.sockets import OPEN_FILES_MAX, room_for_connections
from routeproof_simulator.world.clock import run_virtual
from routeproof_simulator.world.memory_fleet import PORT, host_of, serve_fleet_in_memory
from routeproof_simulator.world.network import MemoryNetwork
from routeproof_spec.errors import ConfigError
from tests.simulator.asking import FLEET, chat, raw


def in_memory(talk: Callable[[Fleet, MemoryNetwork], Awaitable[None]]) -> None:
    async def main() -> None:
        fleet = Fleet(FLEET, now=trio.current_time)
        network = MemoryNetwork()
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_fleet_in_memory, fleet, network)
            await talk(fleet, network)
            nursery.cancel_scope.cancel()

    run_virtual(main)


def test_a_door_that_resets_does_so_in_memory() -> None:
    async def talk(fleet: Fleet, network: MemoryNetwork) -> None:
        fleet.providers["alpha"].set_door(Door.RESET)
        await fleet.providers["alpha"].door_settled()
        stream = await network.connect(host_of("alpha"), PORT)
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()
        assert fleet.journal.attempts == ()

    in_memory(talk)


def test_a_door_that_resets_does_so_on_sockets() -> None:
    with FleetThread(FLEET) as fleet:
        fleet.set_door("alpha", Door.RESET)
        host, _, port = fleet.base_urls["alpha"].removeprefix("http://").removesuffix("/v1").partition(":")
        # The reset may be there before `connect` has returned.
        with pytest.raises(ConnectionResetError), socket.create_connection((host, int(port)), timeout=5.0) as sock:
            sock.recv(1)
        assert fleet.attempts() == ()


def test_no_two_connections_of_a_provider_bear_one_number_whatever_its_door_did() -> None:
    async def talk(fleet: Fleet, network: MemoryNetwork) -> None:
        for door in (Door.RESET, Door.OPEN, Door.SILENT, Door.OPEN):
            fleet.providers["alpha"].set_door(door)
            await fleet.providers["alpha"].door_settled()
            stream = await network.connect(host_of("alpha"), PORT)
            if door is Door.OPEN:
                await stream.send_all(raw(chat()))
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
        assert [each.connection for each in fleet.journal.attempts] == [2, 4]

    in_memory(talk)


def test_a_door_of_tls_in_memory_is_told_in_words() -> None:
    provider = Fleet(FLEET, now=lambda: 0.0).providers["alpha"]
    with pytest.raises(ConfigError, match="the provider is not served over TLS"):
        provider.set_door(Door.TLS_ABORT)
    assert provider.door is Door.OPEN


def test_the_limit_of_open_files_is_raised_and_shared_out() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("the system allows so few open files")
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1000, hard))
        share = room_for_connections(3)
        raised, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert 1000 < raised <= OPEN_FILES_MAX
    assert raised - 200 < 3 * share < raised
