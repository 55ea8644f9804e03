"""One request through any HTTP client, and everything that came back, as an `Exchange`.

The same function records over real sockets, over the simulated network and in process; only the client's transport and
the clock differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import httpx2
import trio

from routeproof_spec.errors import LocalProtocolError
from routeproof_spec.history import Ended, Exchange, Frame, Headers
from routeproof_spec.marker import MARKER_HEADER
from routeproof_spec.redaction import redact_headers

BODY_BYTES_MAX: Final = 64 * 2**20

LeaveWhen: TypeAlias = Callable[[bytearray], bool]

# The HTTP client says only in words that the peer's orderly close came too soon; tests hold these two to real sockets.
CUT_IN_BODY: Final = "peer closed connection without sending complete message body"
CUT_BEFORE_HEAD: Final = "Server disconnected without sending a response"

_UNFIT = (httpx2.LocalProtocolError, httpx2.UnsupportedProtocol)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a client stays: whichever limit is reached first ends the exchange."""

    within: float = math.inf  #: seconds for the whole exchange; then it has timed out
    leave_after: float = math.inf  #: seconds; then the client goes away on purpose
    leave_when: LeaveWhen | None = None  # asked of the body so far after each piece; True: the client goes away
    deaf_when: LeaveWhen | None = None  # asked likewise; True: the client stays and reads no more
    body_bytes_max: int = BODY_BYTES_MAX  # beyond it the client goes away, for nobody reads that much


PATIENT: Final = Patience()


async def record(
    client: httpx2.AsyncClient,
    method: str,
    url: str,
    *,
    marker: str,
    headers: Headers = (),
    body: bytes = b"",
    patience: Patience = PATIENT,
    now: Callable[[], float] = trio.current_time,
) -> Exchange:
    """Send one request and return the whole exchange, however it ended; what arrived is kept in every case.

    *now* gives the seconds that are written down: give `time.monotonic` where the providers run in another process. The
    marker is sent as a header beside *headers*. Raises `LocalProtocolError` for a request that cannot be sent at all; a
    failure of the peer is data.
    """
    try:
        request = client.build_request(method, url, headers=[*headers, (MARKER_HEADER, marker)], content=body)
    except (httpx2.InvalidURL, ValueError) as error:
        raise LocalProtocolError(f"{method} {url!r} cannot be sent: {error}") from error
    taken = _Taken(now=now, patience=patience)
    sent_at = now()
    limit = min(patience.within, patience.leave_after)
    with trio.move_on_after(limit) as taken.bound:
        await taken.receive(client, request)
    if taken.bound.cancelled_caught and not taken.left:
        taken.ended = Ended.LEFT if patience.leave_after < patience.within else Ended.TIMED_OUT
        taken.detail = f"no end after {limit:g} s"
    return Exchange(
        marker=marker,
        method=method,
        path=request.url.raw_path.decode("ascii"),
        request_headers=redact_headers(_texts(request.headers.raw)),
        request_body=body,
        sent_at=sent_at,
        status=taken.status,
        headers=redact_headers(taken.headers),
        head_at=taken.head_at,
        frames=tuple(taken.frames),
        ended_at=now(),
        ended=taken.ended,
        detail=taken.detail,
    )


@dataclass(kw_only=True)
class _Taken:
    """What has arrived so far; it outlives the cancellation of the transfer."""

    now: Callable[[], float]
    patience: Patience
    bound: trio.CancelScope = field(default_factory=trio.CancelScope)
    status: int | None = None
    headers: Headers = ()
    head_at: float | None = None
    frames: list[Frame] = field(default_factory=list[Frame])
    body: bytearray = field(default_factory=bytearray)
    ended: Ended = Ended.COMPLETE
    detail: str = ""

    async def receive(self, client: httpx2.AsyncClient, request: httpx2.Request) -> None:
        try:
            response = await client.send(request, stream=True, follow_redirects=False)
            self.head_at = self.now()
            self.status = response.status_code
            self.headers = _texts(response.headers.raw)
            async for piece in response.aiter_raw():
                if not self.left:
                    self._take(piece)
                if self.patience.deaf_when is not None and self.patience.deaf_when(self.body):
                    await trio.sleep_forever()
        except _UNFIT as error:
            raise LocalProtocolError(f"{request.method} {request.url} cannot be sent: {error}") from error
        except httpx2.TransportError as error:
            if not self.left:
                self.ended, self.detail = ending_of(error), str(error) or type(error).__name__

    @property
    def left(self) -> bool:
        return self.ended is Ended.LEFT

    def _take(self, piece: bytes) -> None:
        self.frames.append(Frame(at=self.now(), data=piece))
        self.body += piece
        leave_when, body_bytes_max = self.patience.leave_when, self.patience.body_bytes_max
        if leave_when is not None and leave_when(self.body):
            self._leave(f"left after {len(self.body)} bytes of the body")
        elif len(self.body) > body_bytes_max:
            self._leave(f"the body passed {body_bytes_max} bytes")

    def _leave(self, why: str) -> None:
        # The HTTP client nests its generators. A cancelled read unwinds all of them now; leaving the loop would leave
        # the inner ones, and with them the connection, to the garbage collector.
        self.ended, self.detail = Ended.LEFT, why
        self.bound.cancel()


def ending_of(error: httpx2.TransportError) -> Ended:
    """Return how a transfer ended that raised *error*."""
    match error:
        case httpx2.TimeoutException():
            return Ended.TIMED_OUT
        case httpx2.ConnectError():
            return Ended.REFUSED
        case httpx2.RemoteProtocolError():
            return Ended.CUT if str(error).startswith((CUT_IN_BODY, CUT_BEFORE_HEAD)) else Ended.BROKEN
        case httpx2.NetworkError():
            return Ended.RESET
        case _:
            return Ended.BROKEN


def _texts(raw: list[tuple[bytes, bytes]]) -> Headers:
    return tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw)
