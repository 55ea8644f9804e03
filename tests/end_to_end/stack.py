"""The reference gateway as its users start it, before three fake providers, all on free loopback ports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from routeproof_reference_server import DEFAULT_FILE
from routeproof_simulator.fleet import RunningFleet, load_fleet, on_free_ports
from routeproof_simulator.thread import FleetThread

KEY = "th-local"
START_LINES_MAX = 10
STOP_SECONDS_MAX = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A running gateway and the providers behind it."""

    base_url: str
    fleet: FleetThread


def gateway_file(folder: Path, fleet: FleetThread | RunningFleet, *, breaks: bool = True) -> Path:
    """Write the default configuration, pointed at *fleet*, into *folder*; not *breaks* is without circuit breakers."""
    text = DEFAULT_FILE.read_text()
    if not breaks:
        assert "[[models]]\n" in text
        text = text.replace("[[models]]\n", "[[models]]\nbreaker = false\n")
    for port, url in zip((8701, 8702, 8703), fleet.base_urls.values(), strict=True):
        text = text.replace(f"http://127.0.0.1:{port}/v1", url)
    path = folder / "gateway.toml"
    path.write_text(text)
    return path


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with FleetThread(on_free_ports(load_fleet())) as fleet:
        config = gateway_file(
            tmp_path_factory.mktemp("gateway"), fleet, breaks=False
        )  # one test's faults are not the next one's
        command = [sys.executable, "-m", "routeproof", "serve", "--config", str(config), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield Stack(base_url=base_url_of(process), fleet=fleet)
            finally:
                process.terminate()
                process.communicate(timeout=STOP_SECONDS_MAX)


def base_url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for _ in range(START_LINES_MAX):
        line = process.stdout.readline()
        if "serves http://" in line:
            return line.split()[-1]
    pytest.fail("the gateway did not say where it serves")


@pytest.fixture
def fleet(stack: Stack) -> Iterator[FleetThread]:
    stack.fleet.heal()
    yield stack.fleet
    stack.fleet.heal()
