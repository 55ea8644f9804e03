"""A gateway that nobody here wrote is judged: what is found of it is pinned, and no mistake of ours is among it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from routeproof_conformance.judge.outcome import RED, Outcome
from routeproof_conformance.judge.verdict import Exit, Verdict
from routeproof_conformance.report import Report, read_report

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("rolter")]

SUBJECTS: Final = Path(__file__).parents[2] / ".venv-subjects" / "bin"
VERSION: Final = "rolter 0.1.0"
SECONDS_MAX: Final = 240  # on a machine that does much else; alone it takes less than 60

#: What rolter 0.1.0 breaks in every run; `docs/gateways.md` says how.
FOUND: Final = frozenset(
    {
        "auth.error.challenge",
        "auth.scheme.case",
        "errors.provider.address",
        "errors.provider.key",
        "fallback.absent.immediate",
        "fallback.on.reset",
        "fallback.on.timeout",
        "fallback.retry_after.relayed",
        "stream.response.refusal",
        "surface.answer.media_type",
        "surface.encoding.readable",
        "surface.path.unknown",
        "universal.cut.honest",
        "universal.done.last",
        "universal.secret.provider",
        "universal.time.bounded",
    }
)

#: Its strategy `fastest` may leave a provider unmeasured, as its first choices fall; then these fail too.
FOUND_BY_CHANCE: Final = frozenset({"routing.latency.fastest", "routing.latency.per_model", "routing.strategy.parity"})


def folder_of_rolter() -> Path:
    """Return the folder of the installed rolter; without one the test fails, for it would judge nothing."""
    command = shutil.which("rolter", path=os.pathsep.join([str(SUBJECTS), os.environ.get("PATH", os.defpath)]))
    if command is None:
        mend = f"python3 -m venv {SUBJECTS.parent} && {SUBJECTS}/pip install rolter==0.1.0"
        pytest.fail(f"no rolter in {SUBJECTS}, nor on the PATH: run `make test`, or `{mend}`")
    told = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    assert told == VERSION, f"{command} is {told}, but {VERSION} was judged: install that one"
    return Path(command).parent


def check(report: Path, *, path: str) -> subprocess.CompletedProcess[str]:
    """Judge the target `rolter` as a user does, with *path* as the search path for its command."""
    command = [sys.executable, "-m", "routeproof", "check", "--target", "rolter", "--report", str(report)]
    environ = {**os.environ, "PATH": path}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environ, timeout=SECONDS_MAX)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of one run."""
    folder = tmp_path_factory.mktemp("rolter")
    run = check(folder, path=os.pathsep.join([str(folder_of_rolter()), os.environ.get("PATH", os.defpath)]))
    assert run.returncode == Exit.VIOLATED, run.stdout[-4000:] + run.stderr[-4000:]
    return read_report(folder)


def test_the_run_is_whole_and_without_a_mistake_of_ours(report: Report) -> None:
    assert report.complete
    assert report.problem == ""
    unjudged = RED - {Outcome.FAIL}
    assert [(each.name, each.reason) for each in report.checks if each.outcome in unjudged] == []


def test_most_of_what_applies_holds(report: Report) -> None:
    counted = Counter(each.outcome for each in report.checks)
    assert counted[Outcome.PASS] > 4 * counted[Outcome.FAIL] > 0
    # Of health, limits and operations it promises nothing.
    assert all(profile.held > 0 for profile in report.profiles if profile.required > len(profile.untested))


def test_what_is_found_is_what_is_known(report: Report) -> None:
    broken = {each for profile in report.profiles for each in profile.broken}
    assert broken - FOUND_BY_CHANCE == FOUND
    assert {each.name for each in report.profiles if each.verdict is Verdict.NONCONFORMANT} >= {"universal", "security"}


def test_whatever_was_not_judged_says_why(report: Report) -> None:
    unjudged = [each for each in report.checks if each.outcome in (Outcome.NOT_APPLICABLE, Outcome.OBSERVED)]
    assert unjudged
    assert [each.name for each in unjudged if not each.reason] == []
    charged = {requirement for each in report.checks for requirement in each.requirements}
    said = charged | {requirement for each in report.excluded for requirement in each.requirements}
    assert {each.id for each in report.requirements} == said


def test_a_missing_rolter_is_told_with_how_to_install_it(tmp_path: Path) -> None:
    run = check(tmp_path / "report", path=str(tmp_path))
    assert run.returncode == Exit.USAGE
    assert "pip install rolter==0.1.0" in run.stdout + run.stderr
