"""The reference gateway before three fake providers that have an API each, and refuse what the real ones would."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from routeproof_simulator import FleetConfig, FleetThread, ProviderConfig
from tests.end_to_end.stack import STOP_SECONDS_MAX, Stack, base_url_of

MODEL = "talker"
APIS = ("openai", "anthropic", "gemini")

FLEET = FleetConfig(
    seed="mixed",
    providers=tuple(
        ProviderConfig(name=api, key=f"sk-{api}-local", dialect=api, models=(MODEL,), strict=True, tokens=12)
        for api in APIS
    ),
)

CONFIG = """
[timeouts]
connect = 1.0
headers = 0.5
first_token = 0.5
between_tokens = 0.5
total = 2.0

[[models]]
name = "talker"
owned_by = "somebody"
context_window = 128000
breaker = false
capabilities = { chat = true }
deployments = [{ provider = "openai" }, { provider = "anthropic", max_tokens = 100 }, { provider = "gemini" }]

[[keys]]
name = "local"
sha256 = "2513e5d3214b473f546b12288e51c3ff8b796001f172795af6bf6b31b853a44d"
"""


def config_file(folder: Path, fleet: FleetThread) -> Path:
    """Write the configuration of a gateway before *fleet* into *folder*."""
    table = '[[providers]]\nname = "{0}"\napi = "{0}"\nbase_url = "{1}"\napi_key = "sk-{0}-local"\n'
    tables = [table.format(api, fleet.base_urls[api]) for api in APIS]
    path = folder / "gateway.toml"
    path.write_text("\n".join([CONFIG, *tables]))
    return path


@pytest.fixture(scope="session")
def mixed_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with FleetThread(FLEET) as fleet:
        config = config_file(tmp_path_factory.mktemp("mixed"), fleet)
        command = [sys.executable, "-m", "routeproof", "serve", "--config", str(config), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield Stack(base_url=base_url_of(process), fleet=fleet)
            finally:
                process.terminate()
                process.communicate(timeout=STOP_SECONDS_MAX)


@pytest.fixture
def mixed(mixed_stack: Stack) -> Iterator[Stack]:
    mixed_stack.fleet.heal()
    mixed_stack.fleet.clear()
    yield mixed_stack
    mixed_stack.fleet.heal()
