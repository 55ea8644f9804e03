"""The door of a provider: what happens to a connection before HTTP, on sockets and in memory alike."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias, TypeVar, final

import trio

from routeproof_simulator.provider import Door, Provider
from routeproof_simulator.wire import Reset, Responder, serve_connection

CONNECTIONS_MAX: Final = 4096  # of one provider; more are turned away with a reset

S = TypeVar("S", bound=trio.abc.HalfCloseableStream)
Listen: TypeAlias = Callable[[], trio.abc.Listener[S]]


async def stand_at_door(
    provider: Provider,
    listen: Listen[S],
    *,
    now: Callable[[], float],
    reset: Reset,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Let connections to *provider* in as its door says, until cancelled; a change of door ends those there are.

    *listen* opens a listener at the provider's address; while none is open, the address must refuse. *now* and *reset*
    are as for `serve_connection`. *task_status* is told once the door stands as configured.
    """
    keeper = _Doorkeeper()
    provider.doorkeeper = keeper
    async with trio.open_nursery() as nursery:

        async def stand() -> None:
            while True:
                keeper.changed_event = trio.Event()
                async with trio.open_nursery() as visitors:
                    if provider.door is not Door.REFUSED:
                        responder = provider if provider.door is Door.OPEN else None
                        await visitors.start(partial(accept, responder, listen, now=now, reset=reset))
                    if not keeper.changed_event.is_set():
                        keeper.stands_event.set()
                    await keeper.changed_event.wait()
                    visitors.cancel_scope.cancel()

        nursery.start_soon(stand)
        await keeper.settled()
        task_status.started()


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


async def accept(
    responder: Responder | None,
    listen: Listen[S],
    *,
    now: Callable[[], float],
    reset: Reset,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Accept connections until cancelled and serve them; without a *responder* hold them and read nothing."""
    count = here = 0

    async def handle(stream: S) -> None:
        nonlocal count, here
        count += 1
        here += 1
        try:
            if here > CONNECTIONS_MAX:
                await reset(stream)
            elif responder is None:
                await trio.sleep_forever()
            else:
                await serve_connection(stream, responder, now=now, reset=reset, connection=count)
        finally:
            here -= 1
            await trio.aclose_forcefully(stream)

    listener = listen()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(trio.serve_listeners, handle, [listener]))
        task_status.started()
