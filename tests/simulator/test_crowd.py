"""Many connections that ask for nothing, on real sockets: the others are served."""

from __future__ import annotations

import resource
import socket
from contextlib import ExitStack

import httpx2
import pytest
import trio

from routeproof_simulator import serving_fleet
from routeproof_simulator.wire.door import CONNECTIONS_MAX
from routeproof_simulator.wire.sockets import BACKLOG
from tests.simulator.asking import FLEET, KEY, chat

HALF_OPEN = 5000
BEGINNINGS = (b"", b"P", b"POST /v1/chat/completions HTTP/1.1\r\nhost: alpha\r\nx", b"GET / HTTP/1.1\r\nhost: a\r\n\r")

pytestmark = pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_NOFILE)[1] < HALF_OPEN + CONNECTIONS_MAX + 1000,
    reason="needs more open files than the system allows",
)


def test_thousands_of_half_open_connections_leave_the_others_served() -> None:
    """More than a provider has room for: the longest there are closed, and nobody who has asked for anything is."""
    assert HALF_OPEN > CONNECTIONS_MAX

    async def main() -> None:
        with ExitStack() as stack:
            async with serving_fleet(FLEET) as fleet, client() as regular:
                url = fleet.base_urls["alpha"] + "/chat/completions"
                assert (await regular.post(url, json=chat())).status_code == 200
                crowd: list[socket.socket] = []
                while len(crowd) < HALF_OPEN:
                    # As many at once as a listener lets wait, and no threads: they would wait for each other.
                    for index in range(BACKLOG // 2):
                        crowd.append(stack.enter_context(socket.create_connection(("127.0.0.1", port_of(url)))))
                        crowd[-1].sendall(BEGINNINGS[index % len(BEGINNINGS)])
                    assert (await regular.post(url, json=chat())).status_code == 200
                    async with client() as newcomer:
                        assert (await newcomer.post(url, json=chat())).status_code == 200
                connections = [each.connection for each in fleet.journal.attempts]
                assert connections.count(connections[0]) == len(connections) // 2 + 1, "the regular had to come again"
                for sock in (crowd[0], crowd[-1]):
                    sock.setblocking(False)
                assert crowd[0].recv(1) == b"", "the one that waited longest makes room"
                with pytest.raises(BlockingIOError):
                    crowd[-1].recv(1)

    trio.run(main)


def client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(headers={"authorization": f"Bearer {KEY}"}, trust_env=False, verify=False, timeout=5.0)


def port_of(url: str) -> int:
    return httpx2.URL(url).port or 0
