"""How many requests are under way at once, on a virtual clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx2
import msgspec
import trio

from routeproof_simulator.world.clock import run_virtual
from tests.reference_server.gateway import CONFIG, chat, failure, gateway
from tests.reference_server.scripted import ROLE, Reply, ScriptedProviders, streamed, whole

SLOW = Reply(before=[3.0], body=whole().body)


def run(test: Callable[[httpx2.AsyncClient, ScriptedProviders], Awaitable[None]], wait: float, reply: Reply) -> None:
    clients = msgspec.structs.replace(CONFIG.clients, requests_max=2, requests_wait=wait)

    async def main() -> None:
        config = msgspec.structs.replace(CONFIG, clients=clients)
        async with gateway({"beta": [reply]}, config=config) as (client, providers):
            await test(client, providers)

    run_virtual(main)


def test_one_request_too_many_is_told_at_once_when_to_come_again() -> None:
    async def test(client: httpx2.AsyncClient, providers: ScriptedProviders) -> None:
        async with trio.open_nursery() as nursery:
            for _place in range(2):
                nursery.start_soon(succeed, client)
            await trio.sleep(1.0)
            refused = await client.post("/chat/completions", json=chat())
            assert trio.current_time() == 1.0
            assert failure(refused) == (503, "api_error", "overloaded")
            assert refused.headers["retry-after"] == "1"
            assert "x-inferoute-provider" not in refused.headers
            assert (await client.get("/models")).status_code == 200  # what asks no provider takes no place
        assert len(providers.seen) == 2
        await succeed(client)

    run(test, 0.0, SLOW)


def test_a_place_that_becomes_free_in_time_is_taken_in_the_order_of_coming() -> None:
    async def test(client: httpx2.AsyncClient, _: ScriptedProviders) -> None:
        async with trio.open_nursery() as nursery:
            for _place in range(4):
                nursery.start_soon(succeed, client)
        assert trio.current_time() == 6.0

    run(test, 5.0, SLOW)


def test_who_waits_in_vain_is_told_after_the_wait() -> None:
    async def test(client: httpx2.AsyncClient, _: ScriptedProviders) -> None:
        async with trio.open_nursery() as nursery:
            for _place in range(2):
                nursery.start_soon(succeed, client)
            await trio.sleep(1.0)
            refused = await client.post("/chat/completions", json=chat())
            assert (trio.current_time(), refused.status_code) == (2.5, 503)

    run(test, 1.5, SLOW)


def test_a_client_that_leaves_gives_its_place_back() -> None:
    async def test(client: httpx2.AsyncClient, providers: ScriptedProviders) -> None:
        for _ in range(3):
            with trio.move_on_after(1.0):
                async with client.stream("POST", "/chat/completions", json=chat(stream=True)) as response:
                    async for _ in response.aiter_bytes():
                        pass
        assert len(providers.seen) == 3

    run(test, 0.0, streamed(ROLE, 1000.0))


async def succeed(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/chat/completions", json=chat())).status_code == 200
