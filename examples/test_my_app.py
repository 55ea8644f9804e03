"""How to test an application with the pytest fixtures: the fake providers come by themselves, as `provider`.

Run it: `python -m pytest examples/test_my_app.py`. It needs `pip install routeproof openai` and no network.
"""

from __future__ import annotations

import asyncio

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from routeproof import FleetThread, SteeredProvider, fail, faults, first, pace

QUESTION = "Say hello."


def ask(client: OpenAI) -> str | None:
    """The application under test."""
    answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": QUESTION}])
    return answer.choices[0].message.content


@pytest.fixture
def client(provider: SteeredProvider) -> OpenAI:
    return OpenAI(base_url=provider.base_url, api_key=provider.key, max_retries=1)


# The fault belongs to the test: it is set before, and healed after.
@faults(first(1, fail(429, retry_after=1)))
def test_a_rate_limit_is_survived(client: OpenAI, provider: SteeredProvider) -> None:
    assert ask(client)
    assert provider.seen.statuses == (429, 200)
    assert provider.seen.pauses()[0] >= 1.0  # it waited for as long as it was told


@faults(fail(401))
def test_a_wrong_key_is_not_tried_again(client: OpenAI, provider: SteeredProvider) -> None:
    with pytest.raises(openai.AuthenticationError):
        ask(client)
    assert provider.seen.statuses == (401,)


def test_one_connection_serves_them_all(client: OpenAI, provider: SteeredProvider) -> None:
    for _ in range(3):
        ask(client)
    assert provider.seen.same_connection()


# The providers run in a thread of their own, so asyncio and trio code are tested as well as any other.
@faults(pace(20))
def test_who_stops_reading_hangs_up(provider: SteeredProvider) -> None:
    async def read_one_chunk() -> None:
        async with (
            AsyncOpenAI(base_url=provider.base_url, api_key=provider.key) as client,
            await client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": QUESTION}], stream=True
            ) as stream,
        ):
            await anext(aiter(stream))

    asyncio.run(read_one_chunk())
    assert provider.wait_idle().cancelled_within(1.0)


# An application that reads its settings from the environment is given them there.
@faults("alpha", fail(503))
def test_the_second_provider_is_asked(fleet: FleetThread, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in fleet["beta"].environ.items():
        monkeypatch.setenv(name, value)
    assert ask(OpenAI())
    assert not fleet.attempts().at("alpha")
