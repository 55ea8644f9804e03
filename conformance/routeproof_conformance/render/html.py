"""A report as one self-contained page: no script, font or picture of anybody else's."""

from __future__ import annotations

from collections import Counter
from typing import Final

import jinja2

from routeproof_conformance.judge.outcome import RED, Outcome
from routeproof_conformance.render.text import told
from routeproof_conformance.render.timeline import timeline
from routeproof_conformance.report import CheckSeen, Report

PICTURES_MAX: Final = 6  # of one check

_TEMPLATES: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("routeproof_conformance", "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def html(report: Report) -> str:
    """Return *report* as an HTML page."""
    counts = Counter(check.outcome for check in report.checks)
    sentences = {each.id: each for each in report.requirements}
    return _TEMPLATES.get_template("report.html.j2").render(
        report=report,
        checks=sorted(report.checks, key=_rank),
        counts=[(outcome.value, counts[outcome]) for outcome in Outcome if counts[outcome]],
        sentences=sentences,
        profiles_of={
            check.name: sorted({sentences[each].profile for each in check.requirements}) for check in report.checks
        },
        red={outcome.value for outcome in RED},
        told=told,
        pictures=_pictures,
    )


def _rank(check: CheckSeen) -> tuple[bool, str, str]:
    """Red checks first: they are why somebody reads the page."""
    return check.outcome not in RED, check.area, check.name


def _pictures(check: CheckSeen) -> list[object]:
    return [(exchange, timeline(exchange)) for exchange in check.exchanges[-PICTURES_MAX:]]
