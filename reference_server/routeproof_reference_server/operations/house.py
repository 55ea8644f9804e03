"""A running gateway with all that is around it: what lasts, what a new configuration replaces, and how it ends."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import final

import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from prometheus_client.core import Metric

from routeproof_reference_server.app import create_app
from routeproof_reference_server.asgi import Gateway
from routeproof_reference_server.config import GatewayConfig, KeyConfig, LogLevel
from routeproof_reference_server.ledger.issued import IssuedKeys
from routeproof_reference_server.ledger.ledger import Ledger
from routeproof_reference_server.ledger.opening import Sharing, sharing
from routeproof_reference_server.ledger.store import Store
from routeproof_reference_server.limits.limiter import Limiter
from routeproof_reference_server.limits.month import Amount, Month
from routeproof_reference_server.limits.shared import Shared
from routeproof_reference_server.operations.drain import Drain
from routeproof_reference_server.operations.front import Front, Tenure
from routeproof_reference_server.operations.log import Log
from routeproof_reference_server.operations.metrics import Metrics, gauge
from routeproof_reference_server.operations.probes import Check, Probes
from routeproof_reference_server.operations.reload import fixed
from routeproof_reference_server.operations.tally import Tally
from routeproof_reference_server.operations.tracing import END_SECONDS_MAX, Tracing
from routeproof_reference_server.records import Observer, Observers
from routeproof_spec.errors import RouteproofError


@final
class House:
    """Owns what outlives a configuration: the log, the sums, and what is under way."""

    def __init__(self, config: GatewayConfig, log: Log, nursery: trio.Nursery) -> None:
        self._config = config
        self._log = log
        self._nursery = nursery
        self._drain = Drain()
        self._tally = Tally()
        self._ledger = self._opened(config)
        self._shared = Shared()
        self._sharing = self._shares(config)
        self._limits = self._limiter()
        self._tracing = Tracing(config.tracing, time.time) if config.tracing.enabled else None
        observers: list[Observer] = [self._tally, log]
        if self._ledger is not None:
            observers.insert(0, self._ledger)
        if self._tracing is not None:
            observers.append(self._tracing)
        self._observer = Observers(observers)
        checks: dict[str, Check] = {"configuration": lambda: None, "shutdown": self._leaving}
        if self._ledger is not None:
            checks["ledger"] = self._ledger.trouble
        self.front = Front(Tenure(self._gateway(config)), self._drain, Probes(checks))
        self._beside = Probes(checks, Metrics(self._tally, [self._connections, self._breakers, self._shared_ledger]))

    async def open(self) -> None:
        """Start the first gateway."""
        if self._ledger is not None:
            self._nursery.start_soon(self._book, self._ledger)
        await self._nursery.start(self.front.tenure.run)

    async def operations(self, scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """The ASGI app on the operator's own port."""
        if scope["type"] == "http":
            await self._beside.answer(scope, send)

    async def follow(self, reloads: trio.MemoryReceiveChannel[Callable[[], GatewayConfig]]) -> None:
        """Put each configuration that comes in the place of the present one."""
        async for load in reloads:
            try:
                # In a thread: schemas and certificates take a quarter of a second, in which nobody shall wait.
                config, gateway = await trio.to_thread.run_sync(self._built, load)
            except RouteproofError as error:
                self._log.say(LogLevel.ERROR, "reload", f"the configuration stays as it was: {error}")
                continue
            await self._change(config, gateway)

    async def _change(self, config: GatewayConfig, gateway: Gateway) -> None:
        new, old = Tenure(gateway), self.front.tenure
        gateway.router.observed.share(old.gateway.router.observed)
        await self._nursery.start(new.run)
        self.front.tenure = new
        old.retire()
        was, self._config = self._config, config
        self._log.configure(config.log)
        self._log.say(
            LogLevel.INFO, "reload", f"the new configuration holds; {old.open} requests end under the old one"
        )
        if stays := fixed(was, config):
            self._log.say(
                LogLevel.WARNING, "reload", f"until the next start these stay as they were: {', '.join(stays)}"
            )

    async def end_after(self, trigger: Callable[[], Awaitable[None]]) -> None:
        """Return when *trigger* has, and nothing is under way any more."""
        await trigger()
        server = self._config.server
        text = f"no more requests are taken; {self._drain.open} under way get {server.drain:g} seconds"
        self._log.say(LogLevel.INFO, "drain", text)
        await self._drain.run(delay=server.drain_delay, patience=server.drain)
        if self._drain.cut:
            self._log.say(
                LogLevel.WARNING, "drain", f"{self._drain.cut} requests were cut, for they did not end in time"
            )

    async def close(self) -> None:
        """End the last gateway, and send what is left of its traces."""
        self.front.tenure.retire()
        if self._tracing is not None:
            with trio.move_on_after(END_SECONDS_MAX):
                await trio.to_thread.run_sync(self._tracing.close, abandon_on_cancel=True)
        self._log.say(LogLevel.INFO, "drain", "the gateway has ended")

    def _built(self, load: Callable[[], GatewayConfig]) -> tuple[GatewayConfig, Gateway]:
        config = load()
        return config, self._gateway(config)

    def _gateway(self, config: GatewayConfig) -> Gateway:
        return create_app(
            config,
            wall=time.time,
            limits=self._limits,
            issued=self._issued,
            observer=self._observer,
            drain=self._drain,
        )

    def _connections(self) -> Iterator[Metric]:
        found = self.front.tenure.gateway.dial.connections()
        text = "Connections to providers under the configuration that holds, by whether they are busy."
        yield gauge("connections", text, ("state",), [((state,), count) for state, count in found.items()])

    def _breakers(self) -> Iterator[Metric]:
        router, now = self.front.tenure.gateway.router, trio.current_time()
        states = [
            ((place.provider, place.model, router.observed.breaker(place).state(now)), 1.0)
            for place in router.catalogue.deployments
        ]
        text = "1 for the state in which the breaker of a deployment is: closed, open or half-open."
        yield gauge("breaker", text, ("provider", "model", "state"), states)

    def _shared_ledger(self) -> Iterator[Metric]:
        # No matter of readiness: without the database all gateways would be withdrawn, and each of them can serve.
        if self._sharing is not None:
            text = "Whether the last exchange with the database that gateways share went well."
            yield gauge("ledger_shared", text, (), [((), float(self._sharing.trouble() is None))])

    def _opened(self, config: GatewayConfig) -> Ledger | None:
        path, shares = config.ledger.path, bool(config.ledger.url)
        return Ledger(Store(Path(path), shares=shares), wall=time.time, say=self._log.say) if path else None

    def _shares(self, config: GatewayConfig) -> Sharing | None:
        if self._ledger is None or not config.ledger.url:
            return None
        return sharing(config.ledger, self._ledger.store, self._shared, say=self._log.say)

    def _limiter(self) -> Limiter:
        if self._sharing is None:
            return Limiter(time.time, spent=self._spent)
        return Limiter(time.time, spent=self._spent, elsewhere=self._shared.others, sums=self._shared.sum)

    async def _book(self, ledger: Ledger) -> None:
        """Keep the ledger until cancelled; what was booked last is shared before its file is closed."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ledger.run)
                if self._sharing is not None:
                    nursery.start_soon(self._sharing.run)
        finally:
            if self._sharing is not None:
                await self._sharing.end()
            ledger.close()

    def _spent(self, key: str, month: Month) -> Amount:
        return Amount() if self._ledger is None else self._ledger.store.spent(key, month)

    def _issued(self, digest: bytes) -> KeyConfig | None:
        return None if self._ledger is None else IssuedKeys(self._ledger.store).find(digest)

    def _leaving(self) -> str | None:
        return "the gateway is being shut down" if self._drain.is_leaving else None
