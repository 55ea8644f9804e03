"""What the providers of a fleet saw and did, attempt by attempt, within bounds.

An attempt is entered when its request is complete, and stays open until its answer has ended: an open one has
`ended_at == 0.0`. The oldest are dropped beyond the bounds, and counted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator

from msgspec import Struct, structs

from routeproof_simulator.received import Received
from routeproof_simulator.script import Head
from routeproof_simulator.seen import Seen
from routeproof_simulator.tally import Tally
from routeproof_spec.history import Attempt, Ended, Frame
from routeproof_spec.redaction import redact_headers

ATTEMPTS_MAX = 20_000
BYTES_MAX = 16 * 2**20
REQUEST_BODY_BYTES_MAX = 2**20  # of one attempt; what is beyond is not kept
ANSWER_BODY_BYTES_MAX = 2**20
#: About what Python needs to hold an attempt, each of the moments in which frames went out, and each frame.
OVERHEAD_BYTES, SENT_OVERHEAD_BYTES, FRAME_OVERHEAD_BYTES = 2048, 144, 48


class Entry(Struct, eq=False):
    """One attempt while it goes on: the wire tells it what happens."""

    provider: str
    request: Received
    marker: str | None = None
    index: int = 0  # 0-based among those with the same marker at this provider
    tally: Tally | None = None  # told once, at the end
    head: Head | None = None  # of the answer, as put on the wire
    faults: tuple[str, ...] = ()
    keeper: Journal | None = None
    sequence: int = 0  # in the journal
    counted: int = 0  # bytes, as the journal counted them when the answer ended
    _sent: list[tuple[float, list[bytes]]] = []  # frames by the moment in which they went out together
    _frame_count: int = 0
    _frame_bytes: int = 0
    _peer_gone_at: float | None = None
    _ended: Ended | None = None
    _ended_at: float = 0.0
    _calls: tuple[Callable[[], None], ...] = ()

    def __post_init__(self) -> None:
        """Keep no more of the request than may be kept."""
        if len(self.request.body) > REQUEST_BODY_BYTES_MAX:
            self.request = structs.replace(self.request, body=self.request.body[:REQUEST_BODY_BYTES_MAX])

    @property
    def status(self) -> int | None:
        """The status of the answer, None where none was sent."""
        return None if self.head is None else self.head.status

    @property
    def is_open(self) -> bool:
        """Whether the answer has not ended."""
        return self._ended is None

    @property
    def size(self) -> int:
        """How many bytes the attempt holds: bodies, and what Python needs to hold them."""
        overhead = SENT_OVERHEAD_BYTES * len(self._sent) + FRAME_OVERHEAD_BYTES * self._frame_count
        return OVERHEAD_BYTES + overhead + len(self.request.body) + self._frame_bytes

    def sent(self, frames: list[bytes], at: float) -> None:
        """Note *frames* that went out together, or as much of them as is kept."""
        size = sum(map(len, frames))
        room = ANSWER_BODY_BYTES_MAX - self._frame_bytes
        if size > room:
            frames, size = _first_bytes(frames, room), room
        if frames:
            self._frame_count += len(frames)
            self._frame_bytes += size
            self._sent.append((at, frames))

    def when_ended(self, call: Callable[[], None]) -> None:
        """Let *call* be called once, when the answer ends."""
        assert self.is_open
        self._calls = (*self._calls, call)

    def peer_gone(self, at: float) -> None:
        """Note that the peer went away before the end."""
        self._peer_gone_at = at
        self.end(Ended.LEFT, at)

    def end(self, how: Ended, at: float) -> None:
        """Note how the answer ended; the first word stands."""
        if self._ended is None:
            self._ended, self._ended_at = how, at
            request, sent = self.request, self._sent
            if self.tally is not None:
                seconds = sent[0][0] - request.at if sent else None
                self.tally.count(self.status, how, self.faults, self._frame_bytes, seconds, not request.reused)
            if self.keeper is not None:
                self.keeper.ended(self)
            if self._calls:
                calls, self._calls = self._calls, ()
                for call in calls:
                    call()

    def attempt(self) -> Attempt:
        """Return the attempt as it stands."""
        request = self.request
        return Attempt(
            provider=self.provider,
            marker=self.marker,
            index=self.index,
            connection=request.connection,
            reused=request.reused,
            method=request.method,
            path=request.path,
            request_headers=request.head.redacted,
            request_body=request.body,
            received_at=request.at,
            status=self.status,
            faults=self.faults,
            answer_headers=() if self.head is None else redact_headers(self.head.headers),
            frames=tuple(Frame(at=at, data=data) for at, frames in self._sent for data in frames),
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
        self._open = 0  # of the entries held, how many have not ended
        self._marked: dict[str, list[int]] = {}
        self._closed_bytes = 0  # of entries known to have ended
        self.last = 0  # the sequence number of the newest attempt; the first is 1
        self.dropped = 0  # how many attempts were dropped for want of room

    def enter(self, entry: Entry) -> None:
        """Take *entry* in and give it the next sequence number."""
        self.last = entry.sequence = self.last + 1
        entry.keeper = self
        entries = self._entries
        entries[entry.sequence] = entry
        self._open += 1
        if entry.marker is not None:
            self._marked.setdefault(entry.marker, []).append(entry.sequence)
        while self._closed_bytes > self._bytes_max or len(entries) > self._attempts_max:
            sequence, oldest = entries.popitem(last=False)
            if oldest.is_open:
                self._open -= 1
            else:
                self._closed_bytes -= oldest.counted
            if oldest.marker is not None:
                self._unmark(oldest.marker, sequence)
            self.dropped += 1

    def ended(self, entry: Entry) -> None:
        """Take note that *entry*, which was entered, has ended."""
        if entry.sequence in self._entries:
            self._open -= 1
            size = entry.counted = entry.size
            self._closed_bytes += size

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

    def of(self, marker: str) -> Seen:
        """Return the attempts that bear *marker*."""
        return Seen(entry.attempt() for _, entry in self.since(marker=marker))

    @property
    def attempts(self) -> Seen:
        """All attempts held."""
        return Seen(entry.attempt() for entry in self._entries.values())

    @property
    def open_count(self) -> int:
        """How many attempts have not ended."""
        return self._open

    @property
    def dropped_to(self) -> int:
        """The number of the newest attempt that is no longer held, 0 where all are."""
        return next(iter(self._entries), self.last + 1) - 1

    def clear(self) -> None:
        """Forget all attempts; numbers go on, and those still open end unseen."""
        self._entries.clear()
        self._open = 0
        self._marked.clear()
        self._closed_bytes = 0
        self.dropped = 0

    def _unmark(self, marker: str, sequence: int) -> None:
        numbers = self._marked[marker]
        numbers.remove(sequence)
        if not numbers:
            del self._marked[marker]


def _first_bytes(frames: list[bytes], count: int) -> list[bytes]:
    kept: list[bytes] = []
    for frame in frames:
        if count <= 0:
            break
        kept.append(frame[:count])
        count -= len(frame)
    return kept
