"""A PostgreSQL server of the tests' own: made, started and ended by them, on a socket in a folder of its own."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psycopg
import pytest

START_SECONDS_MAX: Final = 60.0
END_SECONDS_MAX: Final = 30.0
ACCOUNT: Final = "postgres"  # of Debian's package; a server refuses to run as root

_SETTINGS: Final = {
    "listen_addresses": "",
    "fsync": "off",  # no machine ends in a test
    "max_connections": "40",
    "shared_buffers": "16MB",
    "autovacuum": "off",
}


@dataclass(slots=True)
class Server:
    """A PostgreSQL server, which can go away and come back."""

    programs: Path
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{ACCOUNT}@/{database}?host={self.folder}"

    def database(self) -> str:
        """Make an empty database, and return its URL."""
        name = f"t{next(self._numbers)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"create database {name} template template0".encode())
        return self.url(name)

    def start(self) -> None:
        settings = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        command = [self.programs / "postgres", "-D", self.folder / "data", "-k", self.folder, *settings]
        log = (self.folder / "log").open("ab")
        with log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, user=_account(), group=_account())
        until = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                psycopg.connect(self.url()).close()
            except psycopg.OperationalError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < until, "PostgreSQL did not start in time"
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """End it at once, with every connection to it."""
        assert self.process is not None
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(timeout=END_SECONDS_MAX)


def _account() -> str | None:
    return ACCOUNT if os.getuid() == 0 else None


def _programs() -> Path | None:
    if (found := shutil.which("initdb")) is not None:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: int(each.parts[-3]))
    return versions[-1].parent if versions else None


@contextmanager
def served() -> Generator[Server]:
    """Make a server, run it, and leave nothing of it."""
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL: install Debian's package postgresql")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket's path has at most 107 letters
    try:
        if os.getuid() == 0:
            shutil.chown(folder, ACCOUNT, ACCOUNT)
        command = [programs / "initdb", "-D", folder / "data", "-U", ACCOUNT, "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(
            [*command, "--locale=C"],
            check=True,
            capture_output=True,
            cwd=folder,
            timeout=START_SECONDS_MAX,
            user=_account(),
            group=_account(),
        )
        server = Server(programs, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres() -> Generator[Server]:
    """A server, whose databases are made by whoever needs one."""
    with served() as server:
        yield server
