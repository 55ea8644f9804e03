"""Connections that wait to be asked: one task watches them all, and answers at once what can be.

A task that waits for its own socket costs a wait, a wake and a turn of the scheduler for each request: half as much as
all else that an answer needs. Here a connection's task sleeps until there is something to wait for that is no request.
Linux alone has epoll; elsewhere every connection waits for itself.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Final, TypeAlias, TypeGuard, final

import outcome
import trio
from trio.lowlevel import Abort, RunVar, Task

from routeproof_simulator.wire.direct import RECEIVE_BYTES, DirectStream

TURNS_MAX: Final = 64  # of connections, before other tasks get theirs

Take: TypeAlias = Callable[[bytes], bool]
"""Told what a connection brings (nothing: its end); returns whether the connection waits for more."""


def has_lobby(stream: object) -> TypeGuard[DirectStream]:
    """Whether *stream* can wait in the lobby."""
    return isinstance(stream, DirectStream) and hasattr(select, "epoll")


async def wait_in_lobby(stream: DirectStream, take: Take) -> None:
    """Give *take* whatever comes on *stream*, until it returns False; raises `trio.BrokenResourceError` as a read does.

    Nobody else may read from the stream meanwhile.
    """
    await _lobby().wait(stream, take)


@final
class _Lobby:
    """The lobby of one run of trio."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._here: dict[int, tuple[Task, DirectStream, Take]] = {}  # by the number of the socket's file

    async def wait(self, stream: DirectStream, take: Take) -> None:
        number = stream.socket.fileno()
        if number < 0:
            raise trio.ClosedResourceError
        self._here[number] = (trio.lowlevel.current_task(), stream, take)
        self._epoll.register(number, select.EPOLLIN)

        def give_up(_: object) -> Abort:
            self._leave(number)
            return Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(give_up)

    async def run(self) -> None:
        try:
            while True:
                await trio.lowlevel.wait_readable(self._epoll.fileno())
                turns = 0
                # Whoever was answered may have asked again meanwhile.
                while turns < TURNS_MAX and (ready := self._epoll.poll(0, TURNS_MAX)):
                    turns += len(ready)
                    for number, _ in ready:
                        self._turn(number)
        finally:
            self._epoll.close()

    def _turn(self, number: int) -> None:
        task, stream, take = self._here[number]
        try:
            data = stream.receive_now(RECEIVE_BYTES)
            if data is None or take(data):
                return
            said: outcome.Outcome[None] = outcome.Value(None)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised in the connection's own task
            said = outcome.Error(error)
        self._leave(number)
        trio.lowlevel.reschedule(task, said)

    def _leave(self, number: int) -> None:
        del self._here[number]
        self._epoll.unregister(number)


_OF_THIS_RUN: Final[RunVar[_Lobby]] = RunVar("routeproof_simulator.wire.lobby")


def _lobby() -> _Lobby:
    try:
        return _OF_THIS_RUN.get()
    except LookupError:
        lobby = _Lobby()
        _OF_THIS_RUN.set(lobby)
        # A system task: it belongs to the run, and ends with it.
        trio.lowlevel.spawn_system_task(lobby.run)
        return lobby
