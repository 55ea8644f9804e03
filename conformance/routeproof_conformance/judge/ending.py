"""How a stream that failed was told to its client: as a failure, or as if it were complete."""

from __future__ import annotations

from collections.abc import Sequence

from routeproof_conformance.dig import dig, items_of, parsed
from routeproof_conformance.judge.stream import Kind, kind_of
from routeproof_spec.history import Ended
from routeproof_spec.sse import DONE, Event

#: Endings at which a client's library raises by itself.
BROKEN: frozenset[Ended] = frozenset({Ended.CUT, Ended.RESET, Ended.BROKEN})


def pretence(got: Sequence[Event], ended: Ended, *, sent: Sequence[Event]) -> str | None:
    """Return what makes a failed stream look complete to its client, in words, or None.

    *got* are the client's events, *ended* is how they ended, *sent* are those of the provider that failed.
    """
    kinds = [kind_of(each) for each in got]
    if Kind.ERROR in kinds or any(_is_unreadable(each) for each in got):
        return None
    if Kind.DONE in kinds:
        return "[DONE], and no error event"
    if finishes(got) > finishes(sent):
        return "a finish reason that the provider never gave"
    return None if ended in BROKEN else "a plain end, and no error event"


def _is_unreadable(event: Event) -> bool:
    """Return whether a client's library raises over *event*, for it is no JSON."""
    return event.data != DONE and parsed(event.data) is None


def finishes(events: Sequence[Event]) -> int:
    """Return how many finish reasons *events* give."""
    choices = (each for event in events for each in items_of(dig(parsed(event.data), "choices")))
    return sum(dig(choice, "finish_reason") is not None for choice in choices)
