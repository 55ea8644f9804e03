"""Renderings of a report, each from its JSON alone."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from routeproof_conformance.render.html import html
from routeproof_conformance.render.junit import junit
from routeproof_conformance.report import Report, write_report, write_whole

HTML: Final = "report.html"
JUNIT: Final = "report.xml"


def write_all(report: Report, folder: Path) -> Path:
    """Write *report* into *folder* as a page, for CI, and last as JSON; return the path of the JSON."""
    write_whole(folder / HTML, html(report).encode())
    write_whole(folder / JUNIT, junit(report))
    return write_report(report, folder)
