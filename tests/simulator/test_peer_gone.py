"""`peer_gone_at` is true: a client that leaves a real socket is felt within 50 ms, whatever it was waiting for."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

import pytest

from routeproof_simulator import FleetThread
from routeproof_simulator.behaviours import answer, latency, pace, stall
from routeproof_spec.history import Ended
from tests.simulator.asking import FLEET, chat, raw

FELT_WITHIN: Final = 0.05  #: seconds

WAITS: Final = {
    "before the head": (latency(60.0), 0),
    "between the frames of a paced stream": (pace(20), 2000),
    "while the stream is stalled": (stall(2), 1),
}


@pytest.fixture(scope="module")
def fleet() -> Iterator[FleetThread]:
    with FleetThread(FLEET) as running:
        yield running


def connect(fleet: FleetThread) -> socket.socket:
    place = urlsplit(fleet.base_urls["alpha"])
    assert place.port is not None
    return socket.create_connection(("127.0.0.1", place.port), timeout=5.0)


def close(client: socket.socket) -> None:
    client.close()


def shut(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_RDWR)


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@pytest.mark.parametrize("leave", [close, shut, reset], ids=lambda each: each.__name__)
@pytest.mark.parametrize("wait", WAITS)
def test_a_client_that_leaves_is_felt_at_once(
    fleet: FleetThread, wait: str, leave: Callable[[socket.socket], None]
) -> None:
    behaviour, bytes_min = WAITS[wait]
    fleet.clear()
    fleet.set_behaviour("alpha", behaviour)
    with connect(fleet) as client:
        client.sendall(raw(chat(stream=True)))
        received = 0
        while received < bytes_min:
            received += len(client.recv(4096))
        while not fleet.attempts():  # the request is on its way
            time.sleep(0.001)
        select.select([client], [], [], 0.02)  # the provider is in the midst of waiting
        leaves_at = time.monotonic()
        leave(client)
        left_at = time.monotonic()
        (attempt,) = fleet.wait_idle(within=2.0)
    assert attempt.ended is Ended.LEFT
    assert attempt.peer_gone_at is not None
    assert leaves_at <= attempt.peer_gone_at <= left_at + FELT_WITHIN
    assert fleet.attempts().cancelled_within(FELT_WITHIN, since=left_at)


def test_a_client_that_leaves_while_much_is_unread_is_felt_at_once(fleet: FleetThread) -> None:
    """The answer is longer than what the sockets hold: the provider is blocked in sending it."""
    fleet.clear()
    fleet.set_behaviour("alpha", answer("x" * 2**20))
    with connect(fleet) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(16):
            client.sendall(raw(chat()))
        while not any(each.status == 200 for each in fleet.attempts()):
            time.sleep(0.001)
        time.sleep(0.05)
        reset(client)
        left_at = time.monotonic()
        seen = fleet.wait_idle(within=2.0)
    assert seen[-1].ended is Ended.LEFT
    assert seen.cancelled().cancelled_within(FELT_WITHIN, since=left_at)
