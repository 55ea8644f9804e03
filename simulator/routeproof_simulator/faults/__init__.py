"""The faults that a provider can be given; each a name and a few attributes with units.

Names follow Toxiproxy where it has one. Times are in seconds. Where a fault sets in is said in one of three ways:
`frames` (after so many frames; a whole answer is one frame), `before` (a place, at the moment it is due), `bytes`
(after so many bytes of the body). A place that the answer does not have changes nothing.
"""

from __future__ import annotations

from routeproof_simulator.faults.capacity import Capacity, ColdStart, Flap
from routeproof_simulator.faults.errors import ErrorIn200, Fail
from routeproof_simulator.faults.http import (
    Answer,
    BadChunk,
    BadGzip,
    Empty,
    Gzip,
    Http10,
    Interim,
    OversizedBody,
    OversizedHeaders,
    Redirect,
    WrongContentLength,
    WrongContentType,
)
from routeproof_simulator.faults.limits import RateLimit
from routeproof_simulator.faults.meaning import (
    EmptyCompletion,
    FinishReason,
    FirstChoiceOnly,
    NoUsage,
    Refusal,
    SchemaDrift,
    TruncatedArguments,
    Usage,
    WrongIndex,
    WrongModel,
)
from routeproof_simulator.faults.profile import LatencyFrom, Profile, SelfHosted, Speed
from routeproof_simulator.faults.stream import (
    BadJson,
    DataAfterDone,
    DuplicateEvent,
    Framing,
    GiantEvent,
    Insert,
    NoBlankLine,
    NoDone,
    NoFinish,
    OnlyComments,
    StreamError,
    SwapEvents,
)
from routeproof_simulator.faults.timing import Latency, Pace, Ttft
from routeproof_simulator.faults.wire import CloseOnReuse, Cut, Drip, Reset, Slicer, SlowClose, Stall

__all__ = [
    "Answer",
    "BadChunk",
    "BadGzip",
    "BadJson",
    "Capacity",
    "CloseOnReuse",
    "ColdStart",
    "Cut",
    "DataAfterDone",
    "Drip",
    "DuplicateEvent",
    "Empty",
    "EmptyCompletion",
    "ErrorIn200",
    "Fail",
    "FinishReason",
    "FirstChoiceOnly",
    "Flap",
    "Framing",
    "GiantEvent",
    "Gzip",
    "Http10",
    "Insert",
    "Interim",
    "Latency",
    "LatencyFrom",
    "NoBlankLine",
    "NoDone",
    "NoFinish",
    "NoUsage",
    "OnlyComments",
    "OversizedBody",
    "OversizedHeaders",
    "Pace",
    "Profile",
    "RateLimit",
    "Redirect",
    "Refusal",
    "Reset",
    "SchemaDrift",
    "SelfHosted",
    "Slicer",
    "SlowClose",
    "Speed",
    "Stall",
    "StreamError",
    "SwapEvents",
    "TruncatedArguments",
    "Ttft",
    "Usage",
    "WrongContentLength",
    "WrongContentType",
    "WrongIndex",
    "WrongModel",
]
