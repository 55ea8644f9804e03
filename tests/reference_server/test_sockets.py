"""What only real sockets show: departures, refusals while the body is still coming, the server's own manners."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2
import msgspec
import pytest
import trio

from routeproof_reference_server import serve
from routeproof_reference_server.config import GatewayConfig
from routeproof_spec.errors import RouteproofError
from tests.reference_server.gateway import CONFIG, KEY, chat
from tests.reference_server.scripted import HI, ROLE

pytestmark = pytest.mark.end_to_end

STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
PROMPT = 1.0  #: seconds within which a departure is felt; far more than loopback takes


@dataclass(slots=True)
class RawProvider:
    """Sends its bytes after the first request of each connection, and notes when the peer has gone."""

    sends: tuple[bytes, ...] = ()
    asked: trio.Event = field(default_factory=trio.Event)
    left: trio.Event = field(default_factory=trio.Event)
    connections: int = 0

    async def handle(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        await stream.receive_some()
        self.asked.set()
        for data in self.sends:
            await stream.send_all(data)
        async for _ in stream:
            pass
        self.left.set()


@asynccontextmanager
async def serving(provider: RawProvider) -> AsyncGenerator[str]:
    """Serve the gateway in front of *provider*, on free ports; yield its base URL."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, provider.handle, 0, )
        port = listeners[0].socket.getsockname()[1]
        yield await nursery.start(run_gateway, in_front_of(port))
        nursery.cancel_scope.cancel()


async def run_gateway(config: GatewayConfig, *, task_status: trio.TaskStatus[str]) -> None:
    await serve(config, port=0, task_status=task_status)


def in_front_of(port: int) -> GatewayConfig:
    providers = tuple(
        msgspec.structs.replace(each, base_url=f"http://127.0.0.1:{port}/v1") for each in CONFIG.providers
    )
    return msgspec.structs.replace(CONFIG, providers=providers)


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def leave_after(base_url: str, enough: Callable[[httpx2.Response], Awaitable[None]] | None, **fields: object) -> None:
    """Ask, and go away: as soon as *enough* of the answer has come, or before there is any."""


def test_leave() -> None:
    async def main() -> None:
        provider = RawProvider()
        async with serving(provider) as base_url:
            print(base_url)
            async with trio.open_nursery() as nursery:
                async def ask():
                    async with httpx2.AsyncClient(headers=KEY, timeout=None) as client:
                        await client.post(f"{base_url}/chat/completions", json=chat())
                nursery.start_soon(ask)
                await provider.asked.wait()
                nursery.cancel_scope.cancel()
            t = trio.current_time()
            with trio.fail_after(PROMPT):
                await provider.left.wait()
            print("left after", trio.current_time() - t)
        provider = RawProvider(sends=(STREAM_HEAD,))
        async with serving(provider) as base_url:
            async with trio.open_nursery() as nursery:
                async def ask2():
                    async with httpx2.AsyncClient(headers=KEY, timeout=None) as client:
                        await client.post(f"{base_url}/chat/completions", json=chat(stream=True))
                nursery.start_soon(ask2)
                await provider.asked.wait()
                await trio.sleep(0.05)
                nursery.cancel_scope.cancel()
            t = trio.current_time()
            with trio.fail_after(PROMPT):
                await provider.left.wait()
            print("left after", trio.current_time() - t)
        provider = RawProvider(sends=(STREAM_HEAD, chunked(ROLE), chunked(HI)))
        async with serving(provider) as base_url:
            async with httpx2.AsyncClient(headers=KEY, timeout=None) as client:
                async with client.stream("POST", f"{base_url}/chat/completions", json=chat(stream=True)) as response:
                    async for chunk in response.aiter_bytes():
                        print(chunk)
                        break
            t = trio.current_time()
            with trio.fail_after(PROMPT):
                await provider.left.wait()
            print("left after", trio.current_time() - t)
            # 413
            for chunky in False, True:
                async with httpx2.AsyncClient(headers=KEY, timeout=None) as client:
                    body = b"x" * 40_000_000
                    async def gen():
                        for i in range(40):
                            yield body[:1_000_000]
                    for _ in range(3):
                        try:
                            r = await client.post(f"{base_url}/chat/completions", content=gen() if chunky else body)
                            print(r.status_code, r.headers, r.text)
                        except Exception as e:
                            print("413 failed", repr(e))
            async with httpx2.AsyncClient(headers=KEY, timeout=None) as client:
                r = await client.post(f"{base_url}/models"); print(r.status_code, r.headers, r.text)
                r = await client.options(f"{base_url}/models"); print(r.status_code, r.headers, r.text)
                r = await client.head(f"{base_url}/models"); print(r.status_code, r.headers, r.text)
                r = await client.get(f"{base_url}/nope//x"); print(r.status_code, r.headers, r.text)
                r = await client.get(f"{base_url}/models/alpha%2Fgpt-4o"); print(r.status_code, r.headers, r.text)
                r = await client.get(f"{base_url}/models", headers={"authorization":"x"}); print(r.status_code, r.headers, r.text)

    trio.run(main)
