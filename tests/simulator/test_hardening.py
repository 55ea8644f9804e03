"""Whatever comes over real sockets, the fleet serves on: it says no, journals what it saw, and holds little of it."""

from __future__ import annotations

import logging
import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from routeproof_simulator import FleetThread
from routeproof_simulator.behaviours import oversized_body
from routeproof_simulator.wire.refusals import BODY_BYTES_MAX
from routeproof_spec.history import Attempt, Ended
from tests.simulator.asking import FLEET, chat, raw
from tests.simulator.malformed import CHUNKED, MALFORMED, SMUGGLED, SMUGGLING, head


@pytest.fixture(scope="module")
def running() -> Iterator[FleetThread]:
    with FleetThread(FLEET) as fleet:
        yield fleet


@pytest.fixture
def fleet(running: FleetThread) -> FleetThread:
    running.heal()
    return running


def dial(fleet: FleetThread, *, receive_bytes: int | None = None) -> socket.socket:
    sock = socket.socket()
    if receive_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    sock.settimeout(5.0)
    sock.connect(address_of(fleet))
    return sock


def address_of(fleet: FleetThread) -> tuple[str, int]:
    host, _, port = fleet.base_urls["alpha"].removeprefix("http://").removesuffix("/v1").partition(":")
    return host, int(port)


def read_to_end(sock: socket.socket) -> bytes:
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


def asked(fleet: FleetThread, *pieces: bytes) -> tuple[bytes, tuple[Attempt, ...]]:
    """Send *pieces* on a connection; return what comes back until its end, and what the journal has of it."""
    seen = len(fleet.attempts())
    with dial(fleet) as sock:
        for piece in pieces:
            sock.sendall(piece)
        back = read_to_end(sock)
    return back, fleet.attempts()[seen:]


def is_served(fleet: FleetThread) -> bool:
    back, _ = asked(fleet, raw(chat(), headers={"connection": "close"}))
    return back.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("name", [*MALFORMED, *SMUGGLING])
def test_what_is_malformed_is_answered_400_and_journalled_as_broken(fleet: FleetThread, name: str) -> None:
    sent = (MALFORMED | SMUGGLING)[name]
    back, (attempt,) = asked(fleet, sent + SMUGGLED)
    assert back.startswith(b"HTTP/1.1 400 ")
    assert (back.count(b"HTTP/1.1 400 "), back.count(b"HTTP/1.1 200 ")) == (1, 0)
    assert b"connection: close\r\n" in back
    assert (attempt.status, attempt.ended) == (400, Ended.BROKEN)
    assert is_served(fleet)


def test_a_header_of_a_megabyte_is_answered_431(fleet: FleetThread) -> None:
    back, (attempt,) = asked(fleet, b"GET / HTTP/1.1\r\nhost: a\r\nx: ", b"y" * 2**20, b"\r\n\r\n")
    assert back.startswith(b"HTTP/1.1 431 ")
    assert (attempt.status, attempt.ended) == (431, Ended.BROKEN)


def test_a_body_past_the_limit_is_answered_413_announced_or_not(fleet: FleetThread) -> None:
    announced = head("POST / HTTP/1.1", f"content-length: {BODY_BYTES_MAX + 1}")
    for sent in (announced, CHUNKED + b"%x\r\n" % (BODY_BYTES_MAX + 1)):
        back, (attempt,) = asked(fleet, sent, bytes(BODY_BYTES_MAX + 1))
        assert back.startswith(b"HTTP/1.1 413 ")
        assert (attempt.status, attempt.ended) == (413, Ended.BROKEN)


def test_a_hundred_pipelined_requests_are_answered_in_order(fleet: FleetThread) -> None:
    ordinary = [raw(chat(user=f"user {index}")) for index in range(99)]
    back, attempts = asked(fleet, b"".join((*ordinary, raw(chat(user="last"), headers={"connection": "close"}))))
    assert back.count(b"HTTP/1.1 200 OK\r\n") == 100
    assert [b'"user 7"' in each.request_body for each in attempts].index(True) == 7
    assert [each.index for each in attempts] == list(range(attempts[0].index, attempts[0].index + 100))
    assert len({each.connection for each in attempts}) == 1


def test_a_client_of_http_1_0_keeps_its_connection_where_it_asks_to(fleet: FleetThread) -> None:
    old = raw(chat()).replace(b"HTTP/1.1", b"HTTP/1.0")
    back, attempts = asked(fleet, old)
    assert (back.startswith(b"HTTP/1.1 200 "), b"connection: close\r\n" in back, len(attempts)) == (True, True, 1)
    keeping = raw(chat(), headers={"connection": "keep-alive"}).replace(b"HTTP/1.1", b"HTTP/1.0")
    back, attempts = asked(fleet, keeping, keeping, old)
    assert (back.count(b"HTTP/1.1 200 "), back.count(b"connection: keep-alive\r\n"), len(attempts)) == (3, 2, 3)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def sent_until_stuck(sock: socket.socket, data: bytes) -> int:
    """Send *data* again and again until nobody takes any for as long as the socket's timeout; return how much went."""
    sent = 0
    try:
        while sent < 2**26:
            sent += sock.send(data)
    except TimeoutError:
        pass
    return sent


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the memory of a process as Linux tells it")
def test_a_peer_that_never_reads_is_sent_no_more_than_the_system_holds(fleet: FleetThread) -> None:
    fleet.set_behaviour("alpha", oversized_body(2**24))
    with dial(fleet, receive_bytes=4096) as sock:
        sock.settimeout(0.25)
        before = resident_bytes()
        assert sent_until_stuck(sock, raw(chat()) * 100) < 2**25, "the fleet reads what it cannot answer"
        assert resident_bytes() - before < 2**27
    fleet.heal()
    assert is_served(fleet)


def descriptors() -> list[int]:
    return [int(each.name) for each in Path("/dev/fd").iterdir()]


def test_too_many_open_files_end_nothing(fleet: FleetThread, caplog: pytest.LogCaptureFixture) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert is_served(fleet)
    with socket.socket() as client, ExitStack() as stack:
        client.settimeout(5.0)
        try:
            with caplog.at_level(logging.ERROR, "trio.serve_listeners"):
                resource.setrlimit(resource.RLIMIT_NOFILE, (max(descriptors()) + 10, limits[1]))
                with suppress(OSError):
                    while True:
                        stack.callback(os.close, os.dup(client.fileno()))
                client.connect(address_of(fleet))
                end = time.monotonic() + 5.0
                while "EMFILE" not in caplog.text:
                    assert time.monotonic() < end, "the connection could be accepted"
                    time.sleep(0.01)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        client.sendall(raw(chat(), headers={"connection": "close"}))
        assert read_to_end(client).startswith(b"HTTP/1.1 200 "), "it is accepted once there is room"


def test_a_length_of_thousands_of_digits_is_refused_and_ends_nothing(fleet: FleetThread) -> None:
    back, (attempt,) = asked(fleet, head("POST / HTTP/1.1", f"content-length: {'0' * 5000}5") + b"hello")
    assert back.startswith(b"HTTP/1.1 413 ")
    assert attempt.ended is Ended.BROKEN
    assert is_served(fleet)
