from __future__ import annotations

import trio

from routeproof_simulator.clock import run_virtual
from tests.reference_server.gateway import chat, events, gateway
from tests.reference_server.scripted import DONE, HI, ROLE, STOP, streamed


def test_a_chat_is_answered_whole() -> None:
    async def main() -> None:
        async with gateway() as (client, providers):
            response = await client.post("/chat/completions", json=chat())
            print(response.status_code, response.headers, response.json())
            print(providers.seen)
            assert response.status_code == 200

    run_virtual(main)


def test_a_chat_is_streamed() -> None:
    async def main() -> None:
        async with gateway({"beta": [streamed(0.1, ROLE, 0.1, HI, STOP, DONE)]}) as (client, providers):
            response = await client.post("/chat/completions", json=chat(stream=True))
            print(response.status_code, response.headers, response.text)
            print(events(response.content))
            print(providers.seen, trio.current_time())
            assert response.status_code == 200

    run_virtual(main)
