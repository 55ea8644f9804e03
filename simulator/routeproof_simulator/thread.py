"""A fleet for callers who are not in its trio: it runs in a thread of its own.

Sync code, asyncio and trio code may all use it. A method blocks its caller until the fleet has done what was asked:
a fraction of a millisecond, except where it says otherwise.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, TypeVar, final

import trio

from routeproof_simulator.access import environ, root_url
from routeproof_simulator.algebra import Behaviour
from routeproof_simulator.door_states import Door
from routeproof_simulator.fleet import FleetConfig, ProviderConfig, RunningFleet, serve_fleet
from routeproof_simulator.seen import Seen
from routeproof_spec.errors import RouteproofError

T = TypeVar("T")

POLL: Final = 0.002  #: seconds
SETTLES_WITHIN: Final = 10.0  #: seconds


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
            _from_outside(lambda: trio.from_thread.run_sync(self._scope.cancel, trio_token=self._token))
        self._thread.join()
        if error is None and self._error is not None:
            raise self._error

    def __getitem__(self, provider: str) -> SteeredProvider:
        """Return *provider*, to be steered on its own; raises `RouteproofError` for a name that the fleet has not."""
        for each in self._config.providers:
            if each.name == provider:
                return SteeredProvider(fleet=self, config=each)
        known = ", ".join(each.name for each in self._config.providers)
        raise RouteproofError(f"the fleet has no provider '{provider}': name one of {known}")

    @property
    def is_running(self) -> bool:
        """Whether the fleet is being served."""
        return self._is_ready.is_set() and self._thread.is_alive()

    @property
    def base_urls(self) -> dict[str, str]:
        """The base URL of each provider, as clients of its dialect want it: with /v1 for most."""
        return dict(self._fleet.base_urls)

    @property
    def control_url(self) -> str:
        """The URL of the control API."""
        return self._fleet.control_url

    @property
    def ca_pem(self) -> str | None:
        """The certificate of the authority to trust, where a provider is served over TLS."""
        return self._fleet.ca_pem

    def set_behaviour(self, provider: str, behaviour: Behaviour, *, ttl: float | None = None) -> None:
        """Let *provider* behave so; after *ttl* seconds as configured again."""
        self._call(lambda: self._fleet.fleet.providers[provider].set_behaviour(behaviour, ttl=ttl))

    def set_door(self, provider: str, door: Door) -> None:
        """Let the door of *provider* be *door*; raises `ConfigError` where it cannot have that one."""
        each = self._fleet.fleet.providers[provider]
        self._call(lambda: each.set_door(door))
        self._wait(each.door_settled)

    def heal(self) -> None:
        """Let every provider behave as configured."""
        self._call(self._fleet.fleet.heal)
        for each in self._fleet.fleet.providers.values():
            self._wait(each.door_settled)

    def clear(self) -> None:
        """Forget all attempts, so that what comes next is answered as by a fresh fleet."""
        self._call(self._fleet.fleet.forget)

    def attempts(self, marker: str | None = None) -> Seen:
        """Return the attempts that bear *marker*, or all, in the order in which they were received."""
        journal = self._fleet.journal
        return self._call(lambda: journal.attempts if marker is None else journal.of(marker))

    def wait_idle(self, marker: str | None = None, *, within: float = SETTLES_WITHIN) -> Seen:
        """Return the attempts once none (that bears *marker*) is open; after *within* seconds as they stand.

        It blocks meanwhile: in async code, close the client first, or call it in a thread.
        """
        deadline = time.monotonic() + within
        while self._call(lambda: self._fleet.journal.is_open(marker)) and time.monotonic() < deadline:
            time.sleep(POLL)
        return self.attempts(marker)

    @property
    def _fleet(self) -> RunningFleet:
        assert self._running is not None, "a FleetThread is used inside its with block"
        return self._running

    def _call(self, function: Callable[[], T]) -> T:
        return self._asked(lambda: trio.from_thread.run_sync(function, trio_token=self._token))

    def _wait(self, function: Callable[[], Awaitable[None]]) -> None:
        self._asked(lambda: trio.from_thread.run(function, trio_token=self._token))

    def _asked(self, ask: Callable[[], T]) -> T:
        try:
            return _from_outside(ask)
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


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SteeredProvider:
    """One provider of a fleet in a thread: where to reach it, what it is to do, what it saw."""

    fleet: FleetThread
    config: ProviderConfig

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.config.name

    @property
    def base_url(self) -> str:
        """Where it is reached, as clients of its dialect want it: ending in /v1 for all that speak as OpenAI does."""
        return self.fleet.base_urls[self.name]

    @property
    def root_url(self) -> str:
        """Where it is reached, without a path."""
        return root_url(self.base_url)

    @property
    def key(self) -> str:
        """The only credential that it accepts."""
        return self.config.key

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables by which the official client of its dialect finds it."""
        return environ(self.config.dialect, base_url=self.base_url, key=self.key)

    @property
    def seen(self) -> Seen:
        """The attempts that it received, as they stand."""
        return self.fleet.attempts().at(self.name)

    def behave(self, behaviour: Behaviour, *, ttl: float | None = None) -> None:
        """Behave so; after *ttl* seconds as configured again."""
        self.fleet.set_behaviour(self.name, behaviour, ttl=ttl)

    def set_door(self, door: Door) -> None:
        """Open, close or silence its door."""
        self.fleet.set_door(self.name, door)

    def wait_idle(self, *, within: float = SETTLES_WITHIN) -> Seen:
        """Return what it saw once none of it is open; after *within* seconds as it stands. Blocks meanwhile."""
        return self.fleet.wait_idle(within=within).at(self.name)


def _from_outside(ask: Callable[[], T]) -> T:
    """Call *ask*, which waits for another thread's trio: where this thread runs a trio too, in a thread between."""
    if not trio.lowlevel.in_trio_run():
        return ask()
    with ThreadPoolExecutor(max_workers=1) as between:
        return between.submit(ask).result()
