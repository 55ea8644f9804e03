"""What the server calls: probes are answered here, everything else by the gateway of the configuration that holds.

A gateway's tenure begins when its configuration is put in place, and ends when the last request that began under it has
ended: so a change of the configuration touches nothing that is under way.
"""

from __future__ import annotations

from typing import Final, final

import trio
from hypercorn.typing import (
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    HTTPResponseStartEvent,
    HTTPScope,
    LifespanScope,
    Scope,
)

from routeproof_reference_server.asgi import Gateway, record_of
from routeproof_reference_server.headers import REQUEST_ID
from routeproof_reference_server.operations.drain import Drain, shutting_down
from routeproof_reference_server.operations.probes import Probes
from routeproof_reference_server.upstream import EVENT_STREAM, JSON

_EVENT_STREAM: Final = EVENT_STREAM.encode()
_LIFESPAN: Final[LifespanScope] = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}


@final
class Tenure:
    """The time in which one gateway answers, from its start-up to its end."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.open = 0
        self._is_retired = False
        self._over = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start the gateway, and end it when it is retired and the last of its requests is over."""
        messages: list[ASGIReceiveEvent] = [{"type": "lifespan.shutdown"}, {"type": "lifespan.startup"}]

        async def receive() -> ASGIReceiveEvent:
            if len(messages) == 1:
                await self._over.wait()
            return messages.pop()

        async def send(message: ASGISendEvent) -> None:
            if message["type"] == "lifespan.startup.complete":
                task_status.started()
            assert not message["type"].endswith("failed"), message

        await self.gateway(_LIFESPAN, receive, send)

    def entered(self) -> None:
        """One of its requests begins."""
        self.open += 1

    def left(self) -> None:
        """One of its requests is over."""
        self.open -= 1
        self._end()

    def retire(self) -> None:
        """From now on it gets no new request."""
        self._is_retired = True
        self._end()

    def _end(self) -> None:
        if self._is_retired and not self.open:
            self._over.set()


@final
class Front:
    """The ASGI app that the server calls."""

    def __init__(self, tenure: Tenure, drain: Drain, probes: Probes) -> None:
        self.tenure = tenure
        self._drain = drain
        self._probes = probes

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer one request."""
        if scope["type"] == "http" and self._probes.knows(scope["path"]):
            await self._probes.answer(scope, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await self.tenure.gateway(scope, receive, send)

    async def _serve(self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        tenure, passing = self.tenure, _Passing(scope, send)
        tenure.entered()
        self._drain.entered(passing)
        try:
            with passing.until_cut:
                await tenure.gateway(scope, receive, passing.send)
            if passing.until_cut.cancelled_caught:
                await passing.end()
        finally:
            self._drain.left(passing)
            tenure.left()


@final
class _Passing:
    """Watches an answer pass, so that it can be brought to an end of our own."""

    def __init__(self, scope: HTTPScope, send: ASGISendCallable) -> None:
        self.until_cut = trio.CancelScope()
        self._scope = scope
        self._send = send
        self._start: HTTPResponseStartEvent | None = None
        self._is_over = False

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self._is_over = True
        await self._send(message)

    def cut(self) -> None:
        record, error = record_of(self._scope), shutting_down()
        record.refused(error)
        if self._start is None:
            record.status = error.status
        self.until_cut.cancel()

    async def end(self) -> None:
        """Say that the gateway is being shut down, in the one way that is left."""
        error = shutting_down()
        if self._is_over:
            return
        if self._start is None:
            named = {**error.headers, "Content-Type": JSON, REQUEST_ID: record_of(self._scope).id}
            headers = [(name.lower().encode(), value.encode()) for name, value in named.items()]
            await self._send(
                {"type": "http.response.start", "status": error.status, "headers": headers, "trailers": False}
            )
            await self._send({"type": "http.response.body", "body": error.envelope(), "more_body": False})
        elif any(value.startswith(_EVENT_STREAM) for _, value in self._start["headers"]):
            data = b"data: %b\n\n" % error.envelope()
            await self._send({"type": "http.response.body", "body": data, "more_body": False})
