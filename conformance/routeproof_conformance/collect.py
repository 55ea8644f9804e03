"""From what a run recorded to its report: both sides of every check in words and numbers, bounded. No I/O."""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final, final

from routeproof_conformance.case import Bench, Case
from routeproof_conformance.judge.outcome import RED, Outcome, Ruling
from routeproof_conformance.judge.verdict import SETTLED, UNSETTLED, Exit, exit_code, verdict
from routeproof_conformance.report import (
    FORMAT,
    CheckSeen,
    ErrorBudget,
    LeftOut,
    Machine,
    ProfileSeen,
    Report,
    Sentence,
    StatisticSeen,
    TargetSeen,
)
from routeproof_conformance.settings import Settings
from routeproof_conformance.target import Target
from routeproof_conformance.target_file import Expectation
from routeproof_conformance.writer import Writer
from routeproof_spec.contract import load_contract
from routeproof_spec.requirement import PROFILES, Requirement, get_requirement, load_requirements

BODY_CHARS_MAX: Final = 4000  # of a body in the report
FRAMES_MAX: Final = 200
#: Of a check that held, so much is enough to see how it was made.
EXCHANGES_KEPT_GREEN: Final = 1
BODY_CHARS_MAX_GREEN: Final = 300


@final
@dataclass(kw_only=True)
class Run:
    """What has come together of a run so far."""

    settings: Settings
    started: float  #: Unix seconds
    checks: list[CheckSeen] = field(default_factory=list[CheckSeen])
    out_of_scope: list[LeftOut] = field(default_factory=list[LeftOut])
    problem: str = ""  # why the run could not be made, or ended early
    mistaken: Exit | None = None  # whose mistake *problem* is, where it is not the target's
    report: Report | None = None  # once it is made

    def finished(self, target: Target, bench: Bench | None, *, command: str, ended: float) -> Report:
        """Return the report of the run."""
        outcomes = [each.outcome for each in self.checks]
        is_complete = bench is not None and not self.problem
        code = exit_code(outcomes, is_complete=is_complete) if self.mistaken is None else self.mistaken
        statistics = [each for check in self.checks for each in check.statistics]
        requirements = load_requirements()
        return Report(
            format=FORMAT,
            routeproof=version("routeproof"),
            contract=load_contract().version,
            target=_target(target),
            seed=self.settings.seed,
            command=command,
            started_at=datetime.fromtimestamp(self.started, UTC).isoformat(timespec="seconds"),
            duration=round(ended - self.started, 3),
            machine=_machine(bench),
            profiles=_profiles(self, is_complete=is_complete),
            requirements=[
                Sentence(id=each.id, level=each.level.value, text=each.text, profile=each.profile)
                for each in requirements.values()
            ],
            checks=self.checks,
            out_of_scope=self.out_of_scope,
            excluded=[
                LeftOut(name=each.id, requirements=[each.id], reason=each.excluded)
                for each in requirements.values()
                if each.excluded is not None
            ],
            error_budget=ErrorBudget(
                tests=len(statistics),
                alpha=sum(each.alpha for each in statistics),
                beta=sum(each.beta for each in statistics),
            ),
            exit_code=code,
            problem=self.problem,
            complete=is_complete,
        )


def check(
    case: Case,
    ruling: Ruling,
    *,
    requirements: Sequence[Requirement],
    says: str,
    duration: float,
    expectation: Expectation | None = None,
    trace: str = "",
) -> CheckSeen:
    """Return one check as the report holds it: all that is kept of a red one, a little of a green one."""
    evidence = case.evidence
    is_green = ruling.outcome not in RED and ruling.outcome not in (Outcome.WARN, Outcome.EXPECTED_FAIL)
    kept = evidence.observed[-EXCHANGES_KEPT_GREEN:] if is_green else evidence.observed
    writer = Writer(
        target=case.bench.target,
        started=min((each.exchange.sent_at for each in evidence.observed), default=0.0),
        secrets=(*case.bench.target.keys.values(), *case.bench.secrets.values()),
        body_chars_max=BODY_CHARS_MAX_GREEN if is_green else BODY_CHARS_MAX,
        frames_max=0 if is_green else FRAMES_MAX,
    )
    return CheckSeen(
        name=case.name,
        area=case.name.partition("/")[0],
        says=says,
        requirements=[each.id for each in requirements],
        outcome=ruling.outcome,
        reason=writer.redacted(ruling.reason),
        broken=ruling.requirement,
        duration=round(duration, 4),
        requests=evidence.requests,
        exchanges=[writer.exchange(each) for each in kept],
        dropped=evidence.requests - len(kept),
        notes=[writer.redacted(note) for note in evidence.notes],
        statistics=[StatisticSeen(**asdict(each)) for each in evidence.statistics],
        expectation="" if expectation is None else " ".join(filter(None, (expectation.reason, expectation.issue))),
        traceback=writer.redacted(trace),
    )


def _target(target: Target) -> TargetSeen:
    identity = target.tables.target
    return TargetSeen(
        name=identity.name,
        version=identity.version,
        base_url=target.base_url,
        dialect=target.dialect.name,
        digest=target.digest,
        is_url_only=target.is_url_only,
    )


def _machine(bench: Bench | None) -> Machine:
    calibration = bench.calibration if bench is not None else None
    return Machine(
        python=platform.python_version(),
        platform=platform.platform(),
        late_median=round(calibration.median, 6) if calibration else 0.0,
        late_worst=round(calibration.worst, 6) if calibration else 0.0,
    )


def _profiles(run: Run, *, is_complete: bool) -> list[ProfileSeen]:
    outcomes: dict[str, list[Outcome]] = defaultdict(list)
    for each in run.checks:
        for requirement in _charged(each):
            outcomes[requirement].append(each.outcome)
    of_requirements = [get_requirement(each).profile for each in run.settings.requirements]
    asked = run.settings.profiles or of_requirements or tuple(PROFILES)
    return [_profile(name, outcomes, is_complete=is_complete) for name in PROFILES if name in asked]


def _charged(seen: CheckSeen) -> list[str]:
    """Return the requirements that the outcome speaks of: a broken one is broken alone, the others stay open."""
    return [seen.broken] if seen.broken is not None else seen.requirements


def _profile(name: str, outcomes: dict[str, list[Outcome]], *, is_complete: bool) -> ProfileSeen:
    required = [each.id for each in load_requirements().values() if each.profile == name and each.excluded is None]
    broken = [each for each in required if {Outcome.FAIL, Outcome.EXPECTED_FAIL} & set(outcomes[each])]
    unsettled = [each for each in required if each not in broken and UNSETTLED & set(outcomes[each])]
    held = [
        each
        for each in required
        if each not in broken and each not in unsettled and outcomes[each] and set(outcomes[each]) <= SETTLED
    ]
    untested = [each for each in required if each not in {*broken, *unsettled, *held}]
    return ProfileSeen(
        name=name,
        says=PROFILES[name],
        verdict=verdict(required, outcomes, is_complete=is_complete),
        required=len(required),
        held=len(held),
        broken=broken,
        unsettled=unsettled,
        untested=untested,
    )
