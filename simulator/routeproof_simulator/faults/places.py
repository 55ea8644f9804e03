"""Where in an answer a fault sets in."""

from __future__ import annotations

from dataclasses import dataclass

from routeproof_simulator.algebra import Behaviour
from routeproof_simulator.ranges import Frames, Offset, OutOfRangeError
from routeproof_simulator.script import Place, Script, after_frames, split_after_bytes, split_before


@dataclass(frozen=True, slots=True)
class Placed(Behaviour):
    """A fault that sets in at one place, said in one of three ways; itself none."""

    frames: Frames | None = None
    before: Place | None = None
    bytes: Offset | None = None

    def __post_init__(self) -> None:
        Behaviour.__post_init__(self)
        said = [name for name in ("frames", "before", "bytes") if getattr(self, name) is not None]
        if len(said) != 1:
            raise OutOfRangeError("place", found=said, wanted="exactly one of frames, before, bytes")

    def split(self, script: Script) -> tuple[Script, Script] | None:
        """Return *script* parted at the place, or None where it has no such place."""
        if self.before is not None:
            return split_before(script, self.before)
        if self.bytes is not None:
            return split_after_bytes(script, self.bytes)
        assert self.frames is not None
        index = after_frames(script, self.frames)
        return None if index is None else (script[:index], script[index:])
