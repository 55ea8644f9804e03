"""A fleet of fake providers: its configuration, and the same fleet served on loopback sockets."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal, final

import msgspec
import trio
from msgspec import Meta

from routeproof_simulator import spelling
from routeproof_simulator.access import base_url
from routeproof_simulator.cassettes.cassette import load_cassette
from routeproof_simulator.cassettes.replay import Replay
from routeproof_simulator.control import Control
from routeproof_simulator.dialects import DIALECTS, Persona
from routeproof_simulator.door_states import Door, check_door
from routeproof_simulator.journal import Journal
from routeproof_simulator.provider import Provider
from routeproof_simulator.schedules.performance import Performance
from routeproof_simulator.wire.door import CONNECTIONS_MAX, accept, stand_at_door
from routeproof_simulator.wire.sockets import kept_port, listener_at, origin_of, reset_socket, room_for_connections
from routeproof_simulator.wire.tls import issue_certificates
from routeproof_spec.config import read_toml
from routeproof_spec.errors import ConfigError

THREE: Final = Path(__file__).with_name("fleets") / "three.toml"

_CONTROL: Final = ""  # among names of providers, which are never empty

Port = Annotated[int, Meta(ge=0, le=65535)]
"""0 lets the system choose."""


class ProviderConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider of a fleet."""

    name: str
    key: str  # the only credential it accepts
    models: tuple[str, ...] = ()  # the ids it serves; none: whatever it is asked for
    dialect: str = "openai"
    tokens: Annotated[int, Meta(ge=1, le=10_000)] = 24  # of an ordinary answer
    strict: bool | Literal["values"] = True  # see `persona.Strictness`
    cassette: str = ""  # a file of recorded answers, which it says again; relative to the fleet's own file
    replay_speed: Annotated[float, Meta(gt=0)] = 1.0  # of a cassette: 2 takes half of the recorded time, inf none
    behaviour: list[dict[str, dict[str, Any]]] = []  # as `spelling` has it
    door: Door = Door.OPEN
    tls: bool = False  # served over TLS: its URL is https://, and the fleet has an authority of its own
    port: Port = 0


class FleetConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fleet: the same seed gives the same texts and the same chances."""

    providers: tuple[ProviderConfig, ...]
    seed: str = "routeproof"
    control_port: Port = 0


def load_fleet(path: Path = THREE) -> FleetConfig:
    """Return the fleet in the TOML file at *path*; raises `ConfigError`."""
    config = _beside(path, read_toml(path, FleetConfig))
    check_fleet(config, file=str(path))
    return config


def _beside(path: Path, config: FleetConfig) -> FleetConfig:
    """Return *config* with the files that it names found beside the file at *path*."""
    providers = tuple(
        msgspec.structs.replace(each, cassette=str(path.parent / each.cassette)) if each.cassette else each
        for each in config.providers
    )
    return msgspec.structs.replace(config, providers=providers)


def on_free_ports(config: FleetConfig) -> FleetConfig:
    """Return *config* with every port left to the system, so that several runs of it stand beside each other."""
    providers = tuple(msgspec.structs.replace(each, port=0) for each in config.providers)
    return msgspec.structs.replace(config, providers=providers, control_port=0)


def check_fleet(config: FleetConfig, *, file: str) -> None:
    """Raise `ConfigError` for what the types of *config* do not forbid."""
    if not config.providers:
        raise ConfigError(file=file, key="providers", found="none", wanted="at least one provider")
    for index, each in enumerate(config.providers):
        key = f"providers[{index}]"
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", each.name):
            wanted = "1 to 63 of a to z, 0 to 9 and '-' (it serves as a host name)"
            raise ConfigError(file=file, key=f"{key}.name", found=repr(each.name), wanted=wanted)
        if each.name in {other.name for other in config.providers[:index]}:
            raise ConfigError(file=file, key=f"{key}.name", found=f"'{each.name}' again", wanted="a name of its own")
        if each.dialect not in DIALECTS:
            known = ", ".join(DIALECTS)
            raise ConfigError(file=file, key=f"{key}.dialect", found=repr(each.dialect), wanted=f"one of {known}")
        if each.port and each.port in {config.control_port, *(other.port for other in config.providers[:index])}:
            wanted = "a port of its own, or 0: the system chooses"
            raise ConfigError(file=file, key=f"{key}.port", found=f"{each.port} again", wanted=wanted)
        check_door(each.door, tls=each.tls, file=file, key=f"{key}.door")
        spelling.decode(each.behaviour, file=file, key=f"{key}.behaviour")
        _replay(each)


def _replay(config: ProviderConfig) -> Replay | None:
    return Replay(load_cassette(Path(config.cassette)), speed=config.replay_speed) if config.cassette else None


@final
class Fleet:
    """The providers of *config* and their common *journal*, without sockets; *now* is the run's clock."""

    def __init__(
        self,
        config: FleetConfig,
        *,
        now: Callable[[], float],
        wall: Callable[[], float] = time.time,
        journal: Journal | None = None,
    ) -> None:
        check_fleet(config, file="the fleet")
        self.journal = Journal() if journal is None else journal
        self.providers: Mapping[str, Provider] = {
            each.name: Provider(
                Persona(
                    name=each.name,
                    key=each.key,
                    models=each.models,
                    seed=config.seed,
                    tokens=each.tokens,
                    strict=each.strict,
                ),
                journal=self.journal,
                now=now,
                wall=wall,
                behaviour=spelling.decode(each.behaviour, file="the fleet"),
                door=each.door,
                tls=each.tls,
                dialect=each.dialect,
            )
            for each in config.providers
        }
        for each in config.providers:
            self.providers[each.name].replay = _replay(each)

    def heal(self) -> None:
        """Let every provider behave as configured."""
        for provider in self.providers.values():
            provider.heal()

    def forget(self) -> None:
        """Forget all attempts, so that what comes next is answered as by a fresh fleet."""
        self.journal.clear()
        for provider in self.providers.values():
            provider.forget()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunningFleet:
    """A fleet that is being served."""

    fleet: Fleet
    base_urls: Mapping[str, str]  # by provider, as clients of its dialect want it: most with /v1
    control_url: str
    performance: Performance  # plays schedules over the providers
    ca_pem: str | None = None  # the certificate of the authority to trust, where a provider is served over TLS

    @property
    def journal(self) -> Journal:
        """What the providers saw and did."""
        return self.fleet.journal


