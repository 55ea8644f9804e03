"""What the pool of connections keeps, and what it must not."""

from __future__ import annotations

from collections.abc import Iterable

import httpcore2
import trio

from routeproof_reference_server.dial import Dialling
from routeproof_simulator.world.clock import run_virtual
from tests.reference_server.gateway import PORTS
from tests.reference_server.scripted import ScriptedProviders, whole

REQUEST = httpcore2.Request(
    b"POST",
    "http://127.0.0.1:8701/v1/chat/completions",
    headers=[(b"host", b"alpha"), (b"content-length", b"0")],
    extensions={"timeout": {"pool": 1.0}},
)


class LateNetwork(httpcore2.AsyncNetworkBackend):
    """Connects when its caller has given up in the very moment."""

    def __init__(self, inner: ScriptedProviders, delay: float) -> None:
        self._inner = inner
        self.delay = delay

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[object] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        stream: httpcore2.AsyncNetworkStream | None = None
        with trio.CancelScope(shield=True):
            await trio.sleep(self.delay)
            stream = await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        assert stream is not None
        return stream


def test_a_connection_that_comes_too_late_keeps_no_place() -> None:
    async def main() -> None:
        network = LateNetwork(ScriptedProviders({"alpha": [whole()]}, ports=PORTS), delay=2.0)
        dial = Dialling(connections_max=1, network=network)
        with trio.move_on_after(1.0) as patience:
            await dial.ask(REQUEST)
        assert patience.cancelled_caught
        network.delay = 0.0
        reply = await dial.ask(REQUEST)
        assert reply.status == 200
        await reply.aclose()
        await dial.aclose()

    run_virtual(main)
