"""The judge inside pytest: it opens the target, runs checks on Trio, and turns what they raise into outcomes."""

from __future__ import annotations

import inspect
import os
import shlex
import time
import traceback
from collections.abc import Generator
from contextlib import ExitStack
from random import Random
from typing import Final, final

import pytest
import trio

from routeproof_conformance import collect, fixtures
from routeproof_conformance.case import Bench, Case
from routeproof_conformance.items import ids_of, is_check, is_ours, is_two_sided, name_of, refused, requirements_of
from routeproof_conformance.judge.outcome import (
    RED,
    NotApplicable,
    NotDeclared,
    NotTestable,
    Outcome,
    Ruling,
    against_expectation,
    rule,
    single,
)
from routeproof_conformance.judge.verdict import Exit
from routeproof_conformance.opening import opened
from routeproof_conformance.render import write_all
from routeproof_conformance.render.text import told
from routeproof_conformance.report import LeftOut, Report
from routeproof_conformance.scope import InScope, OutOfScope, Unpromised, scope
from routeproof_conformance.session import CASE
from routeproof_conformance.settings import OPTIONS, Settings, from_options, resolve
from routeproof_conformance.target import Target
from routeproof_conformance.target_file import Expectation, refuse_unknown
from routeproof_spec.errors import RouteproofError, TargetUnreachable

#: A target that is gone stays gone: so many checks in a row that cannot reach it end the run.
UNREACHED_MAX: Final = 3

#: An outcome, in one letter.
LETTERS: Final = {
    Outcome.PASS: ".",
    Outcome.FAIL: "F",
    Outcome.WARN: "w",
    Outcome.NOT_APPLICABLE: "-",
    Outcome.NOT_TESTABLE: "?",
    Outcome.EXPECTED_FAIL: "x",
    Outcome.UNEXPECTED_PASS: "X",
    Outcome.OBSERVED: "o",
    Outcome.SETUP_FAIL: "S",
    Outcome.HARNESS_ERROR: "E",
}


def register(config: pytest.Config) -> None:
    """Make *config*'s run one that judges a gateway; a wrong option or file ends it with a sentence and exit code 2."""
    config.addinivalue_line("markers", "requirement(id, ...): the requirements that a check tests")
    config.addinivalue_line("markers", "needs(capability, ...): what the target must have for a check to apply")
    settings = from_options({name: config.getoption(f"--{name}") for name in OPTIONS})
    try:
        judge = Checking(settings, resolve(settings, environ=os.environ))
    except RouteproofError as error:
        pytest.exit(str(error), returncode=Exit.USAGE)
    config.pluginmanager.register(judge, "routeproof-checking")
    config.pluginmanager.register(fixtures, "routeproof-fixtures")


