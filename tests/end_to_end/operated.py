"""A gateway as an operator has it: a process with a file, signals and a log."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest

START_LINES_MAX = 20
END_SECONDS_MAX = 20

Line: TypeAlias = dict[str, Any]  # JSON, as a test looks into it


@dataclass(frozen=True, slots=True, kw_only=True)
class Operated:
    """A running gateway."""

    process: subprocess.Popen[str]
    base_url: str
    log_file: Path

    @property
    def root(self) -> str:
        return self.base_url.removesuffix("/v1")

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def log(self, event: str) -> list[Line]:
        """What the log has told so far of one kind."""
        lines = [msgspec.json.decode(line, type=Line) for line in self.log_file.read_bytes().splitlines()]
        return [line for line in lines if line["event"] == event]

    def ended(self) -> int:
        """Wait for the process to end by itself, and return its exit code."""
        return self.process.wait(timeout=END_SECONDS_MAX)


@contextmanager
def operated(config: Path, log_file: Path) -> Generator[Operated]:
    """Run `routeproof serve` with *config* on a free port."""
    command = [sys.executable, "-m", "routeproof", "serve", "--config", str(config), "--port", "0"]
    with (
        log_file.open("wb") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            yield Operated(process=process, base_url=_base_url(process), log_file=log_file)
        finally:
            process.kill()


def _base_url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for _ in range(START_LINES_MAX):
        line = process.stdout.readline()
        if "serves http://" in line:
            return line.split()[-1]
    pytest.fail("the gateway did not say where it serves")
