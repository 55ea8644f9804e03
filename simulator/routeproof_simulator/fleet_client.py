"""A client of the control API: how a suite steers a fleet and reads what the providers saw."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self, TypeVar, final
from urllib.parse import quote, urlencode

import httpx2
import msgspec

from routeproof_simulator import spelling
from routeproof_simulator.algebra import Behaviour
from routeproof_simulator.control import FleetView, JournalPage
from routeproof_simulator.door_states import Door
from routeproof_simulator.seen import Seen
from routeproof_spec.errors import NOT_JSON, RouteproofError, TargetUnreachable
from routeproof_spec.history import Attempt

T = TypeVar("T")

_JSON: Final = {"content-type": "application/json"}
DEADLINE: Final = 10.0  #: seconds; of one exchange with the control port, beyond what it is asked to wait
PAGES_MAX: Final = 1000


@final
class FleetClient:
    """Steers the fleet whose control API is at *control_url*; use it as an async context manager, or call `aclose`.

    Every method raises `TargetUnreachable` where the control port does not answer, `RouteproofError` where it refuses.
    """

    def __init__(self, control_url: str, *, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._url = control_url
        self.is_healed = False  # whether every provider is known to behave as configured, by this client's doing
        self._client = httpx2.AsyncClient(base_url=control_url, transport=transport, trust_env=False, timeout=DEADLINE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def fleet(self) -> FleetView:
        """Return the providers as they are at this moment."""
        return _decoded(await self._ask("GET", "/fleet"), FleetView)

    async def set_behaviour(self, provider: str, behaviour: Behaviour, *, ttl: float | None = None) -> None:
        """Let *provider* behave so; after *ttl* seconds as configured again."""
        self.is_healed = False
        body = {"behaviour": spelling.encode(behaviour), "ttl": ttl}
        await self._ask("PUT", f"/providers/{quote(provider, safe='')}/behaviour", body)

    async def set_door(self, provider: str, door: Door | str) -> None:
        """Let the door of *provider* be *door*; a change ends the connections that it has."""
        self.is_healed = False
        await self._ask("PUT", f"/providers/{quote(provider, safe='')}/door", {"door": door})

    async def heal(self) -> None:
        """Let every provider behave as configured."""
        await self._ask("POST", "/heal")
        self.is_healed = True

    async def attempts(self, marker: str | None = None) -> Seen:
        """Return the attempts that bear *marker*, or all, in the order in which they were received."""
        return await self._read(marker)

    async def wait_idle(self, marker: str | None = None, *, within: float = DEADLINE) -> Seen:
        """Return the attempts once none (that bears *marker*) is open; after *within* seconds as they stand."""
        return await self._read(marker, idle_within=within)

    async def clear(self) -> None:
        """Forget all attempts, so that what comes next is answered as by a fresh fleet."""
        await self._ask("DELETE", "/journal")

    async def _read(self, marker: str | None, *, idle_within: float | None = None) -> Seen:
        attempts: list[Attempt] = []
        query: dict[str, str] = {} if marker is None else {"marker": marker}
        if idle_within is not None:
            query["idle_within"] = f"{idle_within:f}"
        after = 0
        for _ in range(PAGES_MAX):
            path = f"/journal?{urlencode(query | {'after': str(after)})}"
            page = _decoded(await self._ask("GET", path, waits=idle_within or 0.0), JournalPage)
            attempts += page.attempts
            after = page.next
            if not page.more:
                break
        return Seen(attempts)

    async def _ask(self, method: str, path: str, body: object = None, *, waits: float = 0.0) -> bytes:
        content = None if body is None else msgspec.json.encode(body)
        try:
            response = await self._client.request(
                method, path, content=content, headers=_JSON, timeout=DEADLINE + waits
            )
        except httpx2.TransportError as error:
            reason = str(error) or type(error).__name__
            raise TargetUnreachable(
                f"the providers' control API at {self._url} does not answer ({reason}): "
                "start the providers, or mend the URL"
            ) from error
        if response.status_code != 200:
            raise RouteproofError(f"the providers refused {method} {path}: {response.text[:500]}")
        return response.content


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except NOT_JSON as error:
        raise TargetUnreachable(f"what answers at the control URL is no control API of ours: {error}") from error
