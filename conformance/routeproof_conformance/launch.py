"""Start the gateway under test, wait until it is ready, and stop it again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, final

import httpx2
import jinja2

from routeproof_conformance.target_file import Launch
from routeproof_spec.errors import ConfigError, TargetUnreachable

POLL: Final = 0.05  #: seconds between two looks at a starting gateway
STOP: Final = 5.0  #: seconds that a gateway has to end after SIGTERM
LOG_LINES: Final = 12


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """A gateway that runs: its base URL, its process, and where its output goes."""

    base_url: str
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def launched(
    launch: Launch,
    *,
    file: Path,
    base_url: str,
    log: Path,
    variables: Mapping[str, object],
    environ: Mapping[str, str],
    secret: str,
) -> Generator[Launched]:
    """Run the gateway that *launch* describes for the block; yield it once it is ready.

    *base_url* is its template (empty: the usual one of a local port), *log* takes its output, *variables* are the
    templates', *secret* is the key with which it is asked whether it is ready. Raises `TargetUnreachable`, with the
    last lines of its output, when it ends early or is not ready in time.
    """
    with tempfile.TemporaryDirectory(prefix="routeproof-") as name:
        folder = Path(name)  # its configuration holds keys, and goes with it
        known: dict[str, object] = {"python": sys.executable, "port": free_port(), **variables}
        known["config"] = str(_configured(launch, file=file, folder=folder, known=known))
        command = [_rendered(each, known, file=file, key="launch.command") for each in launch.command]
        env = {name: _rendered(value, known, file=file, key=f"launch.env.{name}") for name, value in launch.env.items()}
        url = _rendered(base_url or "http://127.0.0.1:{{ port }}/v1", known, file=file, key="target.base_url").rstrip(
            "/"
        )
        ready = launch.ready if "://" in launch.ready else url + launch.ready
        with log.open("wb") as output:
            process = _started(
                command, env={**environ, **env}, output=output, file=file, folder=folder, install=launch.install
            )
            try:
                _wait_ready(
                    process, _rendered(ready, known, file=file, key="launch.ready"), launch.timeout, secret, log
                )
                yield Launched(base_url=url, process=process, log=log)
            finally:
                stop(process)


def free_port() -> int:
    """Return a port of the loopback interface that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def stop(process: subprocess.Popen[bytes]) -> None:
    """End *process* and what it started: asked first, killed after `STOP` seconds."""
    for wish in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, wish)
            process.wait(STOP)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def last_lines(log: Path) -> str:
    """Return the end of what the gateway printed."""
    lines = log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:] if log.is_file() else []
    return "\n".join(f"    {line}" for line in lines) or "    (it printed nothing)"


def _configured(launch: Launch, *, file: Path, folder: Path, known: Mapping[str, object]) -> Path:
    """Write the gateway's configuration file, readable by its owner alone, for it holds keys."""
    if not launch.config:
        return folder / "no-configuration"
    template = file.parent / launch.config
    if not template.is_file():
        raise ConfigError(file=file, key="launch.config", found=f"no file {template}", wanted="a Jinja2 template")
    name = template.name.removesuffix(".j2")
    path = folder / f"gateway-{name}"
    path.touch(mode=0o600)
    path.write_text(_rendered(template.read_text("utf-8"), known, file=template, key=""), "utf-8")
    return path


def _rendered(text: str, known: Mapping[str, object], *, file: Path, key: str) -> str:
    environment = jinja2.Environment(  # noqa: S701 - TOML and command lines, no HTML
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    try:
        return environment.from_string(text).render(known)
    except jinja2.TemplateError as error:
        wanted = "a template over " + ", ".join(sorted(known))
        raise ConfigError(file=file, key=key, found=str(error), wanted=wanted) from error


def _started(
    command: list[str], *, env: Mapping[str, str], output: IO[bytes], file: Path, folder: Path, install: str
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - the user's own command
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=folder,
            start_new_session=True,
        )
    except OSError as error:
        found = f"{command[0]}: {error.strerror}"
        wanted = "a command that can be run" + (f": {install}" if install else "")
        raise ConfigError(file=file, key="launch.command", found=found, wanted=wanted) from error


def _wait_ready(process: subprocess.Popen[bytes], url: str, timeout: float, secret: str, log: Path) -> None:
    deadline = time.monotonic() + timeout
    headers = {"authorization": f"Bearer {secret}"}
    with httpx2.Client(timeout=2.0, trust_env=False) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                code = process.returncode
                raise TargetUnreachable(f"the gateway ended with code {code} before it was ready:\n{last_lines(log)}")
            if _answers(client, url, headers):
                return
            time.sleep(POLL)
    raise TargetUnreachable(f"the gateway was not ready within {timeout:g} s at {url}:\n{last_lines(log)}")


def _answers(client: httpx2.Client, url: str, headers: Mapping[str, str]) -> bool:
    try:
        return client.get(url, headers=headers).status_code < 500
    except httpx2.TransportError:
        return False
