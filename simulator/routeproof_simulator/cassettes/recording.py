"""A recording provider: it stands in front of a real API, hands everything on as it comes, and keeps what was answered.

Rule 1. What the caller gets is what the API sent, when it sent it: nothing is buffered, a cut is handed on as a cut.
Rule 2. The key of the API stays here: the caller's own credential is replaced by it on the way out (`upstream`).
Rule 3. What the API did not do is not recorded: neither a caller that left, nor an API that could not be reached.
Rule 4. It listens on loopback alone: whoever reaches it spends the key.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final, TypeAlias, final

import httpx2
import msgspec
import trio

from routeproof_simulator.cassettes.cassette import FILE_BYTES_MAX, Heading, Recording
from routeproof_simulator.cassettes.scrubbing import Scrubber, secrets_of
from routeproof_simulator.cassettes.taping import HOP_BY_HOP, Tape
from routeproof_simulator.cassettes.upstream import Upstream
from routeproof_simulator.received import Received
from routeproof_simulator.recorder import ending_of
from routeproof_simulator.script import JSON, Head
from routeproof_simulator.wire.framing import LAST_CHUNK, chunk, head_bytes
from routeproof_simulator.wire.reading import Reader
from routeproof_simulator.wire.sockets import reset_when_closed
from routeproof_spec.errors import ConfigError, RouteproofError
from routeproof_spec.history import Ended, Headers, first_header

LOOPBACK: Final = "127.0.0.1"
RECEIVE_BYTES: Final = 64 * 2**10
CALLERS_MAX: Final = 256  # that are served at once; more wait
REQUEST_SECONDS_MAX: Final = 60.0  # for a request to be complete
ANSWER_SECONDS_MAX: Final = 3600.0  # of one answer
CONNECT_SECONDS_MAX: Final = 10.0
#: seconds; an official client leaves at `[DONE]`, a moment before the API has ended the stream: that is no leaving
LEAVING_GRACE: Final = 0.5

Keep: TypeAlias = Callable[[Recording], None]


@asynccontextmanager
async def recording(
    upstream: Upstream, keep: Keep, *, port: int = 0, client: httpx2.AsyncClient | None = None
) -> AsyncGenerator[str]:
    """Record *upstream* for the length of the block; yield the base URL that callers use instead of its own.

    *keep* gets each recording, before its caller can have read the end of the answer where that is possible. *client*
    is the one that asks the API. Raises `RouteproofError` for a port that is in use.
    """
    asking = client or httpx2.AsyncClient()
    try:
        listeners = await trio.open_tcp_listeners(port, host=LOOPBACK)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RouteproofError(f"the recorder cannot listen on port {port}: {reason}; set another port") from error
    bound: tuple[str, int] = listeners[0].socket.getsockname()
    recorder = _Recorder(upstream, keep, asking)
    async with asking, trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, recorder.serve, listeners)
        yield f"http://{LOOPBACK}:{bound[1]}{upstream.prefix}"
        nursery.cancel_scope.cancel()


@contextmanager
def new_cassette(path: Path, heading: Heading) -> Generator[Callable[[Recording], bool]]:
    """Create the file at *path* and yield what writes a recording to it; that returns False once the file is full.

    The file is the user's own to read. Raises `ConfigError` where it exists or cannot be created.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(file=path, key="", found="a file that exists", wanted="a new file to record to") from None
    except OSError as error:
        found = error.strerror or str(error)
        raise ConfigError(file=path, key="", found=found, wanted="a place where a file can be created") from error
    size = 0
    with os.fdopen(handle, "wb") as file:

        def write(line: bytes) -> bool:
            nonlocal size
            if size + len(line) > FILE_BYTES_MAX:
                return False
            size += len(line)
            file.write(line)
            file.flush()
            return True

        write(msgspec.json.encode(heading) + b"\n")
        yield lambda recording: write(recording.line())