@final
class Checking:
    """One run: every check's ruling is collected here and told in the report."""

    def __init__(self, settings: Settings, target: Target) -> None:
        self.settings = settings
        self.target = target
        self.bench: Bench | None = None
        self.run = collect.Run(settings=settings, started=time.time())
        self._stack = ExitStack()
        self._unreached = 0
        self._unread = ""  # why the first file that could not be collected could not
        self._rulings: dict[str, Ruling] = {}
        self._names: list[str] = []  # of all checks that were collected

    # Which checks are judged.

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out the checks that this run cannot or shall not judge, and keep why."""
        self._names = [name_of(item) for item in items if is_check(item)]
        kept: list[pytest.Item] = []
        left: list[pytest.Item] = []
        for item in items:
            match self._scope(item):
                case OutOfScope(reason=reason):
                    left.append(item)
                    self.run.out_of_scope.append(LeftOut(name=name_of(item), requirements=ids_of(item), reason=reason))
                case InScope() | Unpromised():
                    kept.append(item)
        items[:] = kept
        if left:
            config.hook.pytest_deselected(items=left)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep why a file of checks cannot be read."""
        if report.failed and not self._unread:
            self._unread = f"{report.nodeid}\n{report.longreprtext}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Open the target, now that there is something to judge; where that fails, nothing is run."""
        if session.testsfailed or session.config.getoption("collectonly") or not any(map(is_ours, session.items)):
            return None
        try:
            if not any("::" in each for each in session.config.args):  # else a file was not collected whole
                refuse_unknown(self.target.tables.expected, self._names, file=str(self.target.path))
            self.bench = self._stack.enter_context(
                opened(self.target, seed=self.settings.seed, folder=self.settings.report)
            )
        except TargetUnreachable as error:
            self.run.problem = str(error)
            return True
        except RouteproofError as error:
            self.run.problem, self.run.mistaken = str(error), Exit.USAGE
            return True
        self.target = self.bench.target
        return None

    # Running one check.

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Give a check its case; one that does not apply to the target ends here."""
        if not is_ours(item):
            return
        assert self.bench is not None
        rng = Random(f"{self.settings.seed}/{name_of(item)}")
        item.stash[CASE] = Case(bench=self.bench, name=name_of(item), requirements=tuple(ids_of(item)), rng=rng)
        match self._scope(item):
            case Unpromised(reason=reason):
                raise NotApplicable(reason)
            case _:
                pass

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Run an asynchronous check under Trio, bounded, between two healings of the providers."""
        if not (is_ours(pyfuncitem) and inspect.iscoroutinefunction(pyfuncitem.obj)):
            return None
        case = pyfuncitem.stash[CASE]
        wanted = inspect.signature(pyfuncitem.obj).parameters
        arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in wanted}
        deadline = self.target.timing.check_deadline

        async def main() -> None:
            try:
                with trio.fail_after(deadline):
                    async with case.opened():
                        await pyfuncitem.obj(**arguments)
            except trio.TooSlowError:
                raise NotTestable(f"the check did not come to its end within {deadline:g} s") from None

        try:
            trio.run(main)
        except BaseExceptionGroup as group:
            raise single(group) from None
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Turn what a check raised into its outcome, and the traceback of a finding into its sentence."""
        report = yield
        if not is_check(item) or CASE not in item.stash:
            return report
        error = call.excinfo.value if call.excinfo else None
        if isinstance(error, (KeyboardInterrupt, pytest.exit.Exception)):
            return report
        if call.when == "call" or error is not None:
            self._settle(item, call, report, error)
        return report

    def _settle(
        self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport, error: BaseException | None
    ) -> None:
        case = item.stash[CASE]
        error = refused(error)
        if isinstance(error, NotDeclared) and self.target.is_url_only:
            left = LeftOut(name=case.name, requirements=list(case.requirements), reason=str(error))
            self.run.out_of_scope.append(left)
            report.outcome, report.longrepr = "skipped", ("", 0, str(error))
            self._rulings[report.nodeid] = Ruling(outcome=Outcome.NOT_APPLICABLE, reason=str(error))
            return
        requirements = requirements_of(item)
        ruling = rule(error, levels=frozenset(each.level.value for each in requirements))
        expectation = self._expected(case.name)
        if expectation is not None:
            ruling = against_expectation(ruling, why=expectation.reason)
        words = traceback.format_exception(error) if ruling.outcome is Outcome.HARNESS_ERROR and error else []
        seen = collect.check(
            case,
            ruling,
            requirements=requirements,
            says=inspect.getdoc(getattr(item, "obj", None)) or "",
            duration=call.duration,
            expectation=expectation,
            trace="".join(words),
        )
        self.run.checks.append(seen)
        self._rulings[report.nodeid] = ruling
        report.outcome, report.longrepr = "passed", None
        if ruling.outcome in RED:
            report.outcome, report.longrepr = "failed", told(seen)
        elif call.when == "setup":
            report.outcome, report.longrepr = "skipped", ("", 0, ruling.reason)  # else pytest would run it
        self._stop_where_gone(item.session, ruling)

    def _stop_where_gone(self, session: pytest.Session, ruling: Ruling) -> None:
        self._unreached = self._unreached + 1 if ruling.outcome is Outcome.SETUP_FAIL else 0
        if self._unreached >= UNREACHED_MAX:
            self.run.problem = f"{UNREACHED_MAX} checks in a row did not reach the target; the last: {ruling.reason}"
            session.shouldstop = self.run.problem

    # Telling it.

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Show a check's outcome as one letter and in its own word."""
        ruling = self._rulings.get(report.nodeid)
        if ruling is None:
            return None
        if report.when == "call" or report.outcome != "passed":
            # pytest tells the reasons of those alone that it counts as failed.
            category = "failed" if ruling.outcome in RED else ruling.outcome.value
            return category, LETTERS[ruling.outcome], ruling.outcome.value.upper()
        return "", "", ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the report, set the exit code that the outcomes deserve, and close the target."""
        with self._stack:
            self._finish(session, exitstatus)

    def _finish(self, session: pytest.Session, exitstatus: int) -> None:
        if session.config.getoption("collectonly") or self.run.report is not None:
            return
        match exitstatus:
            case pytest.ExitCode.INTERRUPTED if session.testsfailed and not self.run.checks:
                self.run.problem, self.run.mistaken = f"the suite cannot be read: {self._unread}", Exit.OURS
            case pytest.ExitCode.INTERNAL_ERROR:
                self.run.problem, self.run.mistaken = "the judge itself failed", Exit.OURS
            case pytest.ExitCode.INTERRUPTED if not self.run.problem:
                self.run.problem = "the run was interrupted"
            case _:
                pass
        code = self._report(session.config).exit_code
        red = sum(each.outcome in RED for each in self.run.checks)
        session.exitstatus = Exit.VIOLATED if code == Exit.HELD and session.testsfailed > red else code

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the verdict of each profile."""
        report = self.run.report
        if report is None or terminalreporter.no_summary:
            return
        terminalreporter.section("profiles")
        if self.bench is not None:
            terminalreporter.write_line(self.target.judged_as)
        for profile in report.profiles:
            terminalreporter.write_line(f"{profile.name:<12} {profile.verdict:<14} {profile.held}/{profile.required}")
        if report.problem:
            terminalreporter.write_line(report.problem)
        if self.settings.report is not None:
            terminalreporter.write_line(f"report: {self.settings.report}")

    def _report(self, config: pytest.Config) -> Report:
        command = shlex.join(["pytest", *map(str, config.invocation_params.args)])
        self.run.report = self.run.finished(self.target, self.bench, command=command, ended=time.time())
        if self.settings.report is not None:
            write_all(self.run.report, self.settings.report)
        return self.run.report

    def _scope(self, item: pytest.Item) -> InScope | OutOfScope | Unpromised:
        if not is_check(item):
            return InScope()
        needs = [name for marker in item.iter_markers("needs") for name in marker.args]
        return scope(
            requirements_of(item),
            capabilities=needs,
            is_two_sided=is_two_sided(item),
            target=self.target,
            profiles=self.settings.profiles,
            asked=self.settings.requirements,
        )

    def _expected(self, name: str) -> Expectation | None:
        today = time.strftime("%Y-%m-%d", time.gmtime(self.run.started))
        for expectation in self.target.tables.expected:
            if expectation.check in (name, name.partition("[")[0]) and not (
                len(expectation.expires) > 0 and expectation.expires <= today
            ):
                return expectation
        return None
