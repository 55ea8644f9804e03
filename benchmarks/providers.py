"""How fast a fake provider answers, beside the least that trio and httptools can do, and beside its peers.

    python benchmarks/providers.py [SECONDS]

Every server runs alone on one core while another core asks it over 16 kept-alive connections, no two requests alike.
The floor is a loop of trio and httptools that parses a request and sends bytes of the same answer, prepared
beforehand. All are measured in turns, five rounds of them; medians are shown, and the CPU time that a server took for
an answer, which says the same on a machine that has other work. aimock is measured where `AIMOCK` names its folder
(`make peers` installs it).
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httptools
import trio
from load import chat_requests, load, one_answer

from routeproof_simulator import FleetConfig, ProviderConfig, RunningFleet, serve_fleet
from routeproof_simulator.collector import collect_seldom

ROUNDS = 5
KEY = "sk-bench"
TOKENS = 48  # with the role and the finish: 50 chunks of a stream
TICKS = os.sysconf("SC_CLK_TCK")


def serve_provider(tell: Connection) -> None:
    config = FleetConfig(providers=(ProviderConfig(name="alpha", key=KEY, tokens=TOKENS),))

    class Ready:
        def started(self, value: RunningFleet | None = None) -> None:
            assert value is not None
            collect_seldom()  # as `routeproof providers` does
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
        with suppress(trio.BrokenResourceError):  # the load ends in the middle of answers
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


@contextmanager
def served(serve: Callable[[Connection], None]) -> Generator[tuple[int, Any]]:
    """Yield the process id of a server in a process of its own, and what it tells first: its port."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    process.start()
    there.close()  # so that its end is felt here
    try:
        assert process.pid is not None
        yield process.pid, here.recv()
    finally:
        process.terminate()
        process.join()


@contextmanager
def aimock(folder: Path) -> Generator[tuple[int, int]]:
    """Yield the process id and the port of an aimock that answers as many tokens as ours."""
    with subprocess.Popen(
        ["node", str(Path(__file__).with_name("aimock.mjs")), str(folder), " amber" * TOKENS], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            process.terminate()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has taken (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(pid: int, port: int, *, stream: bool, seconds: float) -> tuple[float, float]:
    """Return the answers a second, and the microseconds of CPU time that each took."""
    before = cpu_seconds(pid)
    answered, took = load(port, chat_requests(KEY, stream=stream), seconds)
    return answered / took, (cpu_seconds(pid) - before) / answered * 1e6


def compare(*, stream: bool, seconds: float, peer: Path | None) -> None:
    with served(serve_provider) as ours:
        answer = one_answer(ours[1], next(chat_requests(KEY, stream=stream)))
        with served(partial(serve_floor, answer)) as floor:
            subjects = {"provider": ours, "floor": floor}
            if peer is not None:
                with aimock(peer) as other:
                    show(rounds({**subjects, "aimock": other}, stream=stream, seconds=seconds), stream=stream)
            else:
                show(rounds(subjects, stream=stream, seconds=seconds), stream=stream)


def rounds(
    subjects: dict[str, tuple[int, int]], *, stream: bool, seconds: float
) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in subjects}
    for _ in range(ROUNDS):
        for name, (pid, port) in subjects.items():
            found[name].append(measure(pid, port, stream=stream, seconds=seconds))
    return found


def show(found: dict[str, list[tuple[float, float]]], *, stream: bool) -> None:
    rates = {name: statistics.median(rate for rate, _ in each) for name, each in found.items()}
    costs = {name: statistics.median(cost for _, cost in each) for name, each in found.items()}
    print(f"streams of {TOKENS + 2} chunks" if stream else "whole answers")
    for name in found:
        ratio = f"{rates['provider'] / rates[name]:.2f} by rate, {costs[name] / costs['provider']:.2f} by CPU time"
        told = "" if name == "provider" else f"; provider / {name}: {ratio}"
        print(f"  {name}: {rates[name]:,.0f} a second, {costs[name]:.0f} µs of CPU time each{told}")


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    peer = os.environ.get("AIMOCK")
    started = time.perf_counter()
    for stream in (False, True):
        compare(stream=stream, seconds=seconds, peer=Path(peer) if peer else None)
    print(f"took {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
