"""One attempt at one provider: what is sent, how long it may take, and what became of it, as data.

Nothing of the client's head is handed on, its key least of all: what it wants stands in the body.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Sequence, Set
from contextlib import AsyncExitStack, aclosing, contextmanager
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, final

import httpcore2
import httpx2
import msgspec
import trio

from routeproof_reference_server.config import ProviderConfig, TimeoutsConfig
from routeproof_reference_server.dial import Dialling, Reply
from routeproof_reference_server.dialects import DIALECTS, Question, Reader, Sent
from routeproof_reference_server.patience import OutOfPatienceError, Patience
from routeproof_reference_server.payload import Label, Unpromised, said_in
from routeproof_reference_server.records import Head
from routeproof_reference_server.retry_after import RETRY_AFTER_MAX, retry_after
from routeproof_reference_server.routing.catalogue import Deployment
from routeproof_reference_server.routing.outcome import Blame, Cause, Failed, Rejected, blame
from routeproof_reference_server.scrub import Scrubber
from routeproof_reference_server.unpacking import NotUnpacked
from routeproof_spec.contract import load_contract
from routeproof_spec.errors import RemoteProtocolError
from routeproof_spec.sse import SSEDecoder

LIMITS: Final = load_contract().limits
RELAYED: Final[Set[int]] = load_contract().relayed_statuses
ERROR_BYTES_MAX: Final = 65_536  # of a provider's error that is read at all
LINGER: Final = 0.25  #: seconds that a stream gets after [DONE] to end its framing too, so that its connection lives on
CLOSE: Final = 1.0  #: seconds that closing a connection may take

JSON: Final = "application/json"
EVENT_STREAM: Final = "text/event-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One attempt as it is to be made."""

    deployment: Deployment
    question: Question
    sent: Sent  # the question in the words of the deployment's API
    label: Label
    headers: Head = ()  # beside those that every attempt has


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A whole answer, ready for the client."""

    body: bytes
    usage: msgspec.Raw | None
    latency: float  #: seconds until it was complete

    @property
    def said(self) -> int:
        """How many bytes it says."""
        return said_in(self.body)


Ended: TypeAlias = Rejected | Failed


@final
class Stream:
    """A stream whose first content has come; closed by whoever gave the stack that it was opened in."""

    def __init__(self, first: bytes, pieces: AsyncIterator[bytes], reader: Reader, clean: Callable[[str], str]) -> None:
        self.first = first  # ready for the client
        self.latency = 0.0  #: seconds until the first content
        self._pieces = pieces
        self._reader = reader
        self._clean = clean

    @property
    def usage(self) -> msgspec.Raw | None:
        """The usage that has passed so far."""
        return self._reader.usage

    @property
    def said(self) -> int:
        """How many bytes of text and of calls have passed so far."""
        return self._reader.said

    async def next(self) -> bytes | Failed | None:
        """Return the next piece for the client, or why there is none, or None after `[DONE]`."""
        try:
            with _explained():
                return await anext(self._pieces, None)
        except _Stopped as stop:
            outcome = stop.outcome
        assert isinstance(outcome, Failed), "a stream that has begun is not rejected any more"
        return replace(outcome, message=self._clean(outcome.message))


@final
class Upstream:
    """All providers, behind one pool of connections."""

    def __init__(
        self,
        dial: Dialling,
        providers: Sequence[ProviderConfig],
        timeouts: TimeoutsConfig,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._dial = dial
        self._base_urls = {each.name: each.base_url.rstrip("/") for each in providers}
        self._heads = {each.name: _head(each) for each in providers}
        self._urls: dict[tuple[str, str], httpcore2.URL] = {}
        self._timeouts = timeouts
        self._scrubber = Scrubber(keys=(each.api_key for each in providers), base_urls=self._base_urls.values())
        self._wall = wall

    async def whole(self, call: Call) -> Whole | Ended:
        """Make one attempt and return its whole answer, or why there is none."""
        began = trio.current_time()
        async with AsyncExitStack() as stack:
            try:
                with _explained():
                    pieces, patience = await self._promised(call, JSON, stack)
                    data = await _collected(pieces, patience, LIMITS.response_bytes_max)
                    dialect = DIALECTS[call.deployment.api]
                    body, usage = dialect.answer(data, call.question, self._dated(call.label))
            except _Stopped as stop:
                return self._cleaned(stop.outcome)
        return Whole(body=body, usage=usage, latency=trio.current_time() - began)

    async def stream(self, call: Call, stack: AsyncExitStack) -> Stream | Ended:
        """Make one attempt and return its stream, which lives as long as *stack*, or why there is none."""
        began = trio.current_time()
        async with AsyncExitStack() as opened:
            try:
                with _explained():
                    pieces, patience = await self._promised(call, EVENT_STREAM, opened)
                    reader = DIALECTS[call.deployment.api].reader(call.question, self._dated(call.label))
                    events = await opened.enter_async_context(aclosing(_events(pieces, patience, reader)))
                    stream = Stream(await anext(events), events, reader, self._scrubber.clean)
            except _Stopped as stop:
                return self._cleaned(stop.outcome)
            stack.push_async_exit(opened.pop_all())
        stream.latency = trio.current_time() - began
        return stream

    async def _promised(
        self, call: Call, media_type: str, stack: AsyncExitStack
    ) -> tuple[AsyncGenerator[bytes, None], Patience]:
        """Return the body of an answer that has the status and the content type that it should have."""
        patience = Patience(self._timeouts)
        with patience.spent():
            reply = await self._dial.ask(self._request(call, media_type), patience.connected)
        patience.head_came()
        stack.push_async_callback(_close, reply)
        pieces, status = reply.pieces, reply.status
        match blame(status, RELAYED):
            case Blame.NOBODY:
                found = (reply.header(b"content-type") or "").partition(";")[0].strip().lower()
                if found != media_type:
                    raise Unpromised(f"it answered with {found or 'no content type'} where {media_type} was due")
                return pieces, patience
            case blamed:
                refusal = DIALECTS[call.deployment.api].refusal(status, await _body(pieces, patience))
                if blamed is Blame.CLIENT and not refusal.is_ours:
                    raise _Stopped(Rejected(status=status, message=refusal.text))
                asked = retry_after(httpx2.Headers(reply.headers), self._wall())
                if asked is None and refusal.retry_after is not None:
                    asked = min(refusal.retry_after, RETRY_AFTER_MAX)
                text = refusal.text or f"it answered {status}"
                raise _Stopped(Failed(cause=Cause.STATUS, message=text, status=status, retry_after=asked))

    def _request(self, call: Call, media_type: str) -> httpcore2.Request:
        provider, sent = call.deployment.provider, call.sent
        return httpcore2.Request(
            b"POST",
            self._url(provider, sent.path),
            headers=[
                *self._heads[provider],
                (b"accept", media_type.encode()),
                (b"content-length", b"%d" % len(sent.body)),
                *call.headers,
            ],
            content=sent.body,
        )

    def _url(self, provider: str, path: str) -> httpcore2.URL:
        """Return where *path* is at *provider*; what is parsed once is kept, for there are few of them."""
        place = provider, path
        if place not in self._urls:
            self._urls[place] = _parsed(self._base_urls[provider] + path)
        return self._urls[place]

    def _dated(self, label: Label) -> Label:
        return replace(label, created=int(self._wall()))

    def _cleaned(self, outcome: Ended) -> Ended:
        return replace(outcome, message=self._scrubber.clean(outcome.message))


def _head(provider: ProviderConfig) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers that every request to *provider* has."""
    return (
        (b"host", httpx2.URL(provider.base_url).netloc),
        *DIALECTS[provider.api].credentials(provider.api_key),
        (b"content-type", JSON.encode()),
        (b"accept-encoding", b"identity"),
        (b"user-agent", b"routeproof"),
    )


