"""How a gateway ends without anybody losing an answer.

    phase     /readyz  a new request                               what goes on
    OPEN      200      is served                                   is served
    LEAVING   503      is served, and its connection closed after  is served
    CLOSED    503      503, with Retry-After                       gets `drain` seconds to end, then is cut

LEAVING lasts `drain_delay` seconds: what balances the load needs that long to look at /readyz again. What is cut says
so: a stream ends in an error event, and where no answer has begun the client gets 503.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, Protocol, final

import trio

from routeproof_reference_server.errors import GatewayError
from routeproof_reference_server.headers import RETRY_AFTER

#: Seconds after which a refused client may ask again: another gateway is there at once, or this one's successor soon.
AGAIN_AFTER: Final = 1
CUT_SECONDS_MAX: Final = 3.0  #: that what is cut gets to say so


class Phase(Enum):
    """How far the end is."""

    OPEN = auto()
    LEAVING = auto()
    CLOSED = auto()


def shutting_down() -> GatewayError:
    """Return what a client is told that came too late."""
    headers = {RETRY_AFTER: str(AGAIN_AFTER), "Connection": "close"}
    return GatewayError("shutting_down", "The gateway is being shut down; ask again.", headers=headers)


class Request(Protocol):
    """One that is under way."""

    def cut(self) -> None:
        """End it, now."""
        ...


@final
class Drain:
    """Knows what is under way, and whether more is taken."""

    def __init__(self) -> None:
        self.phase = Phase.OPEN
        self.cut = 0  # requests that did not end in time
        self._open: set[Request] = set()
        self._emptied = trio.Event()

    @property
    def open(self) -> int:
        """How many requests are under way."""
        return len(self._open)

    @property
    def is_leaving(self) -> bool:
        """Whether connections are closed with their answers."""
        return self.phase is not Phase.OPEN

    def admit(self) -> None:
        """Let a request pass, or raise `GatewayError` (503)."""
        if self.phase is Phase.CLOSED:
            raise shutting_down()

    def entered(self, request: Request) -> None:
        """*request* is under way."""
        self._open.add(request)

    def left(self, request: Request) -> None:
        """*request* is over."""
        self._open.discard(request)
        if not self._open:
            self._emptied.set()

    async def run(self, *, delay: float, patience: float) -> None:
        """Go through all phases: *delay* seconds with requests, then *patience* seconds at most for what is left."""
        self.phase = Phase.LEAVING
        await trio.sleep(delay)
        self.phase = Phase.CLOSED
        with trio.move_on_after(patience):
            await self._empty()
        self.cut = self.open
        for each in self._open:
            each.cut()
        with trio.move_on_after(CUT_SECONDS_MAX):
            await self._empty()

    async def _empty(self) -> None:
        while self._open:
            self._emptied = trio.Event()
            await self._emptied.wait()
