"""A report on a terminal: what is broken, what could not be judged, and the verdict of every profile."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from routeproof_conformance.judge.outcome import RED, Outcome
from routeproof_conformance.judge.verdict import Verdict
from routeproof_conformance.render.text import told
from routeproof_conformance.report import CheckSeen, Report

_STYLES: Final = {
    Verdict.CONFORMANT: "bold green",
    Verdict.PARTIAL: "green",
    Verdict.NONCONFORMANT: "bold red",
    Verdict.UNVERIFIED: "yellow",
}
_SHOWN: Final = frozenset({*RED, Outcome.WARN})
FULL_MAX: Final = 12  # causes that are told with both sides; the others are in the report
REASON_SHOWN: Final = 140
NAMES_SHOWN: Final = 3  # checks that are red for the same cause
LEFT_SHOWN: Final = 8  # reasons why checks were left out


def show(report: Report, console: Console) -> None:
    """Print *report*: each thing that is broken with both sides, then the verdicts."""
    causes: dict[tuple[str, str], list[CheckSeen]] = defaultdict(list)
    for check in report.checks:
        if check.outcome in _SHOWN:
            # A broken requirement fails many checks: the first of them tells all that is needed to mend it.
            causes[check.outcome, check.broken or check.reason].append(check)
    for number, checks in enumerate(causes.values()):
        _show_cause(checks, console, in_full=number < FULL_MAX)
    _show_left_out(report, console)
    console.print(_profiles(report))
    console.print(_summary(report), soft_wrap=True)
    if report.problem:
        console.print(Text(report.problem, style="bold yellow"), soft_wrap=True)


def _show_cause(checks: list[CheckSeen], console: Console, *, in_full: bool) -> None:
    first, *others = checks
    style = "yellow" if first.outcome == Outcome.WARN else "red"
    heading = f"{first.outcome.upper()}  {first.name}"
    if in_full:
        console.print()
        console.print(Text(heading, style=f"bold {style}"), soft_wrap=True)
        console.print(Text(told(first)), soft_wrap=True)
    else:
        line = f"{heading}  {' '.join(first.reason.split())[:REASON_SHOWN]}"
        console.print(Text(line, style=style), soft_wrap=True)
    if others:
        names = ", ".join(each.name for each in others[:NAMES_SHOWN])
        more = f" and {len(others) - NAMES_SHOWN} more" if len(others) > NAMES_SHOWN else ""
        console.print(Text(f"the same in {names}{more}", style="dim"), soft_wrap=True)


def _show_left_out(report: Report, console: Console) -> None:
    reasons = Counter(left.reason for left in report.out_of_scope)
    reasons.update(check.reason for check in report.checks if check.outcome == Outcome.NOT_APPLICABLE)
    if reasons:
        console.print()
    for reason, count in reasons.most_common(LEFT_SHOWN):
        console.print(
            Text(f"not judged: {count} check{'s' if count > 1 else ''}: {reason}", style="dim"), soft_wrap=True
        )


def _profiles(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("profile", "verdict", "held", "broken", "unsettled", "untested"):
        table.add_column(heading, justify="left" if heading in ("profile", "verdict") else "right")
    for profile in report.profiles:
        if not profile.required:
            continue
        table.add_row(
            profile.name,
            Text(profile.verdict, style=_STYLES[profile.verdict]),
            f"{profile.held}/{profile.required}",
            *(str(len(each) or "") for each in (profile.broken, profile.unsettled, profile.untested)),
        )
    return table


def _summary(report: Report) -> Text:
    counts = Counter(check.outcome for check in report.checks)
    told_counts = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()) or "no check was made"
    budget = report.error_budget
    chance = (
        f"; {budget.tests} statistical tests, chance of any false alarm ≤ {budget.alpha:.1g}" if budget.tests else ""
    )
    name, url = report.target.name, report.target.base_url
    place = url if name.rstrip("/") == url else f"{name} at {url}"
    return Text(f"\n{place}: {told_counts} in {report.duration:.1f} s{chance}")