def _parsed(text: str) -> httpcore2.URL:
    url = httpx2.URL(text)  # knows hosts of all languages
    return httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


class _Stopped(Exception):
    def __init__(self, outcome: Ended) -> None:
        super().__init__(outcome)
        self.outcome = outcome


# All that may go wrong on the way to a provider and back.
_BROKEN: Final[tuple[type[Exception], ...]] = (
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    NotUnpacked,
    RemoteProtocolError,  # of the event stream
    OutOfPatienceError,
)

# The first row that fits. A provider's own words stand in none of them.
_CAUSES: Final[Sequence[tuple[type[Exception] | tuple[type[Exception], ...], Cause, str]]] = (
    (httpcore2.TimeoutException, Cause.TIMED_OUT, "no connection came about in time"),  # the system's own
    (httpcore2.ConnectError, Cause.UNREACHABLE, "it cannot be reached"),
    ((httpcore2.NetworkError, httpcore2.ProtocolError), Cause.BROKEN, "its connection broke"),
    (NotUnpacked, Cause.UNPROMISED, "its answer cannot be decompressed"),
    (RemoteProtocolError, Cause.UNPROMISED, "its stream cannot be read"),
)


@contextmanager
def _explained() -> Generator[None]:
    """Turn what goes wrong at a provider into an outcome."""
    try:
        yield
    except Unpromised as error:
        raise _Stopped(Failed(cause=Cause.UNPROMISED, message=str(error) or "it reported an error")) from error
    except _BROKEN as error:
        raise _Stopped(_failed(error)) from error


