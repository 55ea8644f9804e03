"""Attempts as they are entered and as they end, for whoever looks on.

Nothing is kept for a listener but where it stands: it reads the journal when it is ready for more. A listener that is
slow therefore holds nothing up; it misses what it had no time for, and is told how much that was.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

import msgspec
import trio
from msgspec import Raw, Struct

from routeproof_simulator.control.views import AttemptView, FleetView
from routeproof_simulator.journal import Entry, Journal
from routeproof_spec.errors import NOT_JSON

LISTENERS_MAX: Final = 32
TICK: Final = 0.1  #: seconds between two looks
AT_ONCE_MAX: Final = 500  # attempts that are told in one event; a page of the past has as many
OPEN_MAX: Final = 500  # attempts whose end a listener waits for
KEEP_ALIVE: Final = 15.0  #: seconds after which something is said, if only a comment


class _Asks(Struct, frozen=True):
    """What a request asks, in whichever dialect, as it stands."""

    messages: Raw = Raw()
    prompt: Raw = Raw()
    input: Raw = Raw()
    contents: Raw = Raw()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    entry: Entry
    size: int  # when it was told
    view: AttemptView


@final
class Watch:
    """What one listener has been told of *journal*; it has seen all attempts up to *after*, None: begin with the last.

    Pure: `look` is called when the listener is ready for more.
    """

    def __init__(self, journal: Journal, after: int | None) -> None:
        self._journal = journal
        self._open: dict[int, _Told] = {}
        # Numbers beyond the last are of a journal that is no more: the program was started anew.
        self._after = max(0, journal.last - AT_ONCE_MAX) if after is None or after > journal.last else after

    @property
    def settled(self) -> int:
        """The number up to which the listener knows how every attempt ended."""
        return min(self._open, default=self._after + 1) - 1

    def look(self) -> tuple[list[AttemptView], int]:
        """Return the attempts that are new, or other than they were told, and how many there was no room for."""
        told = [view for each in tuple(self._open.values()) if (view := self._again(each)) is not None]
        begin = max(self._after, self._journal.last - AT_ONCE_MAX)
        lost = begin - self._after
        self._after = self._journal.last
        told += [self._tell(sequence, entry) for sequence, entry in self._journal.since(begin)]
        while len(self._open) > OPEN_MAX:
            del self._open[next(iter(self._open))]
            lost += 1
        return told, lost

    def _again(self, told: _Told) -> AttemptView | None:
        before, entry = told.view, told.entry
        has_begun = before.first_byte_at is None and entry.size != told.size
        if entry.is_open and entry.status == before.status and not has_begun:
            return None
        return self._tell(before.sequence, entry)

    def _tell(self, sequence: int, entry: Entry) -> AttemptView:
        view = _view(sequence, entry)
        if view.ended_at is None:
            self._open[sequence] = _Told(entry=entry, size=entry.size, view=view)
        else:
            self._open.pop(sequence, None)
        return view


@final
class LiveStream:
    """The live stream of one listener as server-sent events; *fleet* shows the fleet at the moment of the call."""

    def __init__(self, watch: Watch, fleet: Callable[[], FleetView]) -> None:
        self._watch = watch
        self._fleet = fleet
        self._shown: FleetView | None = None
        self._quiet = 0.0

    async def next(self) -> bytes:
        """Return the next events, as soon as there are some."""
        while True:
            if self._shown is not None:
                await trio.sleep(TICK)
            if events := self._events():
                self._quiet = 0.0
                return events
            self._quiet += TICK
            if self._quiet >= KEEP_ALIVE:
                self._quiet = 0.0
                return b": nothing happens\n\n"

    def _events(self) -> bytes:
        events = b""
        fleet = self._fleet()
        lasting = _lasting(fleet)
        if lasting != self._shown:
            events += _event("fleet", fleet)
            self._shown = lasting
        told, lost = self._watch.look()
        if lost:
            events += _event("lost", {"attempts": lost})
        if told:
            events += _event("attempts", told, number=self._watch.settled)
        return events


def _lasting(fleet: FleetView) -> FleetView:
    """Return *fleet* without what changes by itself."""
    schedule = fleet.schedule and msgspec.structs.replace(fleet.schedule, elapsed=0.0)
    return msgspec.structs.replace(fleet, now=0.0, schedule=schedule)


def _event(name: str, tree: object, *, number: int | None = None) -> bytes:
    head = f"event: {name}\n" if number is None else f"event: {name}\nid: {number}\n"
    return head.encode() + b"data: " + msgspec.json.encode(tree) + b"\n\n"


def _view(sequence: int, entry: Entry) -> AttemptView:
    attempt = entry.attempt()
    is_open = entry.is_open
    return AttemptView(
        sequence=sequence,
        provider=attempt.provider,
        received_at=attempt.received_at,
        marker=attempt.marker,
        path=attempt.path,
        status=attempt.status,
        faults=attempt.faults,
        first_byte_at=attempt.frames[0].at if attempt.frames else None,
        ended_at=None if is_open else attempt.ended_at,
        ended=None if is_open else attempt.ended.value,
        peer_gone_at=attempt.peer_gone_at,
        frames=len(attempt.frames),
        asks=_fingerprint(attempt.request_body) if attempt.marker is None else None,
    )


def _fingerprint(body: bytes) -> str | None:
    """Return what is the same in all attempts of one request: a gateway hands on what is asked as it came."""
    try:
        asks = msgspec.json.decode(body, type=_Asks)
    except NOT_JSON:
        return None
    said = b"".join(bytes(each) for each in (asks.messages, asks.prompt, asks.input, asks.contents))
    return f"{zlib.crc32(said):08x}" if said else None
