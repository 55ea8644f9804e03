"""The words in which behaviours are written in Python: `first(2, fail(503)) | ttft(0.2)`.

Each is a class of `faults` under the name that its table has in TOML and JSON; the algebra is in `algebra`.
"""

from __future__ import annotations

from routeproof_simulator import faults
from routeproof_simulator.algebra import Behaviour, chance, compose, first, ok

__all__ = [
    "Behaviour",
    "answer",
    "bad_chunk",
    "bad_gzip",
    "bad_json",
    "capacity",
    "chance",
    "close_on_reuse",
    "cold_start",
    "compose",
    "cut",
    "data_after_done",
    "drip",
    "duplicate_event",
    "empty",
    "empty_completion",
    "error_in_200",
    "fail",
    "finish_reason",
    "first",
    "first_choice_only",
    "flap",
    "framing",
    "giant_event",
    "gzip",
    "http_10",
    "insert",
    "interim",
    "latency",
    "latency_from",
    "no_blank_line",
    "no_done",
    "no_finish",
    "no_usage",
    "ok",
    "only_comments",
    "oversized_body",
    "oversized_headers",
    "pace",
    "profile",
    "rate_limit",
    "redirect",
    "refusal",
    "reset",
    "schema_drift",
    "self_hosted",
    "slicer",
    "slow_close",
    "speed",
    "stall",
    "stream_error",
    "swap_events",
    "truncated_arguments",
    "ttft",
    "usage",
    "wrong_content_length",
    "wrong_content_type",
    "wrong_index",
    "wrong_model",
]

answer = faults.Answer
bad_chunk = faults.BadChunk
bad_gzip = faults.BadGzip
bad_json = faults.BadJson
capacity = faults.Capacity
close_on_reuse = faults.CloseOnReuse
cold_start = faults.ColdStart
cut = faults.Cut
data_after_done = faults.DataAfterDone
drip = faults.Drip
duplicate_event = faults.DuplicateEvent
empty = faults.Empty
empty_completion = faults.EmptyCompletion
error_in_200 = faults.ErrorIn200
fail = faults.Fail
finish_reason = faults.FinishReason
first_choice_only = faults.FirstChoiceOnly
flap = faults.Flap
framing = faults.Framing
giant_event = faults.GiantEvent
gzip = faults.Gzip
http_10 = faults.Http10
insert = faults.Insert
interim = faults.Interim
latency = faults.Latency
latency_from = faults.LatencyFrom
no_blank_line = faults.NoBlankLine
no_done = faults.NoDone
no_finish = faults.NoFinish
no_usage = faults.NoUsage
only_comments = faults.OnlyComments
oversized_body = faults.OversizedBody
oversized_headers = faults.OversizedHeaders
pace = faults.Pace
profile = faults.Profile
rate_limit = faults.RateLimit
redirect = faults.Redirect
refusal = faults.Refusal
reset = faults.Reset
schema_drift = faults.SchemaDrift
self_hosted = faults.SelfHosted
slicer = faults.Slicer
slow_close = faults.SlowClose
speed = faults.Speed
stall = faults.Stall
stream_error = faults.StreamError
swap_events = faults.SwapEvents
truncated_arguments = faults.TruncatedArguments
ttft = faults.Ttft
usage = faults.Usage
wrong_content_length = faults.WrongContentLength
wrong_content_type = faults.WrongContentType
wrong_index = faults.WrongIndex
wrong_model = faults.WrongModel