@final
class _Recorder:
    def __init__(self, upstream: Upstream, keep: Keep, client: httpx2.AsyncClient) -> None:
        self._upstream = upstream
        self._keep = keep
        self._client = client
        self._room = trio.CapacityLimiter(CALLERS_MAX)
        self._timeout = httpx2.Timeout(ANSWER_SECONDS_MAX, connect=CONNECT_SECONDS_MAX)

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve one request of the caller at *stream*; the connection ends with the answer."""
        async with stream, self._room:
            caller = _Caller(stream)
            with suppress(trio.BrokenResourceError):
                reader = Reader(time.monotonic, 0)
                with trio.move_on_after(REQUEST_SECONDS_MAX):
                    await caller.ask(reader)
                if reader.refusal is not None:
                    status, message = reader.refusal
                    await caller.refuse(status, message)
                elif reader.requests:
                    await self._answer(reader.requests.popleft(), caller)

    async def _answer(self, request: Received, caller: _Caller) -> None:
        url = self._upstream.target(request)
        if url is None:
            await caller.refuse(404, f"The recorder hands on what begins with {self._upstream.prefix}/.")
            return
        own = {self._upstream.key} if self._upstream.key is not None else set[str]()
        tape = Tape(request, Scrubber(secrets_of(request) | own))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(caller.leaves, nursery.cancel_scope)
            ended, problem = await self._hand_on(request, url, caller, tape)
            recorded = tape.recording(ended, time.monotonic())
            if tape.status is None and ended not in (Ended.CUT, Ended.RESET):
                await caller.refuse(502, f"The recorder cannot reach {self._upstream.url}: {problem}.")
            elif recorded is not None:
                self._keep(recorded)
            await caller.end(ended)
            nursery.cancel_scope.cancel()

    async def _hand_on(self, request: Received, url: str, caller: _Caller, tape: Tape) -> tuple[Ended, str]:
        """Hand *request* on, and the answer back; return how it ended, and what was wrong."""
        # As bytes: the HTTP client takes text for ASCII, and a header may hold any byte (RFC 9110, section 5.5).
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self._upstream.headers(request)]
        asking = self._client.stream(
            request.method, url, headers=headers, content=request.body, timeout=self._timeout, follow_redirects=False
        )
        try:
            async with asking as response:
                told = tuple(
                    (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers.raw
                )
                tape.head(response.status_code, told, time.monotonic())
                await caller.head(request, response.status_code, told)
                async for piece in response.aiter_raw():
                    tape.piece(piece, time.monotonic())
                    await caller.send(piece)
        except httpx2.TransportError as error:
            return ending_of(error), str(error) or type(error).__name__
        return Ended.COMPLETE, ""


@final
class _Caller:
    """The application in front of the recorder; once it has left, nothing is sent to it any more."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._has_left = False
        self._is_chunked = False

    async def ask(self, reader: Reader) -> None:
        """Read one request with *reader*."""
        while not reader.requests and reader.refusal is None:
            data = await self._stream.receive_some(RECEIVE_BYTES)
            if not data:
                return
            reader.feed(data)
            if reader.wants_continue:
                reader.wants_continue = False
                await self._stream.send_all(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def leaves(self, scope: trio.CancelScope) -> None:
        """Wait until the caller has left, and let *scope* end a moment after."""
        try:
            while await self._stream.receive_some(RECEIVE_BYTES):
                pass  # a second request on this connection is not answered: the first one's answer said so
        except trio.ClosedResourceError:
            return  # by us: the answer has ended
        except trio.BrokenResourceError:
            pass
        self._has_left = True
        scope.deadline = trio.current_time() + LEAVING_GRACE

    async def head(self, request: Received, status: int, headers: Headers) -> None:
        """Send the head of an answer."""
        length = first_header(headers, "content-length")
        is_bodiless = request.method == "HEAD" or status in (204, 304)
        self._is_chunked = length is None and not is_bodiless and not request.is_http_10
        kept = [(name, value) for name, value in headers if name not in HOP_BY_HOP]
        kept += [("content-length", length)] if length is not None else []
        kept += [("transfer-encoding", "chunked")] if self._is_chunked else []
        await self._put(head_bytes(Head(status, (*kept, ("connection", "close")))))

    async def send(self, data: bytes) -> None:
        """Send *data* of the body."""
        await self._put(chunk(data) if self._is_chunked and data else data)

    async def refuse(self, status: int, message: str) -> None:
        """Send an error in the recorder's own words."""
        body = msgspec.json.encode({"error": {"message": message, "type": "recorder_error", "code": None}})
        told = (("content-type", JSON), ("content-length", str(len(body))), ("connection", "close"))
        await self._put(head_bytes(Head(status, told)) + body)

    async def end(self, ended: Ended) -> None:
        """End the answer as the API's own ended."""
        if ended is Ended.COMPLETE and self._is_chunked:
            await self._put(LAST_CHUNK)
        if ended is Ended.RESET:
            reset_when_closed(self._stream.socket)
            await trio.aclose_forcefully(self._stream)

    async def _put(self, data: bytes) -> None:
        if not self._has_left:
            try:
                await self._stream.send_all(data)
            except trio.BrokenResourceError:
                self._has_left = True
