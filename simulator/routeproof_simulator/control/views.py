"""What goes in and out of the control API, as types."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from msgspec import Meta, Struct

from routeproof_simulator import spelling
from routeproof_simulator.door_states import Door
from routeproof_simulator.schedules.performance import PerformanceView, Scale

TTL_MAX: Final = 7 * 86400  #: seconds

Ttl: TypeAlias = Annotated[float, Meta(gt=0, le=TTL_MAX)]


class BehaviourChange(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `PUT /providers/{name}/behaviour`; after *ttl* seconds the behaviour is as configured again."""

    behaviour: Any
    ttl: Ttl | None = None


class DoorChange(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `PUT /providers/{name}/door`; after *ttl* seconds the door is as configured again."""

    door: Door
    ttl: Ttl | None = None


class Undoing(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /undo`: the number of the *change* that is meant, where it must be the last one."""

    change: int | None = None


class Cast(Struct, frozen=True, forbid_unknown_fields=True):
    """One provider in a scenario; what is not said is as configured."""

    behaviour: Any = None
    door: Door | None = None


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `PUT /scenario`: all providers at once, those that are not named as configured; and what is next.

    *fault* is a schedule as a scenario's file spells it, played with *seed*, *scale* times as fast. After *ttl* seconds
    the providers are as configured again, and the schedule ends.
    """

    providers: dict[str, Cast] = {}
    fault: Any = None
    seed: int = 0
    scale: Scale = 1.0
    ttl: Ttl | None = None


class ProviderView(Struct, frozen=True):
    """One provider as `GET /fleet` shows it; its key is not shown. Times are on the clock of `FleetView.now`."""

    name: str
    base_url: str
    models: tuple[str, ...]
    behaviour: spelling.Spelled
    configured: spelling.Spelled
    door: Door
    configured_door: Door = Door.OPEN
    dialect: str = ""
    says: str = ""  # the behaviour in words
    beyond: str = ""  # in words, what of it is not configured
    behaviour_until: float | None = None  #: seconds
    door_until: float | None = None  #: seconds
    attempts: int = 0  # that have ended
    failed: int = 0  # of them, with an error or without their end
    running: int = 0


class ChangeView(Struct, frozen=True):
    """The change that `POST /undo` would revert."""

    change: int
    says: str


class CastView(Struct, frozen=True):
    """One provider as it stands in a scenario."""

    behaviour: spelling.Spelled
    door: Door


class ScenarioView(Struct, frozen=True):
    """The body of `GET /scenario`: what stands, as `PUT /scenario` would set it, and what is next."""

    providers: dict[str, CastView]
    schedule: PerformanceView | None
    until: float | None  #: seconds; when the schedule ends before its time
    now: float  #: seconds; the clock of *until*


class FleetView(Struct, frozen=True):
    """The body of `GET /fleet`."""

    providers: tuple[ProviderView, ...]
    now: float = 0.0  #: seconds; the clock of all times that the control API shows
    undo: ChangeView | None = None
    schedule: PerformanceView | None = None
    dropped: int = 0  # attempts that the journal has no room for any more


class AttemptView(Struct, frozen=True, omit_defaults=True):
    """An attempt as the live stream shows it: what it was, without its bodies."""

    sequence: int
    provider: str
    received_at: float
    marker: str | None = None
    path: str = ""
    status: int | None = None
    faults: tuple[str, ...] = ()
    first_byte_at: float | None = None
    ended_at: float | None = None  # None: it goes on
    ended: str | None = None
    peer_gone_at: float | None = None
    frames: int = 0
    asks: str | None = None  # the same for all attempts of one request that bears no marker
