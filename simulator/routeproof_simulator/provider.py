"""A fake provider: it answers requests as its dialect says and as its behaviour twists."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any, Protocol, final

from routeproof_simulator.algebra import Behaviour, Situation, ok, rewrite
from routeproof_simulator.dialects import DIALECTS, Call, Persona
from routeproof_simulator.journal import Entry, Journal
from routeproof_simulator.received import Received
from routeproof_simulator.script import Script
from routeproof_simulator.turns import Turns
from routeproof_spec.marker import find_marker

MARKERS_MAX = 100_000  # whose attempts are counted; the longest unseen is forgotten first


class Door(StrEnum):
    """What happens before HTTP."""

    OPEN = "open"
    REFUSED = "refused"  # the port is kept, and connections to it are refused
    SILENT = "silent"  # connections are accepted, and nothing is ever read


class Doorkeeper(Protocol):
    """Whoever lets connections to a provider in."""

    def changed(self) -> None:
        """Take note that the door has another state."""
        ...

    async def settled(self) -> None:
        """Wait until connections find the door as it was last set."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """What the wire is to play, and where it notes what happens."""

    script: Script | Callable[[], Awaitable[Script]]  # the latter where the answer has to wait for what it reports
    entry: Entry
    turns: Turns | None = None  # of the provider that answers


@final
class Provider:
    """One provider of a fleet; owns no socket and no clock: *now* is the run's clock, *wall* the Unix time it shows."""

    def __init__(
        self,
        persona: Persona,
        *,
        journal: Journal,
        now: Callable[[], float],
        wall: Callable[[], float],
        behaviour: Behaviour = ok,
        door: Door = Door.OPEN,
        dialect: str = "openai",
    ) -> None:
        self.persona = persona
        self.doorkeeper: Doorkeeper | None = None  # set by whoever stands at the door
        self._door = door
        self._configured = self._behaviour = behaviour
        self._configured_door = door
        self._reverts_at: float | None = None
        self._dialect = DIALECTS[dialect]
        self._journal = journal
        self._now = now
        self._wall = wall
        self._seen = _Counter()  # of all time: the index of an attempt, and its chance
        self._since_set = _Counter()  # what `first` counts
        self._memory: dict[object, Any] = {}  # what behaviours keep
        self._running = 0  # attempts that have not ended
        self._turns = Turns()

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.persona.name

    @property
    def door(self) -> Door:
        """What happens before HTTP at this moment."""
        return self._door

    def set_door(self, door: Door) -> None:
        """Let the door be *door* from now on; another door than before ends every connection."""
        if door is not self._door:
            self._door = door
            if self.doorkeeper is not None:
                self.doorkeeper.changed()

    async def door_settled(self) -> None:
        """Wait until connections find the door as it was last set."""
        if self.doorkeeper is not None:
            await self.doorkeeper.settled()

    @property
    def configured(self) -> Behaviour:
        """What it does when nothing else is said."""
        return self._configured

    @property
    def behaviour(self) -> Behaviour:
        """What it does at this moment."""
        if self._reverts_at is not None and self._now() >= self._reverts_at:
            self.set_behaviour(self._configured)
        return self._behaviour

    def set_behaviour(self, behaviour: Behaviour, *, ttl: float | None = None) -> None:
        """Behave so from now on; after *ttl* seconds as configured again. What is being sent goes on as it began."""
        self._behaviour = behaviour
        self._reverts_at = None if ttl is None else self._now() + ttl
        self._since_set = _Counter()
        self._memory = {}

    def heal(self) -> None:
        """Behave as configured; the door too is as configured."""
        self.set_behaviour(self._configured)
        self.set_door(self._configured_door)

    def respond(self, request: Received) -> Reply:
        """Return the answer to *request*, entered in the journal."""
        marker = find_marker(request.headers, request.body)
        index = self._seen.next(marker)
        behaviour = self.behaviour
        created = int(self._wall())
        call = Call(request=request, marker=marker or "", attempt=index, created=created)
        entry = Entry(self.name, request, marker=marker, index=index)
        self._journal.enter(entry)
        self._running += 1
        entry.when_ended(self._one_less)
        answer = self._dialect.answer(call, self.persona)
        situation = Situation(
            attempt=self._since_set.next(marker),
            tokens=answer.tokens,
            voice=self._dialect,
            draw=_Draws(f"{self.persona.seed}/{self.name}/{marker or ''}/{index}"),
            prompt_tokens=answer.prompt_tokens,
            path=request.path,
            running=self._running,
            now=self._now(),
            created=created,
            memory=self._memory,
        )
        script, entry.faults = rewrite(behaviour, answer.script, situation)
        return Reply(script, entry, self._turns)

    def _one_less(self) -> None:
        self._running -= 1

    def refuse(self, received: Received, status: int, message: str) -> Reply:
        """Return the answer to bytes that are no request, entered in the journal as broken."""
        marker = find_marker(received.headers, b"")
        entry = Entry(self.name, received, marker=marker, index=self._seen.next(marker))
        self._journal.enter(entry)
        return Reply(self._dialect.refuse(status, message, created=int(self._wall())), entry)


class _Counter:
    """How often each marker was seen, within a bound; requests without one count as one series."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str | None, int] = OrderedDict()

    def next(self, marker: str | None) -> int:
        count = self._counts.pop(marker, 0)
        self._counts[marker] = count + 1
        if len(self._counts) > MARKERS_MAX:
            self._counts.popitem(last=False)
        return count


class _Draws:
    """Chance of one attempt alone; seeded when it is first needed, for seeding costs more than most answers."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._rng: Random | None = None

    def __call__(self) -> float:
        self._rng = self._rng or Random(self._seed)
        return self._rng.random()
