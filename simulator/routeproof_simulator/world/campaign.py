"""Many runs of one scenario, each by its seed: what held, what broke, what was reached, and whether runs repeat.

A run is a function of scenario and seed. For a share of the seeds it is done twice, and the first step in which the two
differ is a finding of its own: a hidden thread, clock or source of chance.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain, zip_longest
from pathlib import Path
from random import Random
from typing import Final

from routeproof_simulator.invariants import Finding, Kind, judge
from routeproof_simulator.world import run as world
from routeproof_simulator.world.clock import Deadlock, HorizonPassed
from routeproof_simulator.world.reached import reached
from routeproof_simulator.world.scenario import Scenario
from routeproof_simulator.world.timeline import steps, timeline
from routeproof_spec.history import Attempt, Exchange, History

SHIPPED: Final = Path(__file__).parents[1] / "scenarios"
STORIES_MAX: Final = 5  # requests whose timeline a report tells
SEEDS_MAX: Final = 1_000_000

STUCK: Final = 28  # no deadlock, no livelock
UNREPEATABLE: Final = 24  # the same history gives the same decisions


class Status(IntEnum):
    """What a campaign shows, as the exit code that says so."""

    HELD = 0
    VIOLATED = 1
    UNVERIFIED = 3  # nothing ran, or a state that had to be reached was not


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run and its verdict."""

    seed: int
    digest: str  # of the history: the same run has the same
    findings: tuple[Finding, ...]
    reached: frozenset[str]
    requests: int
    attempts: int
    seconds: float  # of real time
    virtual_seconds: float
    stories: tuple[str, ...] = ()  # the timelines of requests that show the findings


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """All runs, and what they come to."""

    file: Path
    title: str
    runs: tuple[Run, ...]
    seeds_asked: int
    missing: tuple[str, ...]  # states that no run reached and some run had to

    @property
    def status(self) -> Status:
        """What the campaign shows."""
        if any(run.findings for run in self.runs):
            return Status.VIOLATED
        return Status.UNVERIFIED if self.missing or not self.runs else Status.HELD

    def report(self) -> str:
        """Return what a person needs to know, ending in the command that replays the first violation."""
        return "\n".join(_report(self))


def run(
    scenario: Scenario,
    *,
    file: Path,
    seeds: Iterable[int] | None = None,
    budget: float = math.inf,
    repeat_share: float = 0.1,
    progress: Callable[[Run], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Campaign:
    """Run *scenario*, read from *file*, once for each of *seeds* (its own alone by default) and judge every run.

    No new run begins after *budget* seconds of *clock*. A share *repeat_share* of the seeds, the first among them, is
    run twice. *progress* is called after each run.
    """
    wanted = [scenario.seed] if seeds is None else list(seeds)
    assert len(wanted) <= SEEDS_MAX
    began = clock()
    runs: list[Run] = []
    for seed in wanted:
        if clock() - began >= budget:
            break
        is_repeated = repeat_share > 0 and (not runs or Random(f"{seed}/repeat").random() < repeat_share)
        runs.append(_run(scenario, file, seed, is_repeated=is_repeated, clock=clock))
        progress(runs[-1])
    everywhere = frozenset[str]().union(*(each.reached for each in runs))
    return Campaign(
        file=file,
        title=scenario.title,
        runs=tuple(runs),
        seeds_asked=len(wanted),
        missing=tuple(state for state in scenario.expect.sometimes if state not in everywhere),
    )


def digest(history: History) -> str:
    """Return the SHA-256 of *history*, by which runs are compared."""
    return hashlib.sha256(history.to_json()).hexdigest()


def first_difference(one: History, other: History) -> str | None:
    """Return the first step in which two histories differ, as a sentence, or None where they are the same."""
    for number, (left, right) in enumerate(zip_longest(steps(one), steps(other))):
        if left != right:
            here, there = left or "missing", right or "missing"
            if str(here) == str(there):
                here, there = repr(left), repr(right)  # times that differ by less than is shown
            return f"step {number} is {here} in one run and {there} in the other"
    both: Iterator[tuple[Exchange | Attempt, Exchange | Attempt]] = chain(
        zip(one.exchanges, other.exchanges, strict=True), zip(one.attempts, other.attempts, strict=True)
    )
    for left, right in both:
        if left != right:
            return f"the steps are the same, but not all that is recorded of request {left.marker}"
    return None if one == other else "the steps are the same, but the notes are not"


def _run(scenario: Scenario, file: Path, seed: int, *, is_repeated: bool, clock: Callable[[], float]) -> Run:
    began = clock()
    history = History(seed=str(seed))
    try:
        history = world.run(scenario, file=file, seed=seed)
        findings = judge(history, scenario.declared(), but=frozenset(scenario.expect.unless))
        if is_repeated:
            again = world.run(scenario, file=file, seed=seed)
            findings += _unrepeatable(history, again)
    except (Deadlock, HorizonPassed) as error:
        findings = (Finding(number=STUCK, name="no-deadlock", kind=Kind.LIVENESS, sentence=str(error)),)
    markers = list(dict.fromkeys(marker for finding in findings for marker in finding.markers))
    return Run(
        seed=seed,
        digest=digest(history),
        findings=findings,
        reached=reached(history, scenario.declared()),
        requests=len(history.exchanges),
        attempts=len(history.attempts),
        seconds=clock() - began,
        virtual_seconds=max((each.ended_at for each in history.exchanges), default=0.0),
        stories=tuple(timeline(history, marker) for marker in markers[:STORIES_MAX]),
    )


def _unrepeatable(one: History, other: History) -> tuple[Finding, ...]:
    sentence = first_difference(one, other)
    if sentence is None:
        return ()
    return (Finding(number=UNREPEATABLE, name="repeats", kind=Kind.SAFETY, sentence=sentence),)


def _report(campaign: Campaign) -> Iterator[str]:
    requests = sum(each.requests for each in campaign.runs)
    seconds = sum(each.seconds for each in campaign.runs)
    lived = sum(each.virtual_seconds for each in campaign.runs)
    yield f"{campaign.title}: {campaign.status.name.lower()}"
    yield (
        f"{len(campaign.runs)} of {campaign.seeds_asked} seeds, {requests} requests, "
        f"{lived:.0f} s lived through in {seconds:.1f} s"
    )
    if not campaign.runs:
        yield "the budget was spent before a run was begun: give it more seconds"
        return
    for state in campaign.missing:
        yield f"never reached: {state}"
    broken = [each for each in campaign.runs if each.findings]
    for each in broken[:1]:
        yield from _told(each)
        yield f"replay: routeproof chaos run {_shown(campaign.file)} --seed {each.seed}"
    if len(broken) > 1:
        yield f"violated too with the seeds {', '.join(str(each.seed) for each in broken[1:21])}"


def _shown(file: Path) -> str:
    """Return how a user names *file*: a scenario that ships by its name alone."""
    return file.stem if file.parent.resolve() == SHIPPED.resolve() else str(file)


def _told(run: Run) -> Iterator[str]:
    yield ""
    yield f"seed {run.seed}:"
    names = list(dict.fromkeys((finding.number, finding.name) for finding in run.findings))
    for number, name in names:
        same = [finding for finding in run.findings if finding.number == number]
        yield f"  {same[0]}"
        if len(same) > 1:
            yield f"    and {len(same) - 1} more of {name}"
    for story in run.stories:
        yield ""
        yield story
    yield ""
