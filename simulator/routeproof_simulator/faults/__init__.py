"""The faults that a provider can be given; each a name and a few attributes with units.

Names follow Toxiproxy where it has one. Times are in seconds. Where a fault sets in is said in one of three ways:
`frames` (after so many frames; a whole answer is one frame), `before` (a place, at the moment it is due), `bytes`
(after so many bytes of the body). A place that the answer does not have changes nothing.
"""

from __future__ import annotations

from routeproof_simulator.faults.answers import Answer, Empty, ErrorIn200, Fail, Gzip, StreamError, WrongContentType
from routeproof_simulator.faults.breaks import Cut, Reset, Stall
from routeproof_simulator.faults.content import BadJson, Framing, Insert, NoDone, NoFinish, Usage
from routeproof_simulator.faults.timing import Drip, Latency, Pace, Slicer, Ttft

__all__ = [
    "Answer",
    "BadJson",
    "Cut",
    "Drip",
    "Empty",
    "ErrorIn200",
    "Fail",
    "Framing",
    "Gzip",
    "Insert",
    "Latency",
    "NoDone",
    "NoFinish",
    "Pace",
    "Reset",
    "Slicer",
    "Stall",
    "StreamError",
    "Ttft",
    "Usage",
    "WrongContentType",
]
