"""What providers saw, and the questions that a test asks of it: a tuple of attempts that can answer for itself.

A question about no attempt at all is answered with False, so that no assertion holds only because nobody asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Final, final

from routeproof_spec.history import Attempt

SHOWN_MAX: Final = 8  # attempts that the text of a failed assertion spells out


@final
class Seen(tuple[Attempt, ...]):
    """Attempts in the order in which their requests were complete; equal to the same attempts in any tuple."""

    __slots__ = ()

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts alone."""
        return tuple(self)

    @property
    def statuses(self) -> tuple[int | None, ...]:
        """What each was answered; None where no head was sent."""
        return tuple(each.status for each in self)

    def of(self, marker: str) -> Seen:
        """Return those that bear *marker*."""
        return Seen(each for each in self if each.marker == marker)

    def at(self, provider: str) -> Seen:
        """Return those at *provider*."""
        return Seen(each for each in self if each.provider == provider)

    def gaps(self) -> tuple[tuple[float, ...], ...]:
        """Return for each attempt the seconds between the frames of its answer."""
        return tuple(_steps(frame.at for frame in each.frames) for each in self)

    def pauses(self) -> tuple[float, ...]:
        """Return the seconds from the end of each attempt to the next request; negative where two overlap."""
        return tuple(later.received_at - earlier.ended_at for earlier, later in pairwise(self))

    def cancelled(self) -> Seen:
        """Return those whose client went away before the end."""
        return Seen(each for each in self if each.peer_gone_at is not None)

    def cancelled_within(self, seconds: float, *, since: float | None = None) -> bool:
        """Whether the client of every attempt went away at most *seconds* after *since*.

        *since* is an instant of the journal's clock, `time.monotonic()` on real sockets; None stands for the moment at
        which each attempt's own request was complete.
        """
        return self._all(
            each.peer_gone_at is not None
            and each.peer_gone_at - (each.received_at if since is None else since) <= seconds
            for each in self
        )

    def same_connection(self) -> bool:
        """Whether each provider was asked over one connection alone."""
        connections = {(each.provider, each.connection) for each in self}
        return self._all([len(connections) == len({each.provider for each in self})])

    def _all(self, facts: Iterable[bool]) -> bool:
        return bool(self) and all(facts)

    def __repr__(self) -> str:
        """Return one phrase for each attempt, as a failed assertion should show them."""
        phrases = [_phrase(each) for each in self[:SHOWN_MAX]]
        if len(self) > SHOWN_MAX:
            phrases.append(f"and {len(self) - SHOWN_MAX} more")
        return f"<Seen: {'; '.join(phrases) or 'no attempt'}>"


def _steps(times: Iterable[float]) -> tuple[float, ...]:
    return tuple(later - earlier for earlier, later in pairwise(times))


def _phrase(attempt: Attempt) -> str:
    """Return *attempt* in words: `alpha 200 left, 3 frames in 0.120 s [pace(60.0)]`."""
    status = "no head" if attempt.status is None else str(attempt.status)
    frames = "1 frame" if len(attempt.frames) == 1 else f"{len(attempt.frames)} frames"
    # The journal holds what is still going on with an end of 0.
    is_open = attempt.ended_at == 0.0
    how = "still open" if is_open else attempt.ended.value
    took = "" if is_open else f" in {attempt.ended_at - attempt.received_at:.3f} s"
    faults = f" [{' | '.join(attempt.faults)}]" if attempt.faults else ""
    return f"{attempt.provider} {status} {how}, {frames}{took}{faults}"
