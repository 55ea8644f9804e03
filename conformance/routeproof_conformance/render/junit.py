"""A report as JUnit XML, for CI systems: one suite for each area."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import groupby
from typing import Final

from routeproof_conformance.judge.outcome import Outcome
from routeproof_conformance.render.text import told
from routeproof_conformance.report import CheckSeen, Report

#: Outcome -> the element that tells it; what is not here is a plain pass.
ELEMENTS: Final = {
    Outcome.FAIL: "failure",
    Outcome.UNEXPECTED_PASS: "failure",
    Outcome.NOT_TESTABLE: "error",
    Outcome.SETUP_FAIL: "error",
    Outcome.HARNESS_ERROR: "error",
    Outcome.NOT_APPLICABLE: "skipped",
    Outcome.EXPECTED_FAIL: "skipped",
}

# XML 1.0 cannot carry these in any form, and the body of an answer may hold them.
_ILLEGAL: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> bytes:
    """Return *report* as a JUnit document."""
    root = ET.Element("testsuites", name=_legal(f"routeproof: {report.target.name}"))
    for area, checks in groupby(sorted(report.checks, key=lambda check: check.area), key=lambda check: check.area):
        _suite(root, area, list(checks), report)
    if report.problem:
        case = ET.SubElement(
            ET.SubElement(root, "testsuite", name="run", tests="1", errors="1"), "testcase", name="run"
        )
        ET.SubElement(case, "error", message=_legal(report.problem))
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _suite(root: ET.Element, area: str, checks: list[CheckSeen], report: Report) -> None:
    kinds = [ELEMENTS.get(check.outcome) for check in checks]
    suite = ET.SubElement(
        root,
        "testsuite",
        name=area,
        timestamp=report.started_at,
        tests=str(len(checks)),
        failures=str(kinds.count("failure")),
        errors=str(kinds.count("error")),
        skipped=str(kinds.count("skipped")),
        time=f"{sum(check.duration for check in checks):.3f}",
    )
    for check, kind in zip(checks, kinds, strict=True):
        case = ET.SubElement(suite, "testcase", classname=area, name=_legal(check.name), time=f"{check.duration:.3f}")
        if kind is not None:
            element = ET.SubElement(case, kind, message=_legal(f"{check.outcome}: {check.reason}"))
            element.text = _legal(told(check)) if kind != "skipped" else None


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)
