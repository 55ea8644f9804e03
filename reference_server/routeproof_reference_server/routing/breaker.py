"""Whether a deployment may be asked at all: its circuit breaker, as a table.

Rule 1. `failures` in a row trip a closed breaker, and so does the share `failure_share` of failures among at least
        `observations_min` observations. Every failed attempt counts; a client's mistake and departure do not.
Rule 2. An open breaker admits nothing until its cool-down is over. Each trip that follows a failed probe lasts twice as
        long as the one before, up to `cooldown_max`; chance adds up to the share `jitter`, never takes away.
Rule 3. A half-open breaker admits `probes` at a time. So many successes close it, one failure opens it again; a probe
        that says nothing, because its client left or was mistaken, only frees its place.
Rule 4. Only an attempt that began in the present state moves it: one from before says nothing of now.
Rule 5. A provider's Retry-After is a floor in every state, up to `retry_after_max`; the latest end counts.
Rule 6. Where nothing that a request could go to is admitted, the router asks all the same, which is not this module's
        to decide. An answer that is got so closes an open breaker; a failure then changes nothing, so that a total
        outage does not lengthen the cool-downs.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from random import Random
from types import MappingProxyType
from typing import Final, final

from routeproof_reference_server.routing.average import Average, Memory
from routeproof_reference_server.routing.policy import BreakerConfig


class State(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Event(StrEnum):
    """What moves a breaker."""

    TRIPPED = "too many failures"
    COOLED_DOWN = "the cool-down is over"
    ANSWERED = "an attempt is answered although it was open"
    PROBES_PASSED = "all probes have succeeded"
    PROBE_FAILED = "a probe has failed"


# What is absent cannot happen.
TRANSITIONS: Final[Mapping[tuple[State, Event], State]] = MappingProxyType(
    {
        (State.CLOSED, Event.TRIPPED): State.OPEN,
        (State.OPEN, Event.COOLED_DOWN): State.HALF_OPEN,
        (State.OPEN, Event.ANSWERED): State.CLOSED,
        (State.HALF_OPEN, Event.PROBES_PASSED): State.CLOSED,
        (State.HALF_OPEN, Event.PROBE_FAILED): State.OPEN,
    }
)


@final
class Breaker:
    """The breaker of one deployment. `began` gives an attempt its ticket, by which `ended` and the rest know it."""

    __slots__ = (
        "_config",
        "_epoch",
        "_failing",
        "_in_a_row",
        "_memory",
        "_passed",
        "_probing",
        "_rng",
        "_state",
        "_trips",
        "held_until",
        "open_until",
    )

    def __init__(self, config: BreakerConfig, memory: Memory, rng: Random) -> None:
        self._config = config
        self._memory = memory
        self._rng = rng
        self._state = State.CLOSED
        self._epoch = 0  # how often the state has changed
        self._trips = 0  # since it was closed
        self.open_until = float("-inf")  #: seconds; the end of the cool-down
        self.held_until = float("-inf")  #: seconds; the end of what the provider asked for
        self._start_anew()

    def _start_anew(self) -> None:
        self._in_a_row = 0
        self._failing = Average()
        self._probing = 0
        self._passed = 0

    def obey(self, config: BreakerConfig, memory: Memory) -> None:
        """From now on obey *config*; a cool-down that has begun ends when it was to end."""
        self._config, self._memory = config, memory

    def state(self, now: float) -> State:
        """Return the state at *now*; a cool-down that is over is noticed here."""
        if self._state is State.OPEN and now >= self.open_until:
            self._become(Event.COOLED_DOWN)
        return self._state

    def admits(self, now: float) -> bool:
        """Return whether an attempt may begin at *now*."""
        if now < self.held_until:
            return False
        match self.state(now):
            case State.CLOSED:
                return True
            case State.OPEN:
                return False
            case State.HALF_OPEN:
                return self._probing + self._passed < self._config.probes

    def ready_at(self, now: float) -> float:
        """Return when an attempt may begin, as far as the clock decides it."""
        return max(self.held_until, self.open_until if self.state(now) is State.OPEN else now)

    def began(self, now: float) -> int:
        """An attempt begins, admitted or not; return its ticket. `ended` follows exactly once."""
        if self.state(now) is State.HALF_OPEN:
            self._probing += 1
        return self._epoch

    def ended(self, ticket: int, now: float) -> None:
        """The attempt is over, however it went."""
        if self.state(now) is State.HALF_OPEN and ticket == self._epoch:
            assert self._probing > 0
            self._probing -= 1

    def answered(self, ticket: int, now: float) -> None:
        """The attempt was answered as promised."""
        state = self.state(now)
        if ticket != self._epoch:
            return
        match state:
            case State.CLOSED:
                self._in_a_row = 0
                self._failing.add(0.0, now, self._memory)
            case State.OPEN:
                self._become(Event.ANSWERED)
            case State.HALF_OPEN:
                self._passed += 1
                if self._passed >= self._config.probes:
                    self._become(Event.PROBES_PASSED)

    def failed(self, ticket: int, now: float, retry_after: float | None) -> None:
        """The attempt failed, or its answer broke off; the provider may have asked to be left alone."""
        if retry_after is not None:
            self.held_until = max(self.held_until, now + min(retry_after, self._config.retry_after_max))
        state = self.state(now)
        if ticket != self._epoch:
            return
        match state:
            case State.CLOSED:
                self._in_a_row += 1
                self._failing.add(1.0, now, self._memory)
                if self._is_too_much(now):
                    self._open(Event.TRIPPED, now)
            case State.OPEN:
                pass
            case State.HALF_OPEN:
                self._open(Event.PROBE_FAILED, now)

    def _is_too_much(self, now: float) -> bool:
        config, share = self._config, self._failing.mean(now, self._memory) or 0.0
        return self._in_a_row >= config.failures or (
            self._failing.weight >= config.observations_min and share >= config.failure_share
        )

    def _open(self, event: Event, now: float) -> None:
        config = self._config
        # The exponent is bounded, for a power of two beyond 1023 is no float.
        pause = min(config.cooldown_max, config.cooldown * 2.0 ** min(self._trips, 64))
        self.open_until = now + pause * (1.0 + self._rng.uniform(0.0, config.jitter))
        self._become(event)
        self._trips += 1

    def _become(self, event: Event) -> None:
        self._state = TRANSITIONS[self._state, event]
        self._epoch += 1
        self._start_anew()
        if self._state is State.CLOSED:
            self._trips = 0
