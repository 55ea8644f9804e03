from __future__ import annotations

import shutil

import msgspec
import pytest
import trio

from routeproof.introduction import introduction
from routeproof_simulator import serving_fleet
from routeproof_simulator.fleet import FleetConfig, ProviderConfig


def fleet_of(dialect: str) -> FleetConfig:
    provider = ProviderConfig(name="solo", key="sk-solo", models=("m-1", "m-2"), dialect=dialect)
    return FleetConfig(providers=(provider, msgspec.structs.replace(provider, name="other", models=())))


def commands(text: str) -> list[str]:
    """Return the commands in *text*, each on one line."""
    return [each.strip() for each in text.replace("\\\n", " ").splitlines() if each.strip().startswith("curl")]


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini", "azure"])
def test_what_is_told_to_a_newcomer_works_as_it_stands(dialect: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl on this machine")
    config = fleet_of(dialect)

    async def main() -> None:
        async with serving_fleet(config) as fleet:
            text = introduction(config, fleet)
            told = (fleet.base_urls["solo"].removesuffix("/v1"), f"{fleet.control_url}/ ", "sk-solo", "m-1, m-2")
            assert all(each in text for each in told)
            statuses: list[bytes] = []
            for command in commands(text):
                done = await trio.run_process(
                    ["sh", "-c", command + " --noproxy '*' -s -o /dev/null -w '%{http_code}'"],
                    capture_stdout=True,
                    check=False,
                )
                statuses.append(done.stdout)
            assert statuses == [b"200", b"200"]
            assert str(fleet.fleet.providers["solo"].behaviour) == "fail(status=503)"

    trio.run(main)


@pytest.mark.parametrize(
    ("dialect", "end"), [("openai", "/v1"), ("vllm", "/v1"), ("anthropic", ""), ("gemini", ""), ("azure", "")]
)
def test_the_base_url_is_the_one_that_the_official_client_is_given(dialect: str, end: str) -> None:
    config = fleet_of(dialect)

    async def main() -> None:
        async with serving_fleet(config) as fleet:
            row = next(each.split() for each in introduction(config, fleet).splitlines() if each.startswith("  solo"))
            assert row[2] == fleet.base_urls["solo"].removesuffix("/v1") + end

    trio.run(main)
