"""A load of HTTP/1.1 requests over kept-alive connections, from one process that costs less than what it measures."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

CONNECTIONS = 16
RECEIVE_BYTES = 1 << 20


def chat_requests(
    key: str, *, path: str = "/v1/chat/completions", stream: bool = False, model: str = "gpt-4o"
) -> Iterator[bytes]:
    """Yield requests without end; no two have the same body, as no two of an application have."""
    asked = b', "stream": true' if stream else b""
    for number in count():
        body = b'{"model": "%b", "messages": [{"role": "user", "content": "How fast are you? %08d"}]%b}'
        data = body % (model.encode(), number, asked)
        head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
        yield f"{head}content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data


@dataclass
class Connection:
    """One connection, and what has come of the answer that it waits for."""

    socket: socket.socket
    received: bytes = b""

    def is_complete(self) -> bool:
        """Whether the answer is here as a whole, by its length or by its last chunk."""
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return False
        _, announced, rest = head.lower().partition(b"content-length: ")
        if announced:
            return len(body) >= int(rest.partition(b"\r\n")[0])
        return body.endswith(b"\r\n0\r\n\r\n")


def load(port: int, requests: Iterator[bytes], seconds: float, *, connections: int = CONNECTIONS) -> tuple[int, float]:
    """Return how many answers came, and in how many seconds; each connection asks again once it is answered."""
    poll = select.epoll()
    asking = [Connection(socket.create_connection(("127.0.0.1", port))) for _ in range(connections)]
    by_number = {each.socket.fileno(): each for each in asking}
    for number, each in by_number.items():
        each.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(number, select.EPOLLIN)
        each.socket.sendall(next(requests))
    answered = 0
    started = time.perf_counter()
    until = started + seconds
    while time.perf_counter() < until:
        # Never asleep: to wake a client costs a server as much as all else that it does for a request.
        for number, _ in poll.poll(0):
            each = by_number[number]
            data = each.socket.recv(RECEIVE_BYTES)
            if not data:
                raise ConnectionError(f"the server closed a connection after {answered} answers")
            each.received += data
            if each.is_complete():
                if not each.received.startswith(b"HTTP/1.1 200 "):
                    raise ConnectionError(f"an answer that is none: {each.received[:200]!r}")
                answered += 1
                each.received = b""
                each.socket.sendall(next(requests))
    took = time.perf_counter() - started
    poll.close()
    for each in asking:
        each.socket.close()
    return answered, took


def one_answer(port: int, request: bytes) -> bytes:
    """Return one answer, all of it."""
    asked = Connection(socket.create_connection(("127.0.0.1", port)))
    with asked.socket:
        asked.socket.sendall(request)
        while not asked.is_complete():
            data = asked.socket.recv(RECEIVE_BYTES)
            if not data:
                raise ConnectionError(f"an answer that does not end: {asked.received[:200]!r}")
            asked.received += data
    return asked.received
