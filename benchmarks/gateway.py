"""What the reference gateway costs, beside the least that its libraries can do, and beside LiteLLM's proxy.

    python benchmarks/gateway.py [SECONDS]

The bare relay is Quart-Trio, hypercorn and httpx2 with nothing else: it reads a request, hands it on, and hands the
bytes of its answer back; it checks nothing, promises nothing and logs nothing. The floor is hypercorn alone, which
answers at once. Every one is a process on one core; the fake providers behind them and the load in front share the
other. All are measured in turns, five rounds of them, and medians are shown. CPU time is that of the process (proc(5));
on a machine that has other work, trust the ratios of one run alone, and those of CPU time more than those of rates.

1. Whole answers: 16 connections that ask again when they are answered.
2. 32 streams of 50 chunks that come at once.
3. 40 streams of 50 chunks at 20 a second, so slow that every chunk comes, and goes, alone: what one chunk costs.
4. 1,000 streams so slow that they are open together: the memory that ours hold (resident set size).

LiteLLM is measured where `LITELLM` names its command (`make peers` installs it).
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateways import CLIENT_KEY, MODELS, TOKENS, Subject, gateways, serve_floor, serve_providers
from load import chat_requests, load, one_answer
from provider_streams import resident, stream_together
from providers import cpu_seconds, served

ROUNDS = 5
CHUNKS = TOKENS + 2
SLOW_STREAMS = 1000
REFERENCE = "reference"
PEER = "LiteLLM"


@dataclass(frozen=True)
class Kind:
    """One kind of load."""

    title: str
    provider: str
    unit: str
    streams: int = 0  # that are asked for together; none: whole answers, as many as come
    units: int = 1  # in one answer


WHOLE = Kind("whole answers", "fast", "answer")
AT_ONCE = Kind(f"streams of {CHUNKS} chunks that come at once", "fast", "stream", streams=32)
ONE_BY_ONE = Kind(f"streams of {CHUNKS} chunks that come one by one", "paced", "chunk", streams=40, units=CHUNKS)


def on_core(pid: int, number: int) -> None:
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(pid, {cores[number % len(cores)]})


def ask(kind: Kind, port: int, seconds: float) -> int:
    """Ask for answers of that *kind*; return how many of its units came."""
    model = MODELS[kind.provider]
    if kind.streams:
        stream_together(port, kind.streams, key=CLIENT_KEY, model=model)
        return kind.streams * kind.units
    answered, _ = load(port, chat_requests(CLIENT_KEY, model=model), seconds)
    return answered


def measure(kind: Kind, subject: Subject, seconds: float) -> tuple[float, float]:
    """Return the units a second, and the microseconds of CPU time that each took."""
    pid, port = subject
    before, began = cpu_seconds(pid), time.perf_counter()
    units = ask(kind, port, seconds)
    return units / (time.perf_counter() - began), (cpu_seconds(pid) - before) / max(units, 1) * 1e6


def compare(kind: Kind, subjects: dict[str, Subject], seconds: float) -> None:
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in subjects}
    for _ in range(ROUNDS):
        for name, subject in subjects.items():
            found[name].append(measure(kind, subject, seconds))
    rates = {name: statistics.median(rate for rate, _ in each) for name, each in found.items()}
    costs = {name: statistics.median(cost for _, cost in each) for name, each in found.items()}
    print(kind.title)
    for name in found:
        ratio = f"; {REFERENCE} / {name}: {costs[REFERENCE] / costs[name]:.2f} by CPU time"
        if kind is not ONE_BY_ONE:  # whose rate is the providers'
            ratio += f", {rates[REFERENCE] / rates[name]:.2f} by rate"
        told = "" if name == REFERENCE else ratio
        print(f"  {name}: {costs[name]:,.0f} µs of CPU time for one {kind.unit}, {rates[name]:,.0f} a second{told}")


def check(subjects: dict[str, Subject]) -> None:
    """Ask each for one of everything: that it answers well, and so that no first time is measured."""
    for name, (_, port) in subjects.items():
        for provider, stream in (("fast", False), ("fast", True), ("paced", True)):
            answer = one_answer(port, next(chat_requests(CLIENT_KEY, stream=stream, model=MODELS[provider])))
            if not answer.startswith(b"HTTP/1.1 200 ") or stream != (answer.count(b"data: ") > TOKENS):
                raise RuntimeError(f"{name} does not answer as it should: {answer[:500]!r}")


def show_memory(subjects: dict[str, Subject]) -> None:
    print(f"{SLOW_STREAMS} slow streams")
    for name, (pid, port) in subjects.items():
        before = resident(pid)
        seen: list[tuple[int, float]] = []

        def watch(is_open: int, pid: int = pid, seen: list[tuple[int, float]] = seen) -> None:
            seen.append((is_open, resident(pid)))

        stream_together(port, SLOW_STREAMS, key=CLIENT_KEY, model=MODELS["slow"], watch=watch)
        together, most = max(count for count, _ in seen), max(held for _, held in seen)
        print(f"  {name}: {most:,.0f} MB at most, {before:,.0f} MB before; {together:,} were open together")


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    command = os.environ.get("LITELLM")
    started = time.perf_counter()
    with served(serve_providers) as (provider, urls), gateways(urls, Path(command) if command else None) as subjects:
        for pid, number in ((provider, 1), (0, 1), *((pid, 0) for pid, _ in subjects.values())):
            on_core(pid, number)
        check(subjects)
        answer = one_answer(subjects[REFERENCE][1], next(chat_requests(CLIENT_KEY))).partition(b"\r\n\r\n")[2]
        with served(partial(serve_floor, answer)) as floor:
            on_core(floor[0], 0)
            compare(WHOLE, {**subjects, "floor": floor}, seconds)
        compare(AT_ONCE, subjects, seconds)
        compare(ONE_BY_ONE, subjects, seconds)
        show_memory({name: subject for name, subject in subjects.items() if name != PEER})  # its would take minutes
    print(f"took {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
