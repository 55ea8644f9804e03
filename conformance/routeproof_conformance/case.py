"""One check while it runs: what it is about, what it may use, and what it leaves behind."""

from __future__ import annotations

import math
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from random import Random
from secrets import token_hex
from typing import Final, TypeAlias, final

import httpx2
import trio

from routeproof_conformance.calibration import Calibration
from routeproof_conformance.evidence import Evidence
from routeproof_conformance.launch import Launched
from routeproof_conformance.pools import Pools
from routeproof_conformance.target import Target
from routeproof_simulator import FleetClient

#: Bodies are recorded as they pass, so nothing but plain text is accepted unless a check says otherwise.
PLAIN: Final = {"accept-encoding": "identity"}


Launcher: TypeAlias = Callable[[str], AbstractContextManager[Launched]]  # given the name of the file for its output

HEALING: Final = 5.0  #: seconds that the last healing of a check may take


@cache
def _tls() -> ssl.SSLContext:
    """Return what verifies HTTPS; once for all checks, for reading the certificates takes longer than most of them."""
    return httpx2.create_ssl_context(trust_env=False)


@final
@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all checks of a run share: the target, its providers, and the seed."""

    target: Target
    seed: int
    calibration: Calibration
    pools: Pools
    control_url: str | None = None  # of the fleet; None: the providers are not ours
    secrets: dict[str, str] = field(default_factory=dict[str, str], repr=False)  # provider -> the gateway's key there
    launch: Launcher | None = None  # starts one more gateway of the target; None: the judge started none


@final
@dataclass(kw_only=True)
class Case:
    """One check of a run; its clients live as long as `opened`."""

    bench: Bench
    name: str
    requirements: tuple[str, ...]
    evidence: Evidence = field(default_factory=Evidence)
    rng: Random = field(default_factory=Random)
    #: Makes the markers of one run differ from those of an earlier one, whose attempts a fleet may still remember.
    marker_seed: str = field(default_factory=partial(token_hex, 8))
    _client: httpx2.AsyncClient | None = None
    _fleet: FleetClient | None = None

    @property
    def requirement(self) -> str:
        """The id that an unreadable answer breaks: the check's first."""
        return self.requirements[0] if self.requirements else "universal.gateway.alive"

    @property
    def client(self) -> httpx2.AsyncClient:
        """The HTTP client, without retries, redirects or a proxy of the environment."""
        assert self._client is not None, "a check's clients are used outside of the check"
        return self._client

    @property
    def fleet(self) -> FleetClient | None:
        """The providers' control, or None where they are not ours."""
        return self._fleet

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None]:
        """Open the clients for the block; every provider is healed before and after it."""
        limits = httpx2.Limits(max_connections=256, max_keepalive_connections=0)
        transport = httpx2.AsyncHTTPTransport(verify=_tls(), retries=0, limits=limits, trust_env=False)
        async with httpx2.AsyncClient(
            transport=transport, headers=PLAIN, timeout=math.inf, trust_env=False
        ) as self._client:
            if self.bench.control_url is None:
                yield
                return
            control = httpx2.AsyncHTTPTransport(verify=_tls(), trust_env=False)
            async with FleetClient(self.bench.control_url, transport=control) as self._fleet:
                await self._fleet.heal()
                try:
                    yield
                finally:
                    # Cancelled too, a check leaves no fault behind; the control port answers in milliseconds.
                    with trio.move_on_after(HEALING, shield=True):
                        if not self._fleet.is_healed:
                            await self._fleet.heal()
