"""One process of the gateway between hostile clients and hostile providers; what came of it, counted.

An input is a seed and a number, so each can be made again by itself. The client's inputs are broken requests, the
provider's are sound requests whose provider breaks its answers. Whatever happens, a request ends within `SECONDS_MAX`,
in no error that is the gateway's own, and nothing stays behind.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import httpx2
import msgspec
import trio

from tests.fuzz.corpus import ANSWERS, REQUESTS, STREAMS
from tests.fuzz.mutation import mutated, pieces
from tests.fuzz.subject import Held
from tests.reference_server.edge import MODELS, asked

SUBJECT: Final = Path(__file__).with_name("subject.py")
WORKERS: Final = 64
SECONDS_MAX: Final = 10.0  #: of one input; the gateway's own deadlines come to three
CALM: Final = 2.0  #: seconds after which nothing of a finished request is left; connections to providers last longer
IDLE: Final = 6.0  #: seconds after which connections to providers are old
WARM_UP: Final = 300  # inputs before anything is measured: pools, caches and the allocator fill first
RESIDENT_KIB_MAX: Final = 48 * 1024  # growth beyond the warm-up: several bodies of the largest size
_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_NUMBER: Final = re.compile(rb'"user":"(\d+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An input under which something happened that must not."""

    kind: str
    what: str
    sent: bytes

    def __str__(self) -> str:
        return f"{self.kind}: {self.what[:300]} ... {self.what[-700:]}: {self.sent[:500]!r}"


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a campaign came to."""

    ends: Counter[str] = field(default_factory=Counter[str])
    findings: list[Finding] = field(default_factory=list[Finding])
    before: Held = field(default_factory=lambda: Held(tasks=0, descriptors=0, resident_kib=0))
    after: Held = field(default_factory=lambda: Held(tasks=0, descriptors=0, resident_kib=0))

    def left_behind(self) -> list[str]:
        """Return what is held after the last input that was not held before the first."""
        grown = {
            "tasks": (self.after.tasks - self.before.tasks, 0),
            "descriptors": (self.after.descriptors - self.before.descriptors, 0),
            "KiB": (self.after.resident_kib - self.before.resident_kib, RESIDENT_KIB_MAX),
        }
        return [f"{count} {name} more than before" for name, (count, most) in grown.items() if count > most]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The running gateway."""

    port: int
    process: trio.Process
    log: Path

    async def held(self) -> Held:
        """Ask it what it holds."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        with trio.fail_after(SECONDS_MAX):
            await stdin.send_all(b"?\n")
            return msgspec.json.decode(await _line(stdout), type=Held)

    def faults(self) -> list[str]:
        """Return what it logged as errors."""
        return [line for line in self.log.read_text().splitlines() if '"level":"error"' in line]


@asynccontextmanager
async def running(provider: int, log: Path) -> AsyncGenerator[Subject]:
    """Run the gateway in front of the port *provider* for the length of the block; its log goes to *log*."""
    command = [sys.executable, str(SUBJECT), str(provider)]
    with log.open("wb") as stderr:
        process = await trio.lowlevel.open_process(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
        )
    assert process.stdout is not None
    try:
        with trio.fail_after(30.0):
            url = await _line(process.stdout)
        yield Subject(port=httpx2.URL(url.decode()).port or 0, process=process, log=log)
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def _line(stream: trio.abc.ReceiveStream) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        line += await stream.receive_some(1)
    return bytes(line[:-1])


@dataclass(frozen=True, slots=True)
class HostileProvider:
    """Answers request *user* with the mutation of that number, or well where a request has none."""

    seed: int

    async def handle(self, stream: trio.SocketStream) -> None:
        try:
            async for request in stream:
                number = _NUMBER.search(request)
                answers = STREAMS if b'"stream":true' in request else ANSWERS
                if number is None:
                    await stream.send_all(answers[0])
                    continue
                rng = Random(f"{self.seed}/provider/{number[1].decode()}")
                for piece in pieces(rng, mutated(rng, rng.choice(answers))):
                    await stream.send_all(piece)
                if rng.random() < 0.7:  # else it stays, and the gateway has to give up
                    return
        except trio.BrokenResourceError:
            pass


async def client_input(port: int, seed: int, number: int, outcome: Outcome) -> None:
    """Send one broken request and wait for the first answer, or the end."""
    rng = Random(f"{seed}/client/{number}")
    sent = mutated(rng, rng.choice(REQUESTS))
    outcome.ends[await _exchanged(port, pieces(rng, sent), sent, outcome)] += 1


async def provider_input(port: int, seed: int, number: int, outcome: Outcome) -> None:
    """Send a sound request whose provider answers brokenly."""
    rng = Random(f"{seed}/asking/{number}")
    fields = rng.choice((b"", b"X-Inferoute-Fallback: alpha/gpt-4o\r\n")) + b"Connection: close\r\n"
    sent = asked(user=str(number), stream=rng.random() < 0.5, fields=fields)
    outcome.ends[await _exchanged(port, [sent], sent, outcome, to_the_end=True)] += 1


async def _exchanged(
    port: int, data: Sequence[bytes], sent: bytes, outcome: Outcome, *, to_the_end: bool = False
) -> str:
    received = bytearray()
    with trio.move_on_after(SECONDS_MAX) as patience:
        try:
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                for piece in data:
                    await stream.send_all(piece)
                async for piece in stream:
                    received += piece
                    if not to_the_end and _STATUS.search(received) and b"\r\n\r\n" in received:
                        break
        except trio.BrokenResourceError:
            pass
    statuses = [int(each) for each in _STATUS.findall(bytes(received))]
    status = next((each for each in statuses if each >= 200), None)
    if patience.cancelled_caught:
        outcome.findings.append(Finding(kind="hang", what=f"after {bytes(received[:200])!r}", sent=sent))
    flaw = _flaw(status, bytes(received)) if to_the_end else "a fault of our own" if status == 500 else None
    if flaw is not None:
        outcome.findings.append(Finding(kind="answer", what=f"{flaw}: {bytes(received[:600])!r}", sent=sent))
    return str(status or "closed")


def _flaw(status: int | None, received: bytes) -> str | None:
    """Return what is wrong with all that a client got that sent a sound request."""
    head, _, body = received.partition(b"\r\n\r\n")
    head = head.lower()
    flaws = {
        "no answer": status is None,
        "a fault of our own": status == 500,
        "a header of the provider's making": b"x-injected" in head or b"set-cookie" in head or b"location" in head,
        "a secret": b"sk-" in received or b"127.0.0.1" in received,
        "a stream without an end": b"event-stream" in head and not (b"[DONE]" in body or b'"error"' in body),
        "an error without its envelope": (status or 0) >= 400 and b'"error"' not in body,
    }
    return next((flaw for flaw, is_so in flaws.items() if is_so), None)


async def run_campaign(*, seed: int, clients: int, providers: int, log: Path) -> Outcome:
    """Run so many inputs of either kind against a gateway of its own."""
    outcome = Outcome()
    async with trio.open_nursery() as nursery:
        provider = HostileProvider(seed)
        listeners: list[trio.SocketListener] = await nursery.start(_served, provider)
        async with running(listeners[0].socket.getsockname()[1], log) as subject:
            warm = Outcome()
            await _spread(WARM_UP, lambda number: client_input(subject.port, -1, number, warm))
            await _spread(WARM_UP, lambda number: provider_input(subject.port, -1, 10**9 + number, warm))
            outcome.findings += warm.findings
            outcome.before = await _calm(subject)
            await _spread(clients, lambda number: client_input(subject.port, seed, number, outcome))
            await _spread(providers, lambda number: provider_input(subject.port, seed, number, outcome))
            outcome.after = await _calm(subject)
            outcome.findings += [Finding(kind="log", what=line, sent=b"") for line in subject.faults()]
        nursery.cancel_scope.cancel()
    outcome.findings += [Finding(kind="leak", what=each, sent=b"") for each in outcome.left_behind()]
    return outcome


async def _served(provider: HostileProvider, *, task_status: trio.TaskStatus[list[trio.SocketListener]]) -> None:
    await trio.serve_tcp(provider.handle, 0, host="127.0.0.1", task_status=task_status)


async def _calm(subject: Subject) -> Held:
    """Return what the gateway holds when nothing has been asked for a while, and it still answers."""
    await trio.sleep(IDLE)
    for request in (MODELS, asked()):  # asking a provider also lets go of connections that have grown old
        outcome = Outcome()
        assert await _exchanged(subject.port, [request], request, outcome) == "200", outcome.findings
    await trio.sleep(CALM)
    return await subject.held()


async def _spread(count: int, run: Callable[[int], Awaitable[None]]) -> None:
    """Run the inputs 0 to *count*, `WORKERS` at a time."""
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            await run(number)

    async with trio.open_nursery() as nursery:
        for _ in range(WORKERS):
            nursery.start_soon(work)
