"""The door of a provider: what happens to a connection before HTTP, on sockets and in memory alike."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeAlias, TypeVar, final

import trio

from routeproof_simulator.door_states import Door
from routeproof_simulator.provider import Provider
from routeproof_simulator.wire.connection import Reset, Responder, serve_connection
from routeproof_simulator.wire.direct import RECEIVE_BYTES
from routeproof_simulator.wire.tls import HANDSHAKE_SECONDS_MAX, Certificates, TLSStream
from routeproof_simulator.wire.visitors import Visitors

CONNECTIONS_MAX: Final = 4096  # of one provider

S = TypeVar("S", bound=trio.abc.HalfCloseableStream)
Listen: TypeAlias = Callable[[], trio.abc.Listener[S]]
Meet: TypeAlias = Callable[[S, int], Awaitable[None]]
"""What is done with a connection, given with its number; closing it is left to the caller."""


async def stand_at_door(
    provider: Provider,
    listen: Listen[S],
    *,
    now: Callable[[], float],
    reset: Reset,
    certificates: Certificates | None = None,
    connections_max: int = CONNECTIONS_MAX,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Let connections to *provider* in as its door says, until cancelled; a change of door ends those there are.

    *listen* opens a listener at the provider's address; while none is open, the address must refuse. *now* and *reset*
    are as for `serve_connection`. A provider of TLS needs *certificates*. *task_status* is told once the door stands
    as configured.
    """
    assert (certificates is not None) == provider.tls
    keeper = _Doorkeeper()
    provider.doorkeeper = keeper
    visitors = Visitors(connections_max)

    def behind(door: Door) -> Meet[trio.abc.HalfCloseableStream]:
        match door:
            case Door.SILENT:
                return _ignore
            case Door.RESET:
                return partial(_turn_away, reset)
            case Door.TLS_ABORT:
                return _leave_halfway
            case _:
                context = certificates.contexts[door] if certificates is not None else None
                return partial(_serve, provider, context, now=now, reset=reset, asked=visitors.asked)

    async with trio.open_nursery() as nursery:

        async def stand() -> None:
            while True:
                keeper.changed_event = trio.Event()
                async with trio.open_nursery() as inside:
                    if provider.door is not Door.REFUSED:
                        meet = behind(provider.door)
                        await inside.start(partial(_admit, visitors, meet, listen, reset=reset))
                    if not keeper.changed_event.is_set():
                        keeper.stands_event.set()
                    await keeper.changed_event.wait()
                    inside.cancel_scope.cancel()

        nursery.start_soon(stand)
        await keeper.settled()
        task_status.started()


async def accept(
    responder: Responder,
    listen: Listen[S],
    *,
    now: Callable[[], float],
    reset: Reset,
    connections_max: int = CONNECTIONS_MAX,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Accept connections until cancelled and let *responder* answer what they ask."""
    visitors = Visitors(connections_max)
    meet = partial(_serve, responder, None, now=now, reset=reset, asked=visitors.asked)
    await _admit(visitors, meet, listen, reset=reset, task_status=task_status)


async def _admit(
    visitors: Visitors,
    meet: Meet[trio.abc.HalfCloseableStream],
    listen: Listen[S],
    *,
    reset: Reset,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    async def handle(stream: S) -> None:
        with trio.CancelScope() as scope:
            number = visitors.enter(scope.cancel)
            if number is None:
                await reset(stream)
                return
            try:
                await meet(stream, number)
            finally:
                visitors.left(number)

    listener = listen()
    async with trio.open_nursery() as nursery:
        # Too many open files do not end this: it tries again a little later.
        await nursery.start(partial(trio.serve_listeners, handle, [listener]))
        task_status.started()


async def _serve(
    responder: Responder,
    context: ssl.SSLContext | None,
    stream: trio.abc.HalfCloseableStream,
    number: int,
    *,
    now: Callable[[], float],
    reset: Reset,
    asked: Callable[[int], None],
) -> None:
    """Serve requests on *stream*, over TLS where there is a *context*."""
    if context is not None:
        stream = TLSStream(stream, context)
        try:
            with trio.fail_after(HANDSHAKE_SECONDS_MAX):
                await stream.do_handshake()
        except (trio.BrokenResourceError, trio.TooSlowError):
            return  # the peer does not trust the certificate, or does not speak TLS
    await serve_connection(stream, responder, now=now, reset=reset, connection=number, asked=asked)


async def _ignore(stream: trio.abc.HalfCloseableStream, number: int) -> None:
    del stream, number
    await trio.sleep_forever()


async def _turn_away(reset: Reset, stream: trio.abc.HalfCloseableStream, number: int) -> None:
    del number
    await reset(stream)


async def _leave_halfway(stream: trio.abc.HalfCloseableStream, number: int) -> None:
    """Hear the client's hello and say nothing: the connection ends in order, and the handshake never does."""
    del number
    try:
        with trio.move_on_after(HANDSHAKE_SECONDS_MAX):
            await stream.receive_some(RECEIVE_BYTES)
    except trio.BrokenResourceError:
        return


@final
class _Doorkeeper:
    """Tells of a change of door, and waits until it has come about."""

    def __init__(self) -> None:
        self.changed_event = trio.Event()
        self.stands_event = trio.Event()

    def changed(self) -> None:
        self.changed_event.set()
        if self.stands_event.is_set():
            self.stands_event = trio.Event()

    async def settled(self) -> None:
        await self.stands_event.wait()
