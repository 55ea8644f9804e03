"""A fleet for callers who are not in trio: it runs in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeVar, final

import trio

from routeproof_simulator.algebra import Behaviour
from routeproof_simulator.fleet import FleetConfig, RunningFleet, serve_fleet
from routeproof_simulator.provider import Door
from routeproof_spec.errors import RouteproofError
from routeproof_spec.history import Attempt

T = TypeVar("T")


@final
class FleetThread:
    """Serve the fleet of *config* for the length of a `with` block; raises what `serving_fleet` raises.

    A fleet that ends by itself meanwhile says why: in the next use of it, and at the end of the block at the latest.
    """

    def __init__(self, config: FleetConfig, *, host: str = "127.0.0.1", control_port: int | None = None) -> None:
        self._config = config
        self._host = host
        self._control_port = control_port
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="routeproof-fleet", daemon=True)
        self._running: RunningFleet | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._scope = trio.CancelScope()
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._is_ready.wait()
        if self._error is not None:
            raise self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(trio.RunFinishedError):
            trio.from_thread.run_sync(self._scope.cancel, trio_token=self._token)
        self._thread.join()
        if error is None and self._error is not None:
            raise self._error

    @property
    def base_urls(self) -> dict[str, str]:
        """The base URL of each provider, ending in /v1."""
        return dict(self._fleet.base_urls)

    @property
    def control_url(self) -> str:
        """The URL of the control API."""
        return self._fleet.control_url

    def set_behaviour(self, provider: str, behaviour: Behaviour, *, ttl: float | None = None) -> None:
        """Let *provider* behave so; after *ttl* seconds as configured again."""
        self._call(lambda: self._fleet.fleet.providers[provider].set_behaviour(behaviour, ttl=ttl))

    def set_door(self, provider: str, door: Door) -> None:
        """Open, close or silence the door of *provider*."""
        each = self._fleet.fleet.providers[provider]
        self._call(lambda: each.set_door(door))
        trio.from_thread.run(each.door_settled, trio_token=self._token)

    def heal(self) -> None:
        """Let every provider behave as configured."""
        self._call(self._fleet.fleet.heal)
        for each in self._fleet.fleet.providers.values():
            trio.from_thread.run(each.door_settled, trio_token=self._token)

    def attempts(self, marker: str | None = None) -> tuple[Attempt, ...]:
        """Return the attempts that bear *marker*, or all."""
        journal = self._fleet.journal
        return self._call(lambda: journal.attempts if marker is None else journal.of(marker))

    @property
    def _fleet(self) -> RunningFleet:
        assert self._running is not None, "a FleetThread is used inside its with block"
        return self._running

    def _call(self, function: Callable[[], T]) -> T:
        try:
            return trio.from_thread.run_sync(function, trio_token=self._token)
        except trio.RunFinishedError:
            self._thread.join()
            raise self._error or RouteproofError("the fleet has ended: use it inside its with block") from None

    def _run(self) -> None:
        try:
            trio.run(self._serve)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits in `__enter__`
            self._error = error
        finally:
            self._is_ready.set()

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        with self._scope:
            await serve_fleet(self._config, host=self._host, control_port=self._control_port, task_status=self)

    def started(self, value: RunningFleet | None = None) -> None:
        """Take note that the fleet runs (called by the fleet alone)."""
        self._running = value
        self._is_ready.set()
