"""What happens to the connection: where an answer breaks off, in what pieces it leaves, how its connection ends."""

# ruff: noqa: D102 - the docstring of a behaviour says what calling it does

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from routeproof_simulator.algebra import Behaviour, Situation
from routeproof_simulator.faults.places import Placed
from routeproof_simulator.ranges import MoreSeconds, Seconds, Size
from routeproof_simulator.script import (
    FOREVER,
    Close,
    End,
    Head,
    Op,
    Pieces,
    Script,
    Send,
    Wait,
    head_of,
    pieces,
    with_head,
)

PIECES_MAX = 100_000  # of one frame; what is beyond leaves in one


@final
@dataclass(frozen=True, slots=True)
class Cut(Placed):
    """The connection ends in order, too early; a whole answer's content-length stays true (Toxiproxy: limit_data)."""

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        split = self.split(script)
        return script if split is None else (*split[0], Close("fin"))

    def merged(self, later: Behaviour) -> Behaviour | None:
        match self, later:
            case Cut(frames=int(mine)), Cut(frames=int(other)):
                return Cut(frames=min(mine, other))
            case Cut(bytes=int(mine)), Cut(bytes=int(other)):
                return Cut(bytes=min(mine, other))
            case _:
                return self if self == later else None


@final
@dataclass(frozen=True, slots=True)
class Reset(Placed):
    """The connection is reset (Toxiproxy: reset_peer)."""

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        split = self.split(script)
        return script if split is None else (*split[0], Close("rst"))


@final
@dataclass(frozen=True, slots=True)
class Stall(Placed):
    """Nothing more comes and the connection stays open: for *seconds*, or for ever."""

    seconds: MoreSeconds | None = None

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        split = self.split(script)
        if split is None:
            return script
        return (*split[0], FOREVER) if self.seconds is None else (*split[0], Wait(self.seconds), *split[1])


@final
@dataclass(frozen=True, slots=True)
class SlowClose(Behaviour):
    """The answer is complete and says `connection: close`, and the connection ends *seconds* later (Toxiproxy)."""

    seconds: Seconds = 1.0

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        head = head_of(script)
        if head is None or _closes(script):
            return script
        return (*with_head(script, head.status, connection="close"), End(), Wait(self.seconds), Close("fin"))


@final
@dataclass(frozen=True, slots=True)
class CloseOnReuse(Behaviour):
    """The connection stays open after the answer, and ends just as the next request arrives on it."""

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        return script if head_of(script) is None or _closes(script) else (*script, Close("next"))


@final
@dataclass(frozen=True, slots=True)
class Slicer(Behaviour):
    """The body leaves in pieces of *bytes*, inside characters too, *delay* seconds apart."""

    bytes: Size
    delay: Seconds = 0.0

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        return _sliced(script, self.bytes, self.delay)


@final
@dataclass(frozen=True, slots=True)
class Drip(Behaviour):
    """The body leaves *bytes* at a time, every *seconds*, and so do *headers* if said: always alive, never done."""

    seconds: MoreSeconds
    bytes: Size = 1
    headers: bool = False

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        sliced = _sliced(script, self.bytes, self.seconds)
        if not self.headers:
            return sliced
        slow: list[Op] = []
        for op in sliced:
            slow += [op, Pieces(self.bytes, self.seconds)] if isinstance(op, Head) else [op]
        return tuple(slow)


def _sliced(script: Script, size: int, seconds: float) -> Script:
    sliced: list[Op] = []
    for op in script:
        if isinstance(op, Send):
            most = PIECES_MAX * size
            for piece in (*pieces(op.data[:most], size), op.data[most:]):
                sliced += [Send(piece, op.kind), Wait(seconds)] if piece else []
        else:
            sliced.append(op)
    return tuple(sliced)


def _closes(script: Script) -> bool:
    return any(isinstance(op, Close) for op in script)
