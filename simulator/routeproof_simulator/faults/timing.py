"""How soon an answer comes, and how fast."""

# ruff: noqa: D102 - the docstring of a behaviour says what calling it does

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from routeproof_simulator.algebra import Behaviour, Situation
from routeproof_simulator.ranges import NUMBER_MAX, Rate, Seconds, within
from routeproof_simulator.script import Kind, Op, Script, Send, Wait, is_stream, split_before


@final
@dataclass(frozen=True, slots=True)
class Latency(Behaviour):
    """Nothing is sent for *seconds*, give or take up to *jitter*."""

    seconds: Seconds
    jitter: Seconds = 0.0

    def __post_init__(self) -> None:
        Behaviour.__post_init__(self)
        within("jitter", self.jitter, low=0.0, high=self.seconds)

    def __call__(self, script: Script, situation: Situation) -> Script:
        spread = self.jitter * (2 * situation.draw() - 1) if self.jitter else 0.0
        return (Wait(self.seconds + spread), *script)


@final
@dataclass(frozen=True, slots=True)
class Ttft(Behaviour):
    """The first content comes after *seconds*; a stream's head and role go before it, a whole answer's head waits."""

    seconds: Seconds

    def __call__(self, script: Script, situation: Situation) -> Script:
        del situation
        return with_first_after(script, self.seconds)


@final
@dataclass(frozen=True, slots=True)
class Pace(Behaviour):
    """Content comes at *tokens_per_second*; a whole answer takes as long as its stream would."""

    tokens_per_second: Rate

    def __call__(self, script: Script, situation: Situation) -> Script:
        return with_gaps(script, 1 / self.tokens_per_second, tokens=situation.tokens)


def with_first_after(script: Script, seconds: float) -> Script:
    """Return *script* with its first content after *seconds*, or its head where it is no stream."""
    split = split_before(script, "content" if is_stream(script) else "headers")
    return script if split is None else (*split[0], Wait(seconds), *split[1])


def with_gaps(script: Script, seconds: float, *, tokens: int) -> Script:
    """Return *script* with *seconds* between its tokens; a whole answer waits for all of its *tokens*."""
    seconds = min(seconds, NUMBER_MAX)  # infinity, times no token, is no number
    if not is_stream(script):
        return (Wait(seconds * max(0, tokens - 1)), *script)
    paced: list[Op] = []
    begun = False
    for op in script:
        if isinstance(op, Send) and op.kind is Kind.CONTENT:
            paced += [Wait(seconds)] if begun else []
            begun = True
        paced.append(op)
    return tuple(paced)
