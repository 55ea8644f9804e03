"""How a provider is set, as a value: read from it, and put back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from routeproof_simulator.algebra import Behaviour
from routeproof_simulator.door_states import Door
from routeproof_simulator.provider import Provider


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How one provider is set, and until when."""

    behaviour: Behaviour
    door: Door
    behaviour_until: float | None = None  #: seconds; None: until somebody changes it
    door_until: float | None = None  #: seconds

    def put(self, provider: Provider, *, now: float) -> None:
        """Set *provider* so; what should have ended by *now* ends at once."""
        provider.set_behaviour(self.behaviour, ttl=_left(self.behaviour_until, now))
        provider.set_door(self.door, ttl=_left(self.door_until, now))


def setting_of(provider: Provider) -> Setting:
    """Return how *provider* is set at this moment; what has had its time is as configured."""
    behaviour, door = provider.behaviour, provider.door
    return Setting(
        behaviour=behaviour, door=door, behaviour_until=provider.reverts_at, door_until=provider.door_reverts_at
    )


def configured(provider: Provider) -> Setting:
    """Return how *provider* is set when nothing else is said."""
    return Setting(behaviour=provider.configured, door=provider.configured_door)


def _left(until: float | None, now: float) -> float | None:
    return None if until is None else until - now
