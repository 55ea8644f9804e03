"""The providers behind the gateway, in a check's hands."""

from __future__ import annotations

from typing import final

from routeproof_conformance.case import Case
from routeproof_conformance.judge.outcome import NotDeclared, NotTestable
from routeproof_simulator import Behaviour, Door, FleetClient
from routeproof_spec.history import Attempt


@final
class Providers:
    """Give providers a behaviour for the length of a check; they are healed before and after it."""

    def __init__(self, case: Case) -> None:
        self._case = case

    @property
    def names(self) -> tuple[str, ...]:
        """The providers that pinned models name, in the order of the target file."""
        return tuple(link.provider for link in self._case.bench.target.pinned())

    def some(self, count: int) -> tuple[str, ...]:
        """Return *count* providers; raise `NotDeclared` where the pinned models name fewer."""
        if len(self.names) < count:
            raise NotDeclared(f"the target file does not declare models.pinned for {count} providers")
        return self.names[:count]

    def secret(self, provider: str) -> str:
        """Return the key that the gateway uses at *provider*; raise `NotDeclared` where it is not known."""
        secret = self._case.bench.secrets.get(provider)
        if secret is None:
            raise NotDeclared(f"the target file does not declare providers.keys_env.{provider}")
        return secret

    async def address(self, provider: str) -> str:
        """Return host and port of *provider*, as the gateway reaches it."""
        found = [each.base_url for each in (await self._fleet.fleet()).providers if each.name == provider]
        if not found:
            raise NotDeclared(f"the fleet has no provider {provider}")
        return found[0].partition("://")[2].partition("/")[0]

    async def behave(self, provider: str, behaviour: Behaviour) -> None:
        """Give *provider* this behaviour until the check ends."""
        await self._fleet.set_behaviour(provider, behaviour)

    async def behave_all(self, behaviour: Behaviour) -> None:
        """Give every provider this behaviour until the check ends."""
        for provider in self.names:
            await self.behave(provider, behaviour)

    async def door(self, provider: str, door: Door) -> None:
        """Set what *provider* does before HTTP."""
        await self._fleet.set_door(provider, door)

    async def heal(self) -> None:
        """Make every provider what it was configured to be."""
        await self._fleet.heal()

    async def attempts(self, marker: str | None = None) -> tuple[Attempt, ...]:
        """Return what the providers saw of *marker*, or of everything."""
        return await self._fleet.attempts(marker)

    async def running(self) -> int:
        """Return how many attempts the providers are at work on."""
        return sum(each.running for each in (await self._fleet.fleet()).providers)

    @property
    def _fleet(self) -> FleetClient:
        if self._case.fleet is None:
            raise NotTestable("the providers behind the gateway are not ours")
        return self._case.fleet