@asynccontextmanager
async def serving_fleet(
    config: FleetConfig, *, host: str = "127.0.0.1", control_port: int | None = None
) -> AsyncGenerator[RunningFleet]:
    """Serve the fleet of *config* for the length of the block, with its control API beside.

    Journal times are `time.monotonic()`, which all processes of a machine share. Raises `RouteproofError` for a port
    that is in use.
    """
    with _kept_ports(config, host, control_port) as ports:
        async with trio.open_nursery() as nursery:
            yield await nursery.start(_serve, config, ports)
            nursery.cancel_scope.cancel()


async def serve_fleet(
    config: FleetConfig,
    *,
    host: str = "127.0.0.1",
    control_port: int | None = None,
    task_status: trio.TaskStatus[RunningFleet] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the fleet of *config* until cancelled; *task_status* gets the `RunningFleet` once every port is open.

    Raises `RouteproofError` for a port that is in use.
    """
    with _kept_ports(config, host, control_port) as ports:
        await _serve(config, ports, task_status=task_status)


async def _serve(
    config: FleetConfig,
    ports: Mapping[str, socket.socket],
    *,
    task_status: trio.TaskStatus[RunningFleet] = trio.TASK_STATUS_IGNORED,
) -> None:
    fleet = Fleet(config, now=time.monotonic)
    secured = [name for name, provider in fleet.providers.items() if provider.tls]
    certificates = issue_certificates(ports[_CONTROL].getsockname()[0]) if secured else None
    ca_pem = certificates.ca_pem if certificates is not None else None
    base_urls = {
        name: base_url(provider.dialect, origin_of(ports[name], "https" if provider.tls else "http"))
        for name, provider in fleet.providers.items()
    }
    share = min(CONNECTIONS_MAX, room_for_connections(len(ports)))
    async with trio.open_nursery() as nursery:
        for name, provider in fleet.providers.items():
            await nursery.start(
                partial(
                    stand_at_door,
                    provider,
                    partial(listener_at, ports[name]),
                    now=time.monotonic,
                    reset=reset_socket,
                    certificates=certificates if provider.tls else None,
                    connections_max=share,
                )
            )
        performance = Performance(fleet.providers, nursery, now=time.monotonic)
        control = Control(
            fleet.providers,
            fleet.journal,
            base_urls,
            performance=performance,
            forget=fleet.forget,
            now=time.monotonic,
            ca_pem=ca_pem,
        )
        nursery.start_soon(control.keep)
        listen = partial(listener_at, ports[_CONTROL])
        await nursery.start(
            partial(accept, control, listen, now=time.monotonic, reset=reset_socket, connections_max=share)
        )
        task_status.started(
            RunningFleet(
                fleet=fleet,
                base_urls=base_urls,
                control_url=origin_of(ports[_CONTROL]),
                performance=performance,
                ca_pem=ca_pem,
            )
        )


@contextmanager
def _kept_ports(config: FleetConfig, host: str, control_port: int | None) -> Generator[Mapping[str, socket.socket]]:
    """Hold the port of every provider, by its name, and that of the control API, for the length of the block."""
    with ExitStack() as stack:
        ports = {
            each.name: stack.enter_context(kept_port(host, each.port, f"provider '{each.name}'"))
            for each in config.providers
        }
        port = config.control_port if control_port is None else control_port
        ports[_CONTROL] = stack.enter_context(kept_port(host, port, "the control API"))
        yield ports
