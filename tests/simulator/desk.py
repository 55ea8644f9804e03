"""The control API of a fleet without sockets, in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import trio
from trio.testing import MockClock

from routeproof_simulator.control import Control
from routeproof_simulator.fleet import Fleet
from routeproof_simulator.received import Received, RequestHead
from routeproof_simulator.schedules.performance import Performance
from routeproof_simulator.script import Head, Pull, Script
from routeproof_spec.history import Ended, Headers, first_header
from routeproof_spec.marker import in_text
from tests.simulator.asking import FLEET, body_of, chat, request

JSON_BODY: Headers = (("host", "127.0.0.1:8710"), ("content-type", "application/json"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the control API answered."""

    status: int
    headers: Headers
    script: Script

    @property
    def tree(self) -> Any:
        """The body of an answer in JSON."""
        return msgspec.json.decode(body_of(self.script))

    @property
    def error(self) -> dict[str, str]:
        """What an answer says is wrong."""
        return msgspec.convert(self.tree["error"], dict[str, str])

    def header(self, name: str) -> str | None:
        """Return the header *name*."""
        return first_header(self.headers, name)

    async def pull(self) -> bytes:
        """Return what a stream says next."""
        source = self.script[-1]
        assert isinstance(source, Pull)
        return await source.source()

    async def pull_all(self) -> bytes:
        """Return all that a stream says to its end."""
        told = b""
        while piece := await self.pull():
            told += piece
        return told


class Desk:
    """The control API of the fleet of `asking`; it is asked one request at a time."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.fleet = Fleet(FLEET, now=trio.current_time, wall=lambda: 1.7e9)
        self.providers = self.fleet.providers
        self.journal = self.fleet.journal
        urls = {name: f"http://{name}/v1" for name in self.providers}
        performance = Performance(self.providers, nursery, now=trio.current_time)
        self.control = Control(
            self.providers,
            self.journal,
            urls,
            performance=performance,
            forget=self.fleet.forget,
            now=trio.current_time,
        )

    async def ask(self, method: str, target: str, body: object = b"", headers: Headers = JSON_BODY) -> Answered:
        """Ask the control API; *body* is JSON, or bytes as they stand."""
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        head = RequestHead(method=method, target=target, headers=headers)
        reply = self.control.respond(Received(head=head, body=data, at=trio.current_time()))
        script = await reply.script() if callable(reply.script) else reply.script
        first = script[0]
        assert isinstance(first, Head)
        if not isinstance(script[-1], Pull):
            reply.entry.end(Ended.COMPLETE, trio.current_time())
        return Answered(status=first.status, headers=first.headers, script=script)

    async def shown(self) -> dict[str, Any]:
        """Return what stands, without the time."""
        tree: dict[str, Any] = (await self.ask("GET", "/scenario")).tree
        return {**tree, "now": 0.0}

    def attempts(self, count: int, marker: str = "m", *, ended: bool = True) -> None:
        """Let alpha be asked *count* times."""
        for _ in range(count):
            told = chat(messages=[{"role": "user", "content": in_text(marker)}])
            entry = self.providers["alpha"].respond(request(told)).entry
            if ended:
                entry.end(Ended.COMPLETE, trio.current_time())


def at_desk(talk: Callable[[Desk], Awaitable[None]]) -> None:
    """Run *talk* at a desk, in virtual time."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            desk = Desk(nursery)
            nursery.start_soon(desk.control.keep)
            await trio.testing.wait_all_tasks_blocked()
            await talk(desk)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))
