"""How many answers a provider can work on at once, and when it can at all."""

# ruff: noqa: D102 - the docstring of a behaviour says what calling it does

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias, final

from routeproof_simulator.algebra import Behaviour, Situation
from routeproof_simulator.faults.served import is_served, refused_at_once
from routeproof_simulator.ranges import MoreSeconds, Range, Seconds, within
from routeproof_simulator.script import Script, Turn, Wait

Slots: TypeAlias = Annotated[int, Range(low=1, unit="answers")]
Queued: TypeAlias = Annotated[int, Range(unit="answers")]
Slowdown: TypeAlias = Annotated[float, Range(low=1.0, unit="times")]
ShareLeft: TypeAlias = Annotated[float, Range(high=1.0, above=True)]
Refusal: TypeAlias = Annotated[int, Range(low=400, high=599)]


@final
@dataclass(frozen=True, slots=True)
class Capacity(Behaviour):
    """At most *slots* answers are worked on at once; *queue* more wait for their turn, others fail with *status*.

    All waits grow with the load, from once for one answer to *slowdown* times for all slots (measured: 1.5 to 3.5).
    *share*: how much of the slots there is, less than 1 in a brownout; at least one is left. Of two capacities the
    smaller holds.
    """

    slots: Slots
    queue: Queued = 0
    slowdown: Slowdown = 1.0
    share: ShareLeft = 1.0
    status: Refusal = 503

    def __call__(self, script: Script, situation: Situation) -> Script:
        if not is_served(script, situation):
            return script
        slots = max(1, int(self.slots * self.share + 1e-9))  # 0.29 of 100 are 29, whatever floats say
        running = situation.running
        if running > slots + self.queue:
            return refused_at_once(script, situation, self.status)
        load = (min(running, slots) - 1) / (slots - 1) if slots > 1 else 0.0
        factor = 1.0 + (self.slowdown - 1.0) * load
        # An answer that held a turn and waited for another would wait for itself: it has one.
        turn = Turn(min([slots, *(op.slots for op in script if isinstance(op, Turn))]))
        work = (op for op in script if not isinstance(op, Turn))
        return (turn, *(Wait(op.seconds * factor) if isinstance(op, Wait) else op for op in work))


@final
@dataclass(frozen=True, slots=True)
class ColdStart(Behaviour):
    """After *idle* seconds without a request, and at first, the model loads for *seconds*: who comes meanwhile waits.

    The default of *idle* is how long Ollama keeps a model loaded.
    """

    seconds: Seconds
    idle: Seconds = 300.0

    def __call__(self, script: Script, situation: Situation) -> Script:
        if not is_served(script, situation):
            return script
        now = situation.now
        ready_at, cold_at = situation.memory.get(self, (now, now))
        if now >= cold_at:
            ready_at = now + self.seconds
        situation.memory[self] = (ready_at, max(now, ready_at) + self.idle)
        return (Wait(ready_at - now), *script) if ready_at > now else script


@final
@dataclass(frozen=True, slots=True)
class Flap(Behaviour):
    """Of every *period* seconds of the run's clock the first *up* are healthy; in the others it behaves so."""

    period: MoreSeconds
    up: Seconds
    behaviour: Behaviour

    def __post_init__(self) -> None:
        Behaviour.__post_init__(self)
        within("up", self.up, low=0.0, high=self.period)

    def __call__(self, script: Script, situation: Situation) -> Script:
        return script if situation.now % self.period < self.up else self.behaviour(script, situation)
