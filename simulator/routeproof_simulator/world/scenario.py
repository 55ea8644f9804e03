"""A scenario: who asks what and when, what goes wrong, and what must hold all the same. One strict TOML file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from routeproof_simulator.fleet import FleetConfig, check_fleet
from routeproof_simulator.invariants import INVARIANTS, BreakerDeclared, Declared
from routeproof_simulator.schedules.schedule import Fault, Schedule, schedule_of
from routeproof_simulator.traces import read_trace
from routeproof_simulator.world.reached import STATES
from routeproof_spec.config import read_toml
from routeproof_spec.contract import load_contract
from routeproof_spec.errors import ConfigError

REQUESTS_MAX: Final = 200_000  # of one run: a history is held in memory
PROMPT_TOKENS_MAX: Final = 100_000  # of one request

Seconds: TypeAlias = Annotated[float, Meta(ge=0)]
Count: TypeAlias = Annotated[int, Meta(ge=1)]
PromptTokens: TypeAlias = Annotated[int, Meta(ge=1, le=PROMPT_TOKENS_MAX)]
Positive: TypeAlias = Annotated[float, Meta(gt=0)]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]


class Mix(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of request, and how often it is drawn."""

    model: str
    weight: Positive = 1.0
    stream: bool = False
    usage: bool = False  # a stream is to tell its usage at its end
    fallback: tuple[str, ...] | None = None  # None: the header is not sent
    strategy: str | None = None
    tokens: tuple[Count, Count] = (8, 40)  # `max_tokens`; an answer has no more than its provider's `tokens`
    prompt: tuple[PromptTokens, PromptTokens] | None = None  # tokens asked with; None: a short question
    lengths: Literal["even", "zipf"] = "even"  # how both are drawn: zipf, twice as many are half as often
    within: Positive = 120.0  #: seconds the client waits
    leave_share: Share = 0.0  # of these requests are left by their client
    leave_after: tuple[Seconds, Seconds] = (0.0, 2.0)  #: seconds, drawn evenly


class Load(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who asks what and when."""

    rate: Positive | None = None  # requests a second
    trace: str | None = None  # or who asked when by a CSV file (`traces`), a path relative to the scenario's file
    speed: Positive = 1.0  # of the trace: 2.0 is twice as fast
    mix: Annotated[tuple[Mix, ...], Meta(min_length=1)]
    arrivals: Literal["gamma", "constant"] = "gamma"
    shape: Positive = 0.5  # of the gamma distribution: below 1 it comes in bursts, 1 is Poisson


class BreakerPromise(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the gateway says of its circuit breakers."""

    failures: Count  # in a row that open one
    cooldown: Positive  #: seconds for which it stays open at least
    out_max: Positive  #: seconds after a failure for which a provider may be left alone at most

    def declared(self) -> BreakerDeclared:
        """Return it as the invariants want it."""
        return BreakerDeclared(failures=self.failures, cooldown=self.cooldown, out_max=self.out_max)


class Expect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must hold beside the invariants' own words, and what must have happened for a run to mean anything."""

    recover_within: Seconds = 10.0  #: seconds after the last heal
    leave_within: Seconds = 0.5  #: seconds
    request_within: Positive = 60.0  #: seconds
    attempts_max: Count = 8
    amplification_max: Positive = 3.0
    breaker: BreakerPromise | None = None  # without it nobody healthy may be left alone
    unless: tuple[str, ...] = ()  # invariants that are not judged, by name
    sometimes: tuple[str, ...] = ()  # states that some run of a campaign must reach


class Client(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who asks."""

    key: str


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong, for providers that somebody else's load asks."""

    fault: tuple[Fault, ...]
    seed: int = 1


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    title: str
    app: str  # "module:factory", called as factory(gateway, network=..., rng=..., wall=...)
    gateway: str  # the gateway's own configuration, a path relative to the scenario's file
    duration: Positive  #: seconds of load
    client: Client
    fleet: FleetConfig
    load: Load
    serves: dict[str, tuple[str, ...]]  # the providers behind each name a client may ask for
    seed: int = 1
    fault: tuple[Fault, ...] = ()
    expect: Expect = Expect()

    def schedule(self) -> Schedule:
        """Return what goes wrong, and when."""
        return schedule_of(self.fault, file=self.title, providers=[each.name for each in self.fleet.providers])

    def declared(self) -> Declared:
        """Return by what a history of this scenario is judged."""
        return Declared(
            serves=self.serves,
            attempts_max=self.expect.attempts_max,
            amplification_max=self.expect.amplification_max,
            leave_within=self.expect.leave_within,
            request_within=self.expect.request_within,
            recover_within=self.expect.recover_within,
            breaker=None if self.expect.breaker is None else self.expect.breaker.declared(),
            client_keys=(self.client.key,),
            provider_keys=tuple(each.key for each in self.fleet.providers),
        )


def load_scenario(path: Path) -> Scenario:
    """Return the scenario in the file at *path*; raise `ConfigError` where anything in it is wrong."""
    scenario = checked(read_toml(path, Scenario), file=str(path))
    if scenario.load.trace is not None:
        read_trace(path.parent / scenario.load.trace)
    return scenario


def load_schedule(path: Path, *, providers: Collection[str]) -> tuple[Schedule, int]:
    """Return what goes wrong at *providers* by the file at *path*, and the seed; raise `ConfigError`.

    The file is a scenario, or holds no more than `[[fault]]` and `seed`.
    """
    told = load_scenario(path) if "fleet" in read_toml(path, dict[str, Any]) else read_toml(path, Faults)
    return schedule_of(told.fault, file=str(path), providers=providers), told.seed


def checked(scenario: Scenario, *, file: str) -> Scenario:
    """Return *scenario*, or raise `ConfigError` for what the types alone do not show."""
    check_fleet(scenario.fleet, file=file)
    providers = [each.name for each in scenario.fleet.providers]
    schedule = schedule_of(scenario.fault, file=file, providers=providers, duration=scenario.duration)
    schedule.check_doors((), file=file)  # the simulated network has no TLS
    _check_names(scenario, providers, file)
    _check_load(scenario.load, scenario.duration, file)
    return scenario


def _check_load(load: Load, duration: float, file: str) -> None:
    if (load.rate is None) == (load.trace is None):
        found = "neither" if load.rate is None else "both"
        raise ConfigError(file=file, key="load", found=found, wanted="either rate or trace")
    if load.rate is not None and load.rate * duration > REQUESTS_MAX:
        found = f"about {load.rate * duration:.0f} requests"
        raise ConfigError(file=file, key="load.rate", found=found, wanted=f"at most {REQUESTS_MAX} in one run")


def _check_names(scenario: Scenario, providers: list[str], file: str) -> None:
    for name, behind in scenario.serves.items():
        for provider in behind:
            _one_of(provider, providers, file=file, key=f'serves."{name}"')
    for index, mix in enumerate(scenario.load.mix):
        for model in (mix.model, *(mix.fallback or ())):
            _one_of(model, list(scenario.serves), file=file, key=f"load.mix[{index}]")
        if mix.strategy is not None:
            _one_of(mix.strategy, list(load_contract().strategies), file=file, key=f"load.mix[{index}].strategy")
        ranges = {"tokens": mix.tokens, "prompt": mix.prompt or (1, 1), "leave_after": mix.leave_after}
        for name, (low, high) in ranges.items():
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
