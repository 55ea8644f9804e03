"""Quart-Trio with the two things that the gateway asks of it beyond its own: a name and an end for every request."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Final, cast, final

import trio
from hypercorn.typing import ASGISendCallable
from quart import request
from quart.wrappers import Request
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection

_LOG: Final = logging.getLogger("routeproof.gateway")
_VISIT: Final = "routeproof.visit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request from its first byte to its answer's last, or to the client's departure."""

    id: str
    began: float  #: seconds on Trio's clock
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)  # what is closed with it


def visit() -> Visit:
    """Return the visit that the current task serves."""
    return cast("Visit", request.scope[_VISIT])  # type: ignore[typeddict-item]  # the scope is open to keys of one's own


@final
class _Connection(TrioASGIHTTPConnection):
    """Quart-Trio cancels this task when the client leaves. A streamed answer outlives its handler, and where the client
    leaves before the body is begun nobody would close it: so whatever a request holds is closed here, with the task."""

    async def handle_request(  # type: ignore[override]  # Quart-Trio adds the nursery to Quart's signature
        self, nursery: trio.Nursery, request: Request, send: ASGISendCallable
    ) -> None:
        app = cast("Gateway", self.app)
        new = Visit(id=app.new_id(), began=trio.current_time())
        request.scope[_VISIT] = new  # type: ignore[typeddict-unknown-key]
        async with new.stack:
            await super().handle_request(nursery, request, send)


@final
class Gateway(QuartTrio):
    """The ASGI app."""

    asgi_http_class = _Connection

    def __init__(self, rng: Random) -> None:
        super().__init__("routeproof_reference_server", static_folder=None)
        self._rng = rng
        self.url_map.merge_slashes = False  # a path is taken as it comes, never redirected

    def new_id(self) -> str:
        """Return a request id that no other request has: 96 random bits."""
        return f"req-{self._rng.getrandbits(96):024x}"

    def log_exception(
        self,
        exception_info: tuple[type, BaseException, TracebackType] | tuple[None, None, None],
    ) -> None:
        """Log a fault of our own under the request id that the client was told."""
        _LOG.error("request %s: %s %s", visit().id, request.method, request.path, exc_info=exception_info)
