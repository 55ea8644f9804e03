"""The gateway that is fuzzed, in a process of its own: tells where it listens, and what it holds when it is asked."""

from __future__ import annotations

import gc
import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import trio

from routeproof_reference_server import load_config, serve
from routeproof_reference_server.config import ClientsConfig, GatewayConfig, TimeoutsConfig
from routeproof_reference_server.routing import BreakerConfig

#: Short, so that a hundred thousand broken requests do not each wait for what never comes.
CLIENTS = ClientsConfig(idle=0.5, head=0.5, body=0.5, write=1.0, write_total=2.0)
#: It would spare broken providers, and so spare the gateway what they answer.
NO_BREAKER = BreakerConfig(
    failures=10**9, observations_min=10**9, cooldown=0.001, cooldown_max=0.001, retry_after_max=0.001
)
TIMEOUTS = TimeoutsConfig(connect=0.5, headers=0.5, first_token=0.5, between_tokens=0.5, total=1.0)
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a process holds at one moment."""

    tasks: int
    descriptors: int
    resident_kib: int


def config(provider: int) -> GatewayConfig:
    """The default configuration with all providers on the port *provider*, and no patience."""
    default = load_config(environ={})
    url = f"http://127.0.0.1:{provider}/v1"
    return msgspec.structs.replace(
        default,
        providers=tuple(msgspec.structs.replace(each, base_url=url) for each in default.providers),
        clients=CLIENTS,
        timeouts=TIMEOUTS,
        breaker=NO_BREAKER,
    )


def held() -> Held:
    """Return what this process holds."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_KIB
    tasks = trio.lowlevel.current_statistics().tasks_living
    return Held(tasks=tasks, descriptors=len(list(Path("/proc/self/fd").iterdir())), resident_kib=resident)


async def main(provider: int) -> None:
    async with trio.open_nursery() as nursery:
        print(await nursery.start(partial(serve, config(provider), port=0)), flush=True)
        async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as questions:
            async for _ in questions:
                print(msgspec.json.encode(held()).decode(), flush=True)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]))
