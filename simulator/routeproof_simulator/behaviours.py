"""The words in which behaviours are written in Python: `first(2, fail(503)) | ttft(0.2)`.

Each is a class of `faults` under the name that its table has in TOML and JSON; the algebra is in `algebra`.
"""

from __future__ import annotations

from routeproof_simulator import faults
from routeproof_simulator.algebra import Behaviour, chance, compose, first, ok

__all__ = [
    "Behaviour",
    "answer",
    "bad_json",
    "chance",
    "compose",
    "cut",
    "drip",
    "empty",
    "error_in_200",
    "fail",
    "first",
    "framing",
    "gzip",
    "insert",
    "latency",
    "no_done",
    "no_finish",
    "ok",
    "pace",
    "reset",
    "slicer",
    "stall",
    "stream_error",
    "ttft",
    "usage",
    "wrong_content_type",
]

answer = faults.Answer
bad_json = faults.BadJson
cut = faults.Cut
drip = faults.Drip
empty = faults.Empty
error_in_200 = faults.ErrorIn200
fail = faults.Fail
framing = faults.Framing
gzip = faults.Gzip
insert = faults.Insert
latency = faults.Latency
no_done = faults.NoDone
no_finish = faults.NoFinish
pace = faults.Pace
reset = faults.Reset
slicer = faults.Slicer
stall = faults.Stall
stream_error = faults.StreamError
ttft = faults.Ttft
usage = faults.Usage
wrong_content_type = faults.WrongContentType
