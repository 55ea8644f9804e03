"""A scenario: who asks what and when, what goes wrong, and what must hold all the same. One strict TOML file."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from routeproof_simulator import spelling
from routeproof_simulator.algebra import Behaviour
from routeproof_simulator.fleet import FleetConfig, check_fleet
from routeproof_simulator.invariants import INVARIANTS, Declared
from routeproof_simulator.provider import Door
from routeproof_simulator.reached import STATES
from routeproof_spec.config import read_toml
from routeproof_spec.contract import load_contract
from routeproof_spec.errors import ConfigError

REQUESTS_MAX: Final = 200_000  # of one run: a history is held in memory

Seconds: TypeAlias = Annotated[float, Meta(ge=0)]
Count: TypeAlias = Annotated[int, Meta(ge=1)]
Positive: TypeAlias = Annotated[float, Meta(gt=0)]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]


class Mix(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of request, and how often it is drawn."""

    model: str
    weight: Positive = 1.0
    stream: bool = False
    fallback: tuple[str, ...] | None = None  # None: the header is not sent
    strategy: str | None = None
    tokens: tuple[Count, Count] = (8, 40)  # drawn evenly: `max_tokens`
    within: Positive = 120.0  #: seconds the client waits
    leave_share: Share = 0.0  # of these requests are left by their client
    leave_after: tuple[Seconds, Seconds] = (0.0, 2.0)  #: seconds, drawn evenly


class Load(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who asks what and when."""

    rate: Positive  # requests a second
    mix: Annotated[tuple[Mix, ...], Meta(min_length=1)]
    arrivals: Literal["gamma", "constant"] = "gamma"
    shape: Positive = 0.5  # of the gamma distribution: below 1 it comes in bursts, 1 is Poisson


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong at one provider, from when and for how long."""

    at: Seconds
    lasts: Positive = msgspec.field(name="for")  #: seconds
    provider: str
    behaviour: list[dict[str, Any]] | None = None
    door: Door | None = None

    @property
    def until(self) -> float:
        """When it heals, in seconds."""
        return self.at + self.lasts


class Expect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must hold beside the invariants' own words, and what must have happened for a run to mean anything."""

    recover_within: Seconds = 10.0  #: seconds after the last heal
    leave_within: Seconds = 0.5  #: seconds
    request_within: Positive = 60.0  #: seconds
    attempts_max: Count = 8
    amplification_max: Positive = 3.0
    unless: tuple[str, ...] = ()  # invariants that are not judged, by name
    sometimes: tuple[str, ...] = ()  # states that some run of a campaign must reach


class Client(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who asks."""

    key: str


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    title: str
    app: str  # "module:factory", called as factory(gateway, transport=..., rng=..., wall=...)
    gateway: str  # the gateway's own configuration, a path relative to the scenario's file
    duration: Positive  #: seconds of load
    client: Client
    fleet: FleetConfig
    load: Load
    serves: dict[str, tuple[str, ...]]  # the providers behind each name a client may ask for
    seed: int = 1
    fault: tuple[Fault, ...] = ()
    expect: Expect = Expect()

    def declared(self) -> Declared:
        """Return by what a history of this scenario is judged."""
        return Declared(
            serves=self.serves,
            attempts_max=self.expect.attempts_max,
            amplification_max=self.expect.amplification_max,
            leave_within=self.expect.leave_within,
            request_within=self.expect.request_within,
            recover_within=self.expect.recover_within,
            client_keys=(self.client.key,),
            provider_keys=tuple(each.key for each in self.fleet.providers),
        )


def load_scenario(path: Path) -> Scenario:
    """Return the scenario in the file at *path*; raise `ConfigError` where anything in it is wrong."""
    return checked(read_toml(path, Scenario), file=str(path))


def behaviour_of(fault: Fault, *, file: str = "", key: str = "fault") -> Behaviour:
    """Return what the provider of *fault* does meanwhile."""
    return spelling.decode(fault.behaviour or [], file=file, key=f"{key}.behaviour")


def checked(scenario: Scenario, *, file: str) -> Scenario:
    """Return *scenario*, or raise `ConfigError` for what the types alone do not show."""
    check_fleet(scenario.fleet, file=file)
    providers = [each.name for each in scenario.fleet.providers]
    for index, fault in enumerate(scenario.fault):
        key = f"fault[{index}]"
        _one_of(fault.provider, providers, file=file, key=f"{key}.provider")
        if (fault.behaviour is None) == (fault.door is None):
            found = "neither" if fault.door is None else "both"
            raise ConfigError(file=file, key=key, found=found, wanted="either behaviour or door")
        behaviour_of(fault, file=file, key=key)
        if fault.until > scenario.duration:
            wanted = f"a fault that heals before the load ends, at {scenario.duration:g} s"
            raise ConfigError(file=file, key=f"{key}.for", found=f"an end at {fault.until:g} s", wanted=wanted)
    _check_overlap(scenario, file)
    _check_names(scenario, providers, file)
    if scenario.load.rate * scenario.duration > REQUESTS_MAX:
        found = f"about {scenario.load.rate * scenario.duration:.0f} requests"
        raise ConfigError(file=file, key="load.rate", found=found, wanted=f"at most {REQUESTS_MAX} in one run")
    return scenario


def _check_overlap(scenario: Scenario, file: str) -> None:
    ordered = sorted(enumerate(scenario.fault), key=lambda each: (each[1].provider, each[1].at))
    for (_, before), (index, after) in pairwise(ordered):
        if before.provider == after.provider and before.until > after.at:
            wanted = (
                f"at {before.until:g} s or later: the fault before it lasts so long, and one provider has one at a time"
            )
            raise ConfigError(file=file, key=f"fault[{index}].at", found=f"{after.at:g}", wanted=wanted)


def _check_names(scenario: Scenario, providers: list[str], file: str) -> None:
    for name, behind in scenario.serves.items():
        for provider in behind:
            _one_of(provider, providers, file=file, key=f'serves."{name}"')
    for index, mix in enumerate(scenario.load.mix):
        for model in (mix.model, *(mix.fallback or ())):
            _one_of(model, list(scenario.serves), file=file, key=f"load.mix[{index}]")
        if mix.strategy is not None:
            _one_of(mix.strategy, list(load_contract().strategies), file=file, key=f"load.mix[{index}].strategy")
        for name, (low, high) in (("tokens", mix.tokens), ("leave_after", mix.leave_after)):
            if low > high:
                key = f"load.mix[{index}].{name}"
                raise ConfigError(file=file, key=key, found=f"[{low:g}, {high:g}]", wanted="the smaller number first")
    for name in scenario.expect.unless:
        _one_of(name, [each.name for each in INVARIANTS], file=file, key="expect.unless")
    for name in scenario.expect.sometimes:
        _one_of(name, list(STATES), file=file, key="expect.sometimes")


def _one_of(name: str, known: list[str], *, file: str, key: str) -> None:
    if name not in known:
        raise ConfigError(file=file, key=key, found=repr(name), wanted="one of " + ", ".join(known))
