"""How punctual a fake provider is under many paced streams, how much memory it holds, and how soon it starts.

    python benchmarks/provider_streams.py [STREAMS]

One process serves on one core. Another asks it for 200,000 whole answers and 10,000 streams, while the memory that it
holds is read (resident set size, proc(5)). Then it asks for 1,000 streams, 400 a second, each paced at 5 tokens a
second so that all run together, and the provider's own journal says how late each frame left, against the moment at
which it was due.
"""

from __future__ import annotations

import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import trio
from load import chat_requests, load
from providers import KEY, served

from routeproof_simulator import FleetClient, FleetConfig, ProviderConfig, RunningFleet, serving_fleet
from routeproof_simulator.collector import collect_seldom

STREAMS = 1000
TOKENS = 48
PACE = 5.0  # tokens a second
STARTS = 400.0  # streams a second, until all run
WHOLE = 200_000
STREAMED = 10_000
STEP = 2.0  #: seconds of load between two looks at the memory


def serve_fleet(tell: Connection) -> None:
    async def main() -> None:
        alike = FleetConfig(
            providers=(
                ProviderConfig(name="paced", key=KEY, tokens=TOKENS, behaviour=[{"pace": {"tokens_per_second": PACE}}]),
                ProviderConfig(name="fast", key=KEY, tokens=TOKENS),
            )
        )
        async with serving_fleet(alike) as fleet:
            collect_seldom()  # as `routeproof providers` does
            tell.send((port_of(fleet, "paced"), port_of(fleet, "fast"), fleet.control_url))
            await trio.sleep_forever()

    trio.run(main)


def port_of(fleet: RunningFleet, name: str) -> int:
    return int(fleet.base_urls[name].removesuffix("/v1").rpartition(":")[2])


def stream_together(
    port: int, count: int, *, key: str = KEY, model: str = "gpt-4o", watch: Callable[[int], object] = lambda _: None
) -> None:
    """Ask for *count* streams, all of which run together once the last is asked for, and read them to their ends.

    *watch* is told once a second how many have begun and not ended.
    """
    requests = chat_requests(key, stream=True, model=model)
    looked = 0.0
    poll = select.epoll()
    open_ones: dict[int, tuple[socket.socket, bytes]] = {}
    began = time.perf_counter()
    asked = 0
    while asked < count or open_ones:
        if asked < count and time.perf_counter() - began >= asked / STARTS:
            asking = socket.create_connection(("127.0.0.1", port))
            open_ones[asking.fileno()] = (asking, b"")
            poll.register(asking.fileno(), select.EPOLLIN)
            asking.sendall(next(requests))
            asked += 1
        if time.perf_counter() - looked >= 1.0:
            looked = time.perf_counter()
            watch(sum(tail != b"" for _, tail in open_ones.values()))
        for number, _ in poll.poll(0):
            asking, tail = open_ones[number]
            tail = (tail + asking.recv(1 << 16))[-5:]
            open_ones[number] = (asking, tail)
            if tail == b"0\r\n\r\n":
                poll.unregister(number)
                asking.close()
                del open_ones[number]


def lateness(control_url: str) -> list[float]:
    """Return by how many seconds each frame of content left later than it was due, in ascending order."""

    async def attempts() -> list[float]:
        late: list[float] = []
        async with FleetClient(control_url) as client:
            for attempt in await client.attempts():
                if attempt.provider != "paced":
                    continue
                at = [frame.at for frame in attempt.frames if b'"delta":{"content"' in frame.data]
                late += [at[index] - at[0] - index / PACE for index in range(1, len(at))]
        return sorted(late)

    return trio.run(attempts)


def resident(pid: int) -> float:
    """Return the memory that a process holds, in megabytes."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) / 1024


def start_seconds() -> float:
    """Return how long a fleet takes from its configuration to open ports, the imports not counted."""
    code = (
        "import time, trio; from routeproof_simulator import load_fleet, serving_fleet\n"
        "async def main():\n"
        "    began = time.perf_counter()\n"
        "    async with serving_fleet(load_fleet()):\n"
        "        print(time.perf_counter() - began)\n"
        "import routeproof_simulator.fleet; trio.run(main)\n"
    )
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def main() -> None:
    streams = int(sys.argv[1]) if len(sys.argv) > 1 else STREAMS
    print(f"start: {sorted(start_seconds() for _ in range(5))[2]:.3f} s after import")
    with served(serve_fleet) as (pid, (paced, fast, control_url)):
        measured = [resident(pid)]
        print(f"memory at the start: {measured[0]:.0f} MB")
        for wanted, is_stream in ((WHOLE, False), (STREAMED, True)):
            answered = 0
            while answered < wanted:
                answered += load(fast, chat_requests(KEY, stream=is_stream), STEP)[0]
                measured.append(resident(pid))
            print(f"memory after {answered:,} {'streams' if is_stream else 'whole answers'}: {measured[-1]:.0f} MB")
        print(f"memory at most: {max(measured):.0f} MB")
        stream_together(paced, streams)
        late = lateness(control_url)
        p50, p99 = late[len(late) // 2], late[len(late) * 99 // 100]
        print(f"{streams} streams at {PACE:g} tokens a second: frames late by {p50 * 1e3:.1f} ms (median), ", end="")
        print(f"{p99 * 1e3:.1f} ms (p99), {late[-1] * 1e3:.1f} ms (worst) of {len(late):,}")


if __name__ == "__main__":
    main()