def _failed(error: Exception) -> Failed:
    if isinstance(error, OutOfPatienceError):
        return Failed(cause=Cause.TIMED_OUT, message=str(error))
    cause, words = next((cause, words) for kinds, cause, words in _CAUSES if isinstance(error, kinds))
    return Failed(cause=cause, message=words)


async def _collected(pieces: AsyncIterator[bytes], patience: Patience, limit: int) -> bytes:
    data = bytearray()
    while True:
        with patience.spent():
            piece = await anext(pieces, None)
        if piece is None:
            return bytes(data)
        patience.moved()
        data += piece
        if len(data) > limit:
            raise Unpromised(f"its answer is longer than {limit} bytes")


async def _body(pieces: AsyncIterator[bytes], patience: Patience) -> bytes:
    """Return the body of an error, empty where it does not come whole and soon."""
    data = bytearray()
    try:
        while len(data) <= ERROR_BYTES_MAX:
            with patience.spent():  # not renewed: an error is short
                data += await anext(pieces)
    except StopAsyncIteration:
        return bytes(data)
    except _BROKEN:
        return b""
    return b""


async def _events(pieces: AsyncIterator[bytes], patience: Patience, reader: Reader) -> AsyncGenerator[bytes, None]:
    """Yield the events as the client gets them, all at once that came at once, `[DONE]` last.

    Until something has moved the answer on nothing goes out: a role or a comment alone leaves the way to the next
    provider open.
    """
    decoder = SSEDecoder()
    left = LIMITS.stream_bytes_max
    ready: list[bytes] = []
    has_begun = False
    while not reader.is_done:
        with patience.spent():
            piece = await anext(pieces, None)
        left -= len(piece or b"")
        if left < 0:
            raise Unpromised(f"its stream is longer than {LIMITS.stream_bytes_max} bytes")
        try:
            has_begun = _take(piece, decoder, reader, patience, ready) or has_begun
        except (Unpromised, RemoteProtocolError):
            if has_begun and ready:
                yield b"".join(ready)  # what was good before it
            raise
        if has_begun and ready:
            yield b"".join(ready)
            ready.clear()
    await _linger(pieces)


def _take(piece: bytes | None, decoder: SSEDecoder, reader: Reader, patience: Patience, ready: list[bytes]) -> bool:
    """Add to *ready* what the client gets for *piece*, None where the bytes are over; return whether it may go out."""
    if piece is None:
        ready.append(reader.end())
        return True
    may_go = False
    for event in decoder.feed(piece):
        told, moves = reader.read(event)
        if told:
            ready.append(told)
        if moves:
            patience.moved()
            may_go = may_go or bool(told)
        if reader.is_done:
            break
    return may_go


async def _linger(pieces: AsyncIterator[bytes]) -> None:
    with trio.move_on_after(LINGER):
        try:
            while await anext(pieces, None) is not None:
                pass
        except _BROKEN:
            pass  # all that was promised has come


async def _close(reply: Reply) -> None:
    """Let go of the connection, at once and even while cancelled: the provider must not work for nobody."""
    with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE):
        await reply.aclose()
