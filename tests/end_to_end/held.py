"""What a gateway holds at a moment in which nobody asks it anything, and what it leaves behind at the end."""

from __future__ import annotations

import gc
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import trio

from routeproof_reference_server.asgi import Gateway
from routeproof_reference_server.limits.limiter import Limiter
from routeproof_reference_server.limits.month import Amount

OWN: Final = ("routeproof_reference_server", "quart", "hypercorn", "httpcore2", "h11")
#: What may be held more at the end than when all was warm: windows that have filled, a connection that idles. A leak of
#: one object, or of a hundred bytes, for each request is far beyond it.
OBJECTS_MORE: Final = 40
BYTES_MORE: Final = 48 * 1024
IDLE_MAX: Final = 6  # connections that wait to be used again
#: Tasks of the providers that begin with their first connection.
LAZY: Final = frozenset({"routeproof_simulator.wire.timers._Timers.run"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a gateway holds at a moment in which nobody asks it anything."""

    at: float
    in_flight: int
    reserved: Amount
    connections: dict[str, int]
    tasks: Counter[str]
    objects: Counter[str]
    memory: int  # bytes that its code, and that of its libraries, has taken and not given back


def _of_gateway(name: str) -> bool:
    return name.startswith(OWN)


def _of_file(name: str) -> bool:
    return any(f"/{package}/" in name for package in OWN)


def _tasks() -> Iterator[str]:
    root = trio.lowlevel.current_root_task()
    waiting = [] if root is None else [root]
    while waiting:
        task = waiting.pop()
        yield task.name
        waiting += [each for nursery in task.child_nurseries for each in nursery.child_tasks]


def held(gateway: Gateway, limiter: Limiter) -> Held:
    for _ in range(3):
        gc.collect()
    kinds = [(str(kind.__module__), kind.__qualname__) for kind in map(type, gc.get_objects())]
    by_file = tracemalloc.take_snapshot().statistics("filename")
    return Held(
        at=trio.current_time(),
        in_flight=gateway.router.observed.in_flight(),
        reserved=limiter.reserved,
        connections=gateway.dial.connections(),
        tasks=Counter(_tasks()),
        objects=Counter(f"{module}.{name}" for module, name in kinds if _of_gateway(module)),
        memory=sum(each.size for each in by_file if _of_file(each.traceback[0].filename)),
    )


def left_behind(began: Held, warm: Held, idle: Held, closed: Held) -> Iterator[str]:
    """Yield a sentence for everything that a gateway still holds when all is over."""
    for each in (warm, idle, closed):
        if each.in_flight or each.reserved != Amount() or each.connections["busy"]:
            yield f"at {each.at:.0f} s {each.in_flight} in flight, {each.reserved} reserved, {each.connections}"
    if idle.connections["idle"] > IDLE_MAX or closed.connections["idle"]:
        yield f"connections: {idle.connections}, after the end {closed.connections}"
    if tasks := [name for name in closed.tasks - began.tasks if name not in LAZY]:
        yield f"tasks: {', '.join(tasks)}"
    if (more := idle.objects - warm.objects).total() > OBJECTS_MORE:
        yield f"objects: {more.most_common(5)}"
    if idle.memory - warm.memory > BYTES_MORE:
        yield f"memory: {idle.memory - warm.memory} bytes more than when all was warm"
