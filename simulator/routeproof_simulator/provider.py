"""A fake provider: it answers requests as its dialect says and as its behaviour twists."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Protocol, final

from msgspec import Struct

from routeproof_simulator.algebra import Behaviour, Situation, ok, parts, rewrite
from routeproof_simulator.cassettes.replay import Replay
from routeproof_simulator.dialects import DIALECTS, Call, Persona
from routeproof_simulator.door_states import Door, check_door
from routeproof_simulator.journal import Entry, Journal
from routeproof_simulator.received import Received
from routeproof_simulator.script import Script
from routeproof_simulator.tally import Tally
from routeproof_simulator.wire.turns import Turns

MARKERS_MAX = 100_000  # whose attempts are counted; the longest unseen is forgotten first


class Doorkeeper(Protocol):
    """Whoever lets connections to a provider in."""

    def changed(self) -> None:
        """Take note that the door has another state."""
        ...

    async def settled(self) -> None:
        """Wait until connections find the door as it was last set."""
        ...


class Reply(Struct, frozen=True):
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
        tls: bool = False,
        dialect: str = "openai",
    ) -> None:
        check_door(door, tls=tls, file=f"provider '{persona.name}'", key="door")
        self.persona = persona
        self.tls = tls  # whether it is served over TLS
        self.doorkeeper: Doorkeeper | None = None  # set by whoever stands at the door
        self.replay: Replay | None = None  # set by the fleet: what it answers, in place of what its dialect would say
        self._door = door
        self._configured = self._behaviour = behaviour
        self._configured_door = door
        self._reverts_at: float | None = None
        self._door_reverts_at: float | None = None
        self.tally = Tally()
        self.dialect = dialect  # its name
        self._dialect = DIALECTS[dialect]
        self._journal = journal
        self._now = now
        self._wall = wall
        self._seen = _Counter()  # of all time: the index of an attempt, and its chance; since set: what `first` counts
        self._memory: dict[object, Any] = {}  # what behaviours keep
        self._turns = Turns()

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.persona.name

    @property
    def door(self) -> Door:
        """What happens before HTTP at this moment."""
        if self._door_reverts_at is not None and self._now() >= self._door_reverts_at:
            self.set_door(self._configured_door)
        return self._door

    @property
    def configured_door(self) -> Door:
        """What happens before HTTP when nothing else is said."""
        return self._configured_door

    @property
    def door_reverts_at(self) -> float | None:
        """When the door is as configured again, in seconds; whoever set it so looks at the door at that time."""
        return self._door_reverts_at

    def set_door(self, door: Door, *, ttl: float | None = None) -> None:
        """Let the door be *door* from now on; another door than before ends every connection.

        After *ttl* seconds it is as configured again, once somebody looks at it.

        Raises `ConfigError` for a door of TLS where the provider is not served over TLS.
        """
        check_door(door, tls=self.tls, file=f"provider '{self.name}'", key="door")
        self._door_reverts_at = None if ttl is None else self._now() + ttl
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

    @property
    def reverts_at(self) -> float | None:
        """When the behaviour is as configured again, in seconds."""
        return self._reverts_at

    def set_behaviour(self, behaviour: Behaviour, *, ttl: float | None = None) -> None:
        """Behave so from now on; after *ttl* seconds as configured again. What is being sent goes on as it began."""
        self._behaviour = behaviour
        self._reverts_at = None if ttl is None else self._now() + ttl
        self._seen.begin()
        # What stays goes on as it was: a fault on top of a rate limit does not fill the limit's bucket again.
        stay = parts(behaviour)
        self._memory = {key: kept for key, kept in self._memory.items() if key in stay}

    def heal(self) -> None:
        """Behave as configured; the door too is as configured."""
        self.set_behaviour(self._configured)
        self.set_door(self._configured_door)

    def forget(self) -> None:
        """Count attempts from the first again, so that what comes next is answered as by a fresh provider."""
        self._seen = _Counter()
        self._memory = {}

    def respond(self, request: Received) -> Reply:
        """Return the answer to *request*, entered in the journal."""
        marker = request.marker
        index, since_set = self._seen.next(marker)
        behaviour = self.behaviour
        entry = self._enter(request, marker, index)
        call = Call(request=request, marker=marker or "", attempt=index, created=int(self._wall()))
        if self.replay is None:
            answer = self._dialect.answer(call, self.persona)
        else:
            answer = self.replay.answer(call, self._dialect, self._memory)
        if behaviour is ok:
            return Reply(answer.script, entry, self._turns)
        situation = Situation(
            attempt=since_set,
            tokens=answer.tokens,
            voice=answer.voice or self._dialect,
            draw=_Draws(f"{self.persona.seed}/{self.name}/{call.marker}/{index}"),
            prompt_tokens=answer.prompt_tokens,
            path=request.path,
            running=self.tally.running,
            now=self._now(),
            created=call.created,
            memory=self._memory,
        )
        script, entry.faults = rewrite(behaviour, answer.script, situation)
        return Reply(script, entry, self._turns)

    def refuse(self, received: Received, status: int, message: str) -> Reply:
        """Return the answer to bytes that are no request, entered in the journal as broken."""
        marker = received.head.marker
        entry = self._enter(received, marker, self._seen.next(marker)[0])
        return Reply(self._dialect.refuse(status, message, created=int(self._wall())), entry)

    def _enter(self, received: Received, marker: str | None, index: int) -> Entry:
        tally = self.tally
        tally.running += 1
        entry = Entry(self.persona.name, received, marker, index, tally)
        self._journal.enter(entry)
        return entry


class _Counter:
    """How often each marker was seen, within a bound; requests without one count as one series."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str | None, tuple[int, int, int]] = OrderedDict()  # in all, since, and since when
        self._beginning = 0  # how often `begin` was called

    def begin(self) -> None:
        """Count from the first again beside the count of all time."""
        self._beginning += 1

    def next(self, marker: str | None) -> tuple[int, int]:
        """Return how often *marker* was seen before: in all, and since `begin`."""
        count, since, beginning = self._counts.pop(marker, (0, 0, 0))
        if beginning != self._beginning:
            since = 0
        self._counts[marker] = (count + 1, since + 1, self._beginning)
        if len(self._counts) > MARKERS_MAX:
            self._counts.popitem(last=False)
        return count, since


class _Draws:
    """Chance of one attempt alone; seeded when it is first needed, for seeding costs more than most answers."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._rng: Random | None = None

    def __call__(self) -> float:
        self._rng = self._rng or Random(self._seed)
        return self._rng.random()
