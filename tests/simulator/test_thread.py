"""A fleet in a thread: who may use it, and what one of its providers knows of itself."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator

import httpx2
import pytest
import trio

from routeproof_simulator import FleetConfig, FleetThread, ProviderConfig, SteeredProvider
from routeproof_simulator.behaviours import fail, first, pace
from routeproof_simulator.door_states import Door
from routeproof_spec.errors import RouteproofError
from routeproof_spec.history import Ended
from tests.simulator.asking import chat

CONFIG = FleetConfig(
    providers=(
        ProviderConfig(name="alpha", key="sk-alpha"),
        ProviderConfig(name="claude", key="sk-claude", dialect="anthropic"),
        ProviderConfig(name="gemini", key="sk-gemini", dialect="gemini"),
        ProviderConfig(name="azure", key="sk-azure", dialect="azure"),
    )
)


@pytest.fixture(scope="module")
def served() -> Iterator[FleetThread]:
    with FleetThread(CONFIG) as running:
        yield running


@pytest.fixture
def alpha(served: FleetThread) -> SteeredProvider:
    served.heal()
    served.clear()
    return served["alpha"]


def ask(provider: SteeredProvider) -> int:
    url, headers = f"{provider.base_url}/chat/completions", {"authorization": f"Bearer {provider.key}"}
    return httpx2.post(url, json=chat(), headers=headers, trust_env=False).status_code


def steer(provider: SteeredProvider) -> None:
    """Use every method that waits for the fleet."""
    provider.behave(fail(503))
    provider.set_door(Door.REFUSED)
    provider.set_door(Door.OPEN)
    assert ask(provider) == 503
    assert provider.wait_idle().statuses == (503,)
    provider.fleet.heal()
    assert (ask(provider), provider.seen.statuses) == (200, (503, 200))


def in_asyncio(provider: SteeredProvider) -> None:
    async def main() -> None:
        steer(provider)

    asyncio.run(main())


def in_trio(provider: SteeredProvider) -> None:
    async def main() -> None:
        steer(provider)

    trio.run(main)


@pytest.mark.parametrize("use", [steer, in_asyncio, in_trio], ids=lambda each: each.__name__)
def test_sync_asyncio_and_trio_code_steer_it_alike(
    alpha: SteeredProvider, use: Callable[[SteeredProvider], None]
) -> None:
    use(alpha)


def test_what_was_forgotten_is_counted_from_the_first(alpha: SteeredProvider) -> None:
    alpha.behave(first(1, fail(503)))
    assert [ask(alpha), ask(alpha)] == [503, 200]
    alpha.fleet.clear()
    assert [ask(alpha), ask(alpha)] == [503, 200]
    assert [(each.index, each.status) for each in alpha.seen] == [(0, 503), (1, 200)]


def test_to_wait_is_to_see_how_it_ended(alpha: SteeredProvider) -> None:
    alpha.behave(pace(20))
    headers = {"authorization": f"Bearer {alpha.key}"}
    url, body = f"{alpha.base_url}/chat/completions", chat(stream=True)
    with httpx2.stream("POST", url, json=body, headers=headers, trust_env=False) as response:
        pieces = response.iter_raw()
        next(pieces)
        (still_open,) = alpha.wait_idle(within=0.05)
        assert still_open.ended_at == 0.0
    (attempt,) = alpha.wait_idle()
    assert attempt.ended is Ended.LEFT


def test_each_official_client_finds_its_provider_by_the_environment(served: FleetThread) -> None:
    alpha, claude, gemini, azure = (served[each.name] for each in CONFIG.providers)
    assert alpha.environ == {"OPENAI_BASE_URL": alpha.base_url, "OPENAI_API_KEY": "sk-alpha"}
    assert claude.environ == {"ANTHROPIC_BASE_URL": claude.root_url, "ANTHROPIC_API_KEY": "sk-claude"}
    assert gemini.environ == {"GOOGLE_GEMINI_BASE_URL": gemini.root_url, "GOOGLE_API_KEY": "sk-gemini"}
    assert azure.environ == {"AZURE_OPENAI_ENDPOINT": azure.root_url, "AZURE_OPENAI_API_KEY": "sk-azure"}
    assert alpha.base_url == f"{alpha.root_url}/v1"
    assert [each.base_url == each.root_url for each in (claude, gemini, azure)] == [True] * 3


@pytest.mark.end_to_end
def test_the_environment_is_all_that_the_official_clients_need(
    served: FleetThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in CONFIG.providers:
        for name, value in served[each.name].environ.items():
            monkeypatch.setenv(name, value)
    _ask_openai()
    _ask_anthropic()
    _ask_gemini()
    _ask_azure()
    assert {each.provider for each in served.attempts() if each.status == 200} >= set(served.base_urls)


def _ask_openai() -> None:
    from openai import OpenAI  # noqa: PLC0415 - each takes long to import

    with OpenAI() as client:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])


def _ask_azure() -> None:
    from openai import AzureOpenAI  # noqa: PLC0415 - each takes long to import

    with AzureOpenAI(api_version="2024-10-21") as client:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])


def _ask_anthropic() -> None:
    from anthropic import Anthropic  # noqa: PLC0415 - each takes long to import

    with Anthropic() as client:
        client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}])


def _ask_gemini() -> None:
    from google import genai  # noqa: PLC0415 - each takes long to import

    with genai.Client() as client:
        client.models.generate_content(model="m", contents="hi")  # pyright: ignore[reportUnknownMemberType] - its stub


def test_over_tls_its_authority_is_there_to_be_trusted() -> None:
    config = FleetConfig(providers=(ProviderConfig(name="alpha", key="k", tls=True),))
    with FleetThread(config) as fleet:
        assert fleet.ca_pem is not None
        trusting = ssl.create_default_context(cadata=fleet.ca_pem)
        answer = httpx2.get(f"{fleet['alpha'].root_url}/health", verify=trusting, trust_env=False)
    assert (answer.status_code, fleet.base_urls["alpha"].partition(":")[0]) == (200, "https")


def test_an_unknown_provider_is_told_with_those_that_are_known(served: FleetThread) -> None:
    with pytest.raises(RouteproofError, match="no provider 'delta': name one of alpha, claude, gemini, azure"):
        served["delta"]


def test_it_runs_within_its_block_alone() -> None:
    fleet = FleetThread(CONFIG)
    before = fleet.is_running
    with fleet:
        assert (before, fleet.is_running) == (False, True)
    assert not fleet.is_running
    with pytest.raises(RouteproofError, match="use it inside its with block"):
        fleet.heal()
