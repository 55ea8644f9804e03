"""The target as its operator has it: paths beside the contract's, and a second gateway that may be told to end.

The gateway that all checks share is never told anything: whoever needs an end starts a spare of his own.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, final

import httpx2
import trio

from routeproof_conformance.case import Case
from routeproof_conformance.gateway import Gateway
from routeproof_conformance.judge.outcome import NotApplicable
from routeproof_conformance.launch import stop

PROBE_DEADLINE: Final = 5.0  #: seconds


@final
@dataclass(frozen=True, kw_only=True)
class Spare:
    """A gateway of the same target, for one check alone."""

    gateway: Gateway
    process: subprocess.Popen[bytes]

    def tell_to_end(self) -> None:
        """Send SIGTERM to what was started, and to nothing else."""
        os.kill(self.process.pid, signal.SIGTERM)

    async def ended(self, *, within: float) -> bool:
        """Return whether the process ends *within* so many seconds."""
        with suppress(subprocess.TimeoutExpired):
            await trio.to_thread.run_sync(self.process.wait, within)
        return self.process.poll() is not None


@final
class Operator:
    """What a check asks as the one who runs the gateway."""

    def __init__(self, case: Case) -> None:
        self._case = case

    def path(self, name: str) -> str:
        """Return the declared path of `healthz` or `readyz`; raise `NotApplicable` where none is declared."""
        tables = self._case.bench.target.tables.operations
        found = {"healthz": tables.healthz, "readyz": tables.readyz}[name]
        if not found:
            raise NotApplicable(f"the target declares no operations.{name}")
        return found

    @property
    def drain(self) -> float:
        """The seconds in which the target says that it ends; raises `NotApplicable` where it says none."""
        drain = self._case.bench.target.tables.operations.drain
        if drain is None:
            raise NotApplicable("the target declares no operations.drain")
        return drain

    async def status(self, path: str, *, of: Gateway) -> int | None:
        """Return the status that *path*, on the origin of the gateway *of*, gives without a key; None for none."""
        url = httpx2.URL(of.base_url).copy_with(path=path)
        with trio.move_on_after(PROBE_DEADLINE):
            try:
                return (await self._case.client.get(url)).status_code
            except httpx2.TransportError:
                return None
        return None

    @asynccontextmanager
    async def spare(self) -> AsyncGenerator[Spare]:
        """Start another gateway of the target for the block; raise `NotApplicable` where the judge cannot."""
        launch = self._case.bench.launch
        if launch is None:
            raise NotApplicable("the target is not started by the judge, who may therefore not end it")
        context = launch(f"{self._case.name.rpartition('/')[2].partition('[')[0]}.log")
        running = await trio.to_thread.run_sync(context.__enter__)
        try:
            yield Spare(gateway=Gateway(self._case, base_url=running.base_url), process=running.process)
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(stop, running.process)
                await trio.to_thread.run_sync(partial(context.__exit__, None, None, None))
