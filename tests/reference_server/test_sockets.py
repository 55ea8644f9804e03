"""What only real sockets show: departures, refusals while the body is still coming, the server's own manners."""

from __future__ import annotations

import gc
import warnings
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import httpx2
import msgspec
import pytest
import trio

from routeproof_reference_server import serve
from routeproof_reference_server.config import GatewayConfig
from routeproof_spec.errors import RouteproofError
from tests.reference_server.gateway import CONFIG, KEY, chat
from tests.reference_server.scripted import DONE, HI, ROLE, STOP, whole

pytestmark = pytest.mark.end_to_end

WHOLE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE = b"".join(each for each in whole().body if isinstance(each, bytes))
LAST_CHUNK = b"0\r\n\r\n"
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
        listeners = await nursery.start(
            trio.serve_tcp,
            provider.handle,
            0,
        )
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


async def ask(base_url: str, *, stream: bool) -> None:
    async with httpx2.AsyncClient(headers=KEY, timeout=None) as client:
        await client.post(f"{base_url}/chat/completions", json=chat(stream=stream))


@pytest.mark.parametrize(
    ("sends", "stream"),
    [((), False), ((), True), ((WHOLE_HEAD,), False), ((STREAM_HEAD,), True)],
    ids=["for a head", "for a stream's head", "for a body", "for a first event"],
)
def test_a_client_that_leaves_while_it_waits_is_felt_by_the_provider(sends: tuple[bytes, ...], stream: bool) -> None:
    async def main() -> None:
        provider = RawProvider(sends=sends)
        async with serving(provider) as base_url, trio.open_nursery() as nursery:
            nursery.start_soon(partial(ask, base_url, stream=stream))
            await provider.asked.wait()
            await trio.sleep(0.02)  # real sockets: time for what the provider sent
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True), trio.fail_after(PROMPT):
                await provider.left.wait()

    trio.run(main)


def test_a_client_that_leaves_in_the_middle_of_a_stream_is_felt_by_the_provider() -> None:
    async def main() -> None:
        provider = RawProvider(sends=(STREAM_HEAD, chunked(ROLE), chunked(HI)))
        async with serving(provider) as base_url, trio.open_nursery() as nursery:
            begun = trio.Event()
            nursery.start_soon(listen, base_url, begun)
            await begun.wait()
            assert not provider.left.is_set()
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True), trio.fail_after(PROMPT):
                await provider.left.wait()

    trio.run(main)


async def listen(base_url: str, begun: trio.Event) -> None:
    async with (
        httpx2.AsyncClient(headers=KEY, timeout=None) as client,
        client.stream("POST", f"{base_url}/chat/completions", json=chat(stream=True)) as response,
        aclosing(response.aiter_bytes()) as pieces,
    ):
        async for _ in pieces:
            begun.set()


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_that_is_too_large_is_refused_in_words_and_the_gateway_lives_on(is_chunked: bool) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield b"x" * 2**20

    async def main() -> None:
        async with (
            serving(RawProvider()) as base_url,
            httpx2.AsyncClient(headers=KEY, timeout=PROMPT * 5) as client,
        ):
            for _ in range(3):
                content = body() if is_chunked else b"x" * 12 * 2**20
                response = await client.post(f"{base_url}/chat/completions", content=content)
                assert response.json()["error"]["code"] == "payload_too_large"
                assert response.status_code == 413

    trio.run(main)


def test_a_large_body_under_a_wrong_key_is_refused_in_words() -> None:
    async def main() -> None:
        async with serving(RawProvider()) as base_url, httpx2.AsyncClient(timeout=PROMPT * 5) as client:
            response = await client.post(f"{base_url}/chat/completions", content=b"x" * 9 * 2**20)
            assert response.status_code == 401

    trio.run(main)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("manner", ["HTTP/1.1\r\nConnection: close", "HTTP/1.0"], ids=["close", "HTTP 1.0"])
def test_a_connection_that_is_not_kept_alive_ends_with_its_answer(manner: str, stream: bool) -> None:
    head, content = (STREAM_HEAD, ROLE + HI + STOP + DONE) if stream else (WHOLE_HEAD, WHOLE)
    # The provider's connection is not kept either: the gateway is cancelled here, and closes no idle ones.
    answer = head.replace(b"200 OK", b"200 OK\r\nConnection: close") + chunked(content) + LAST_CHUNK
    body = msgspec.json.encode(chat(stream=stream))
    fields = f"Host: gateway\r\nAuthorization: {KEY['authorization']}\r\nContent-Length: {len(body)}"
    asked = f"POST /v1/chat/completions {manner}\r\n{fields}\r\n\r\n".encode() + body

    async def main() -> None:
        async with serving(RawProvider(sends=(answer,))) as base_url:
            async with await trio.open_tcp_stream("127.0.0.1", httpx2.URL(base_url).port or 0) as client:
                await client.send_all(asked)
                with trio.fail_after(PROMPT):
                    received = b"".join([piece async for piece in client])
            assert received.startswith(b"HTTP/1.1 200 ")
            assert (b"data: [DONE]" if stream else b'"Hi."') in received

    trio.run(main)


def test_the_server_does_not_name_itself() -> None:
    async def main() -> None:
        async with serving(RawProvider()) as base_url, httpx2.AsyncClient(headers=KEY) as client:
            response = await client.get(f"{base_url}/models/alpha%2Fgpt-4o")
            assert response.json()["id"] == "alpha/gpt-4o"
            own = sorted(name for name in response.headers if not name.startswith("x-ratelimit-"))
            assert own == ["content-length", "content-type", "date", "x-inferoute-request-id"]

    trio.run(main)


def test_a_port_in_use_is_told_with_its_mend() -> None:
    async def main() -> None:
        async with serving(RawProvider()) as base_url:
            port = httpx2.URL(base_url).port
            with pytest.raises(RouteproofError, match=f"cannot listen on 127.0.0.1 port {port}: .*port 0"):
                await serve(CONFIG, port=port)

    trio.run(main)


def test_a_stream_given_up_in_the_middle_leaves_nothing_behind() -> None:
    broken = b'data: {"error": {"message": "Overloaded"}}\n\n'

    async def main() -> None:
        provider = RawProvider(sends=(STREAM_HEAD + chunked(ROLE + broken + HI),))
        async with serving(provider) as base_url, httpx2.AsyncClient(headers=KEY, timeout=PROMPT * 5) as client:
            answer = await client.post(f"{base_url}/chat/completions", json=chat(stream=True))
            assert b"Overloaded" in answer.content
            with trio.fail_after(PROMPT):
                await provider.left.wait()

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        trio.run(main)
        gc.collect()
    assert [str(each.message) for each in told] == []
