"""How fast a fake provider answers, beside the least that trio and httptools can do. Takes about ten seconds.

    python benchmarks/providers.py

One process serves on one core, this one asks over 16 kept-alive connections. The floor is a loop that parses a request
and sends bytes prepared beforehand: the ratio says what scripts, behaviours, texts and the journal cost.
"""

from __future__ import annotations

import multiprocessing
import socket
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection

import httptools
import msgspec
import trio

from routeproof_simulator import FleetConfig, ProviderConfig, RunningFleet, serve_fleet

CONNECTIONS = 16
SECONDS = 2.0
KEY = "sk-bench"
TOKENS = 48  # with the role and the finish: 50 chunks of content a stream

BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "How fast are you?"}]}


def asked(**more: object) -> bytes:
    data = msgspec.json.encode({**BODY, **more})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data


def serve_provider(tell: Connection) -> None:
    config = FleetConfig(providers=(ProviderConfig(name="alpha", key=KEY, tokens=TOKENS),))

    class Ready:
        def started(self, value: RunningFleet | None = None) -> None:
            assert value is not None
            tell.send(int(value.base_urls["alpha"].removesuffix("/v1").rpartition(":")[2]))

    trio.run(partial(serve_fleet, config, task_status=Ready()))


def serve_floor(answer: bytes, tell: Connection) -> None:
    class Protocol:
        def __init__(self) -> None:
            self.complete = 0

        def on_message_complete(self) -> None:
            self.complete += 1

    async def handle(stream: trio.SocketStream) -> None:
        protocol = Protocol()
        parser = httptools.HttpRequestParser(protocol)
        while data := await stream.receive_some(65536):
            parser.feed_data(data)
            if protocol.complete:
                await stream.send_all(answer * protocol.complete)
                protocol.complete = 0

    async def main() -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        tell.send(listeners[0].socket.getsockname()[1])
        await trio.serve_listeners(handle, listeners)

    trio.run(main)


def one_answer(port: int, request: bytes) -> bytes:
    """Return one answer, all of it: nothing more comes within a moment."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request)
        connection.settimeout(0.5)
        answer = b""
        try:
            while True:
                answer += connection.recv(1 << 20)
        except TimeoutError:
            return answer


async def rate(port: int, request: bytes, size: int) -> float:
    """Return the answers a second; every answer is *size* bytes long."""
    answered = 0

    async def ask() -> None:
        nonlocal answered
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        while True:
            await stream.send_all(request)
            left = size
            while left:
                left -= len(await stream.receive_some(left))
            answered += 1

    started = time.perf_counter()
    with trio.move_on_after(SECONDS):
        async with trio.open_nursery() as nursery:
            for _ in range(CONNECTIONS):
                nursery.start_soon(ask)
    return answered / (time.perf_counter() - started)


def measured(serve: Callable[[Connection], None], request: bytes) -> tuple[float, bytes]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there,), daemon=True)
    process.start()
    try:
        port: int = here.recv()
        answer = one_answer(port, request)
        return trio.run(rate, port, request, len(answer)), answer
    finally:
        process.terminate()
        process.join()


def main() -> None:
    for name, request in (("whole answers", asked()), (f"streams of {TOKENS + 2} chunks", asked(stream=True))):
        provider, answer = measured(serve_provider, request)
        floor, _ = measured(partial(serve_floor, answer), request)
        print(f"{name}: {provider:,.0f} a second; floor {floor:,.0f}; ratio {provider / floor:.2f}")


if __name__ == "__main__":
    main()
