"""Where an answer breaks off."""

# ruff: noqa: D102 - the docstring of a behaviour says what calling it does

from __future__ import annotations

from dataclasses import dataclass
from typing import final, get_args

from routeproof_simulator.algebra import Behaviour, OutOfRangeError, Situation, within
from routeproof_simulator.script import (
    FOREVER,
    Close,
    Place,
    Script,
    Wait,
    after_frames,
    split_after_bytes,
    split_before,
)


@dataclass(frozen=True, slots=True)
class Placed(Behaviour):
    """A fault that sets in at one place, said in one of three ways; itself none."""

    frames: int | None = None
    before: Place | None = None
    bytes: int | None = None

    def __post_init__(self) -> None:
        within("frames", self.frames, low=0)
        within("bytes", self.bytes, low=0)
        said = [name for name in ("frames", "before", "bytes") if getattr(self, name) is not None]
        if len(said) != 1:
            raise OutOfRangeError("place", found=said, wanted="exactly one of frames, before, bytes")
        if self.before is not None and self.before not in get_args(Place):
            raise OutOfRangeError("before", found=self.before, wanted="one of " + ", ".join(get_args(Place)))

    def split(self, script: Script) -> tuple[Script, Script] | None:
        """Return *script* parted at the place, or None where it has no such place."""
        if self.before is not None:
            return split_before(script, self.before)
        if self.bytes is not None:
            return split_after_bytes(script, self.bytes)
        assert self.frames is not None
        index = after_frames(script, self.frames)
        return None if index is None else (script[:index], script[index:])


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

    seconds: float | None = None

    def __post_init__(self) -> None:
        Placed.__post_init__(self)
        within("seconds", self.seconds, low=0.0, above=True)

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        split = self.split(script)
        if split is None:
            return script
        return (*split[0], FOREVER) if self.seconds is None else (*split[0], Wait(self.seconds), *split[1])
