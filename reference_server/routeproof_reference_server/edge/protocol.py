"""Hypercorn's HTTP/1.1, which refuses in the contract's words and speaks nothing else.

HTTP/2 and WebSockets are off: the contract has no use for them, and each would need limits of its own. An offer to
upgrade is passed over, as RFC 9110 (7.8) allows; the preface of HTTP/2 is a malformed request.
"""

from __future__ import annotations

from typing import Final, cast, final

import h11
from hypercorn.events import Closed, RawData
from hypercorn.protocol.events import Request
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.typing import H11SendableEvent

from routeproof_reference_server.edge.framing import flaw, head_bytes, origin_form
from routeproof_reference_server.edge.settings import EdgeSettings
from routeproof_reference_server.errors import GatewayError
from routeproof_reference_server.headers import REQUEST_ID

_ROWS: Final = {408: "request_timeout", 431: "headers_too_large", 503: "overloaded"}


@final
class Protocol(H11Protocol):
    """One connection's HTTP."""

    _head: bytes = b""  # that waits for what follows it

    @property
    def has_half_a_head(self) -> bool:
        """Whether a request has begun to come whose head is not complete."""
        return self.connection.their_state is h11.IDLE and bool(self.connection.trailing_data[0])

    async def refuse(self, status: int, message: str = "", headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        """Answer what is no request with *status* in the contract's envelope; the connection is to be closed then."""
        settings = cast("EdgeSettings", self.config)
        body = GatewayError(_ROWS.get(status, "malformed_request"), message).envelope()
        fields = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            *headers,
            (REQUEST_ID.encode(), settings.new_id().encode()),
            *self.config.response_headers("h11"),
        ]
        told = h11.Response(status_code=status, headers=fields), h11.Data(data=body), h11.EndOfMessage()
        parts = [self.connection.send(each) for each in told]  # at once: nobody else answers in between
        await self.send(RawData(data=b"".join(parts)))

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        """Send *event*, a response's head together with the first of its body, and no bytes not at all.

        Hypercorn has both at hand in the same moment, and sends them one by one: each is a call of the system, and
        wakes the client.
        """
        try:
            data = self.connection.send(event) or b""
        except h11.LocalProtocolError:
            if self.connection.their_state is not h11.ERROR:
                raise
            return
        data, self._head = self._head + data, b""
        if isinstance(event, h11.Response):
            self._head = data
        elif data:
            await self.send(RawData(data))

    async def _send_error_response(self, status_code: int) -> None:
        # Whatever h11 finds: a body's broken framing too, where nothing has been answered yet.
        await self.refuse(431 if status_code == 431 else 400)

    async def _check_protocol(self, event: h11.Request) -> None:
        """No other protocol is spoken here."""

    async def _create_stream(self, request: h11.Request) -> None:
        settings = cast("EdgeSettings", self.config)
        if head_bytes(request) > settings.head_bytes_max:
            await self._refuse_and_close(431)
        elif (found := flaw(request)) is not None:
            await self._refuse_and_close(400, found)
        else:
            await self._begin(request)

    async def _refuse_and_close(self, status: int, message: str = "") -> None:
        await self.refuse(status, message)
        await self.send(Closed())

    async def _begin(self, request: h11.Request) -> None:
        """Hand *request* to the app; differs from hypercorn's in that nothing but HTTP can come of it."""
        self.stream = HTTPStream(
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )
        self.keep_alive_requests += 1
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=list(request.headers),
                http_version=request.http_version.decode(),
                method=request.method.decode("ascii").upper(),
                raw_path=origin_form(request.target) or b"/",
                state=self.connection_state,
            )
        )
        await self.context.mark_request()
