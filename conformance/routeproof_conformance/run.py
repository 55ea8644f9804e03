"""One conformance run from beginning to end: what `routeproof check` does, by way of pytest."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, final

import pytest
from rich.console import Console

from routeproof_conformance.checking import LETTERS, Checking
from routeproof_conformance.judge.outcome import Outcome
from routeproof_conformance.judge.verdict import Exit
from routeproof_conformance.render import HTML
from routeproof_conformance.render.terminal import show
from routeproof_conformance.report import CheckSeen, Report
from routeproof_conformance.settings import Settings, resolve

SUITE: Final = Path(__file__).parent / "suite"

#: People's own settings of pytest are for their own tests; the last one pytest keeps for itself, and takes away.
_QUIETED: Final = {
    "PYTEST_ADDOPTS": "",
    "PYTEST_PLUGINS": "",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_CURRENT_TEST": "",
}
_AREA_WIDTH: Final = 12
_LINE_WIDTH: Final = 60  # letters of checks in one line


def check(settings: Settings, *, console: Console | None = None) -> int:
    """Judge a gateway as *settings* say, tell it on *console* (standard output), and return the exit code.

    Raises `ConfigError` for an option or a file that is wrong. Everything that is found out stands in the report, which
    is written into `settings.report` where that is given.
    """
    resolve(settings, environ=os.environ)  # a mistake is told before anything is started
    progress = Progress(console or Console(highlight=False))
    with _environment(_QUIETED):
        code = int(pytest.main(_arguments(settings), plugins=[progress]))
    report = progress.report
    if report is None:
        return Exit.OURS if code not in set(Exit) else code
    show(report, progress.console)
    if settings.report is not None:
        progress.console.print(f"report: {settings.report / HTML}", soft_wrap=True)
    return report.exit_code


@final
class Progress:
    """A pytest plugin that shows one line for each area, and keeps the report."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.report: Report | None = None
        self._checking: Checking | None = None
        self._area: list[CheckSeen] = []
        self._told = 0

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Find the judge, whose checks are shown."""
        plugin: object = session.config.pluginmanager.get_plugin("routeproof-checking")
        assert isinstance(plugin, Checking)
        self._checking = plugin

    def pytest_runtestloop(self) -> None:
        """Tell whose promises the target is held to, now that it is open."""
        assert self._checking is not None
        if self._checking.bench is not None:
            self.console.print(self._checking.target.judged_as, markup=False, soft_wrap=True)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self) -> tuple[str, str, str]:
        """Keep pytest's own progress silent."""
        return "", "", ""

    def pytest_runtest_logreport(self) -> None:
        """Show what has been judged since the last look."""
        assert self._checking is not None
        for seen in self._checking.run.checks[self._told :]:
            self._told += 1
            if self._area and self._area[-1].area != seen.area:
                self._end_area()
            if not self._area:
                self.console.print(f"{seen.area:<{_AREA_WIDTH}} ", end="")
            elif len(self._area) % _LINE_WIDTH == 0:
                self.console.print(f"\n{'':<{_AREA_WIDTH}} ", end="")
            self._area.append(seen)
            self.console.print(LETTERS[seen.outcome], end="", markup=False)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """End the last line and take the report."""
        assert self._checking is not None
        if self._area:
            self._end_area()
        self.report = self._checking.run.report

    def _end_area(self) -> None:
        counts = Counter(seen.outcome for seen in self._area)
        others = [f"{count} {outcome}" for outcome, count in counts.most_common() if outcome != Outcome.PASS]
        seconds = sum(seen.duration for seen in self._area)
        told = ", ".join([f"{counts[Outcome.PASS]} of {len(self._area)} hold", *others, f"{seconds:.1f} s"])
        self.console.print(f"  {told}", markup=False)
        self._area = []


def _arguments(settings: Settings) -> list[str]:
    """Return the command line of pytest that means *settings*."""
    options = {
        "--gateway-url": settings.url,
        "--target": str(settings.target.resolve()) if settings.target is not None else "",
        "--report": str(settings.report.resolve()) if settings.report is not None else "",
        "--key-env": settings.key_env,
        "--dialect": settings.dialect,
        "--model": settings.model,
        "--seed": str(settings.seed),
    }
    named = [f"{name}={value}" for name, value in options.items() if value]
    parts = [f"--profile={name}" for name in settings.profiles]
    parts += [f"--requirement={name}" for name in settings.requirements]
    place = ["-c", str(SUITE / "pytest.ini"), f"--rootdir={SUITE}", str(SUITE)]
    return ["-p", "routeproof_conformance.plugin", *place, *named, *parts]


@contextmanager
def _environment(changes: Mapping[str, str]) -> Generator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
