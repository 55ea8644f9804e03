"""What was said, read alike on both sides: as the client got it, and as the provider sent it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from itertools import pairwise

from routeproof_conformance.ask import Ask
from routeproof_conformance.dig import dig, fields_of, items_of, parsed, request_json
from routeproof_conformance.expect import Expect
from routeproof_conformance.observed import Observed
from routeproof_simulator.answers import Answer, read_stream, read_whole
from routeproof_spec.history import Attempt, Frame
from routeproof_spec.sse import Event, SSEDecoder


def received(seen: Observed, *, until: float = math.inf) -> Answer:
    """Return what had reached the client of *seen* by the second *until*."""
    is_stream = isinstance(seen.ask, Ask) and seen.ask.form.stream
    return _read(seen.exchange.frames, until=until, is_stream=is_stream)


def last_attempt(expect: Expect, seen: Observed) -> Attempt:
    """Return the attempt that the client's answer comes from, of which there must be one."""
    expect(seen.attempts, expected="an attempt at a provider", actual=seen.said)
    return seen.attempts[-1]


def given(attempt: Attempt, *, until: float = math.inf) -> Answer:
    """Return what the provider of *attempt* had sent by the second *until*."""
    return _read(attempt.frames, until=until, is_stream=_is_stream(attempt))


def events_of(attempt: Attempt) -> tuple[Event, ...]:
    """Return the events that the provider of *attempt* sent, as far as they were complete."""
    return tuple(SSEDecoder().feed(attempt.body))


def usage_of(attempt: Attempt) -> dict[str, object]:
    """Return the counts of tokens that the provider of *attempt* told."""
    bodies = [event.data for event in events_of(attempt)] if _is_stream(attempt) else [attempt.body]
    told = [fields_of(dig(parsed(body), "usage")) for body in bodies]
    last = [each for each in told if each][-1:]
    return {name: count for each in last for name, count in each.items() if isinstance(count, int)}


def texts(answer: Answer) -> list[str]:
    """Return what *answer* says, choice by choice."""
    return [answer.said[key] for key in sorted(answer.said)]


def voices(text: str, providers: Iterable[str]) -> list[str]:
    """Return whose answers begin in *text*, in order: a fake provider opens every answer with its name and a colon."""
    names = "|".join(map(re.escape, providers))
    return re.findall(rf"({names}):", text)


def longest_pause(attempt: Attempt) -> tuple[float, float]:
    """Return when the provider fell silent for the longest time between two frames, and when it went on."""
    return max(((one.at, next_.at) for one, next_ in pairwise(attempt.frames)), key=lambda pause: pause[1] - pause[0])


def tool_arguments(seen: Observed) -> str:
    """Return the argument pieces of the first tool call of a streamed answer, joined."""
    calls = [
        call
        for chunk in seen.chunks
        for choice in items_of(dig(chunk, "choices"))
        for call in items_of(dig(choice, "delta", "tool_calls"))
    ]
    return "".join(str(dig(call, "function", "arguments") or "") for call in calls)


def _is_stream(attempt: Attempt) -> bool:
    return request_json(attempt).get("stream") is True


def _read(frames: Iterable[Frame], *, until: float, is_stream: bool) -> Answer:
    body = b"".join(frame.data for frame in frames if frame.at <= until)
    return read_stream(body) if is_stream else read_whole(body)
