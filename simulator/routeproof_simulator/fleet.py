"""A fleet of fake providers: its configuration, and the same fleet served on loopback sockets."""

from __future__ import annotations

import errno
import platform
import re
import socket
import struct
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, final

import msgspec
import trio
from msgspec import Meta

from routeproof_simulator import spelling
from routeproof_simulator.control import Control
from routeproof_simulator.dialects import DIALECTS, Persona
from routeproof_simulator.door import accept, stand_at_door
from routeproof_simulator.journal import Journal
from routeproof_simulator.provider import Door, Provider
from routeproof_spec.config import read_toml
from routeproof_spec.errors import ConfigError, RouteproofError

THREE: Final = Path(__file__).with_name("fleets") / "three.toml"

_CONTROL: Final = ""  # among names of providers, which are never empty

BACKLOG: Final = 1024  # connections that wait to be accepted; the usual clients open hundreds at once

Port = Annotated[int, Meta(ge=0, le=65535)]
"""0 lets the system choose."""


class ProviderConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider of a fleet."""

    name: str
    key: str  # the only credential it accepts
    models: tuple[str, ...] = ()  # the ids it serves; none: whatever it is asked for
    dialect: str = "openai"
    tokens: Annotated[int, Meta(ge=1, le=10_000)] = 24  # of an ordinary answer
    behaviour: list[dict[str, dict[str, Any]]] = []  # as `spelling` has it
    door: Door = Door.OPEN
    port: Port = 0


class FleetConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fleet: the same seed gives the same texts and the same chances."""

    providers: tuple[ProviderConfig, ...]
    seed: str = "routeproof"
    control_port: Port = 0


def load_fleet(path: Path = THREE) -> FleetConfig:
    """Return the fleet in the TOML file at *path*; raises `ConfigError`."""
    config = read_toml(path, FleetConfig)
    check_fleet(config, file=str(path))
    return config


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
        spelling.decode(each.behaviour, file=file, key=f"{key}.behaviour")


@final
class Fleet:
    """The providers of *config* and their common journal, without sockets; *now* is the run's clock."""

    def __init__(self, config: FleetConfig, *, now: Callable[[], float], wall: Callable[[], float] = time.time) -> None:
        check_fleet(config, file="the fleet")
        self.journal = Journal()
        self.providers: Mapping[str, Provider] = {
            each.name: Provider(
                Persona(name=each.name, key=each.key, models=each.models, seed=config.seed, tokens=each.tokens),
                journal=self.journal,
                now=now,
                wall=wall,
                behaviour=spelling.decode(each.behaviour, file="the fleet"),
                door=each.door,
                dialect=each.dialect,
            )
            for each in config.providers
        }

    def heal(self) -> None:
        """Let every provider behave as configured."""
        for provider in self.providers.values():
            provider.heal()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunningFleet:
    """A fleet that is being served."""

    fleet: Fleet
    base_urls: Mapping[str, str]  # by provider; each ends in /v1
    control_url: str

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
    base_urls = {name: _url(ports[name]) + "/v1" for name in fleet.providers}
    async with trio.open_nursery() as nursery:
        for name, provider in fleet.providers.items():
            listen = partial(_listener, ports[name])
            await nursery.start(partial(stand_at_door, provider, listen, now=time.monotonic, reset=reset_socket))
        control = Control(fleet.providers, fleet.journal, base_urls)
        listen = partial(_listener, ports[_CONTROL])
        await nursery.start(partial(accept, control, listen, now=time.monotonic, reset=reset_socket))
        task_status.started(RunningFleet(fleet=fleet, base_urls=base_urls, control_url=_url(ports[_CONTROL])))


async def reset_socket(stream: trio.abc.HalfCloseableStream) -> None:
    """Close *stream*, a socket, so that the peer gets a reset."""
    assert isinstance(stream, trio.SocketStream)
    with suppress(OSError):  # the peer has gone already
        # Lingering for no time discards what is unsent and answers with RST (socket(7)).
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await trio.aclose_forcefully(stream)


@contextmanager
def _kept_ports(config: FleetConfig, host: str, control_port: int | None) -> Generator[Mapping[str, socket.socket]]:
    """Hold the port of every provider, by its name, and that of the control API, for the length of the block."""
    with ExitStack() as stack:
        ports = {
            each.name: stack.enter_context(_kept_port(host, each.port, f"provider '{each.name}'"))
            for each in config.providers
        }
        port = config.control_port if control_port is None else control_port
        ports[_CONTROL] = stack.enter_context(_kept_port(host, port, "the control API"))
        yield ports


def _kept_port(host: str, port: int, whose: str) -> socket.socket:
    """Return a socket that holds *port* without listening, so that the port stays ours while a door refuses."""
    keeper = _reusing(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        keeper.bind((host, port))
    except OSError as error:
        keeper.close()
        if error.errno == errno.EADDRINUSE:
            mend = "end the program that listens there, or set another port (0 lets the system choose)"
            raise RouteproofError(f"port {port} of {host}, meant for {whose}, is in use: {mend}") from error
        reason = error.strerror or str(error)
        raise RouteproofError(f"port {port} of {host}, meant for {whose}, cannot be opened: {reason}") from error
    return keeper


def _listener(keeper: socket.socket) -> trio.SocketListener:
    """Return a listener at the address that *keeper* holds."""
    listening = _reusing(keeper.family)
    listening.bind(keeper.getsockname())
    listening.listen(BACKLOG)
    return trio.SocketListener(trio.socket.from_stdlib_socket(listening))


def _reusing(family: socket.AddressFamily) -> socket.socket:
    # On Linux two sockets share a port while only one of them listens; elsewhere they need to say so in another way.
    one = socket.socket(family, socket.SOCK_STREAM)
    option = socket.SO_REUSEADDR if platform.system() == "Linux" else socket.SO_REUSEPORT
    one.setsockopt(socket.SOL_SOCKET, option, 1)
    return one


def _url(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
