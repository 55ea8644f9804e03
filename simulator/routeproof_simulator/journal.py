"""What the providers of a fleet saw and did, attempt by attempt, within bounds.

An attempt is entered when its request is complete, and stays open until its answer has ended: an open one has
`ended_at == 0.0`. The oldest are dropped beyond the bounds, and counted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

from routeproof_simulator.received import Received
from routeproof_spec.history import Attempt, Ended, Frame
from routeproof_spec.redaction import redact_headers

ATTEMPTS_MAX = 20_000
BYTES_MAX = 256 * 2**20  # of bodies, over all attempts held
REQUEST_BODY_BYTES_MAX = 2**20  # of one attempt; what is beyond is not kept
ANSWER_BODY_BYTES_MAX = 2**20


class Entry:
    """One attempt while it goes on: the wire tells it what happens."""

    def __init__(self, provider: str, request: Received, *, marker: str | None, index: int) -> None:
        # Redacted here, when it is recorded: no key can leave with a copy of the journal.
        self._headers = redact_headers(request.headers)
        self._body = request.body[:REQUEST_BODY_BYTES_MAX]
        self._provider = provider
        self._request = request
        self._index = index
        self._frames: list[Frame] = []
        self._frame_bytes = 0
        self._peer_gone_at: float | None = None
        self._ended: Ended | None = None
        self._ended_at = 0.0
        self._calls: list[Callable[[], None]] = []
        self.marker = marker
        self.status: int | None = None
        self.faults: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether the answer has not ended."""
        return self._ended is None

    @property
    def size(self) -> int:
        """How many bytes of bodies the attempt holds."""
        return len(self._body) + self._frame_bytes

    def sent(self, frames: Iterable[bytes], at: float) -> None:
        """Note *frames* that went out together, or as much of them as is kept."""
        for data in frames:
            kept = data[: ANSWER_BODY_BYTES_MAX - self._frame_bytes]
            if kept:
                self._frame_bytes += len(kept)
                self._frames.append(Frame(at=at, data=kept))

    def when_ended(self, call: Callable[[], None]) -> None:
        """Let *call* be called once, when the answer ends."""
        assert self.is_open
        self._calls.append(call)

    def peer_gone(self, at: float) -> None:
        """Note that the peer went away before the end."""
        self._peer_gone_at = at
        self.end(Ended.LEFT, at)

    def end(self, how: Ended, at: float) -> None:
        """Note how the answer ended; the first word stands."""
        if self._ended is None:
            self._ended, self._ended_at = how, at
            for call in self._calls:
                call()

    def attempt(self) -> Attempt:
        """Return the attempt as it stands."""
        request = self._request
        return Attempt(
            provider=self._provider,
            marker=self.marker,
            index=self._index,
            connection=request.connection,
            reused=request.reused,
            method=request.method,
            path=request.path,
            request_headers=self._headers,
            request_body=self._body,
            received_at=request.at,
            status=self.status,
            faults=self.faults,
            frames=tuple(self._frames),
            ended_at=self._ended_at,
            ended=self._ended or Ended.COMPLETE,
            peer_gone_at=self._peer_gone_at,
        )


class Journal:
    """The attempts of a fleet in the order in which their requests were complete."""

    def __init__(self, *, attempts_max: int = ATTEMPTS_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._attempts_max = attempts_max
        self._bytes_max = bytes_max
        self._entries: OrderedDict[int, Entry] = OrderedDict()
        self._open: dict[int, Entry] = {}
        self._marked: dict[str, list[int]] = {}
        self._closed_bytes = 0  # of entries known to have ended
        self.last = 0  # the sequence number of the newest attempt; the first is 1
        self.dropped = 0  # how many attempts were dropped for want of room

    def enter(self, entry: Entry) -> None:
        """Take *entry* in and give it the next sequence number."""
        self._settle()
        self.last += 1
        self._entries[self.last] = self._open[self.last] = entry
        if entry.marker is not None:
            self._marked.setdefault(entry.marker, []).append(self.last)
        while len(self._entries) > self._attempts_max or self._closed_bytes > self._bytes_max:
            sequence, oldest = self._entries.popitem(last=False)
            if self._open.pop(sequence, None) is None:
                self._closed_bytes -= oldest.size
            if oldest.marker is not None:
                self._unmark(oldest.marker, sequence)
            self.dropped += 1

    def since(self, sequence: int = 0, *, marker: str | None = None) -> Iterator[tuple[int, Entry]]:
        """Yield the entries after *sequence*, those of *marker* alone where one is given, with their numbers."""
        first = max(sequence, self.dropped_to) + 1
        numbers = range(first, self.last + 1) if marker is None else tuple(self._marked.get(marker, ()))
        for number in numbers:
            entry = self._entries.get(number)
            if entry is not None and number >= first:
                yield number, entry

    def is_open(self, marker: str | None = None) -> bool:
        """Whether an attempt has not ended, of those that bear *marker* where one is given."""
        if marker is None:
            return self.open_count > 0
        return any(entry.is_open for _, entry in self.since(marker=marker))

    def of(self, marker: str) -> tuple[Attempt, ...]:
        """Return the attempts that bear *marker*."""
        return tuple(entry.attempt() for _, entry in self.since(marker=marker))

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """All attempts held."""
        return tuple(entry.attempt() for entry in self._entries.values())

    @property
    def open_count(self) -> int:
        """How many attempts have not ended."""
        self._settle()
        return len(self._open)

    @property
    def dropped_to(self) -> int:
        """The number of the newest attempt that is no longer held, 0 where all are."""
        return next(iter(self._entries), self.last + 1) - 1

    def clear(self) -> None:
        """Forget all attempts; numbers go on, and those still open end unseen."""
        self._entries.clear()
        self._open.clear()
        self._marked.clear()
        self._closed_bytes = 0
        self.dropped = 0

    def _unmark(self, marker: str, sequence: int) -> None:
        numbers = self._marked[marker]
        numbers.remove(sequence)
        if not numbers:
            del self._marked[marker]

    def _settle(self) -> None:
        # The open ones are few (one a connection at most), so a look at each of them is cheap.
        ended = [sequence for sequence, entry in self._open.items() if not entry.is_open]
        for sequence in ended:
            self._closed_bytes += self._open.pop(sequence).size
