"""The plugin as its users meet it: a pytest run of its own."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from routeproof_conformance.report import Report, read_report

TARGET = Path(__file__).parents[2] / "conformance" / "targets" / "reference.toml"
HEAVY = ("trio", "httpx2", "jsonschema", "jinja2", "rich", "msgspec", "routeproof_spec")

IMPORTS = """
    import pytest
    from routeproof_conformance.api import Fact, NotApplicable, NotTestable
    from routeproof_spec import Violation
    ONE = pytest.mark.requirement("chat.response.shape")
"""


def run(folder: Path, *arguments: str, checks: str = "", environ: dict[str, str] | None = None) -> tuple[int, str]:
    """Run pytest in *folder* over *checks*, as a user does; return the exit code and all that it printed."""
    if checks:
        (folder / "test_mine.py").write_text(textwrap.dedent(IMPORTS) + textwrap.dedent(checks))
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=inherited | (environ or {}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def judged(folder: Path, checks: str, *arguments: str) -> tuple[int, str, Report]:
    code, output = run(folder, f"--target={TARGET}", "--report=out", *arguments, checks=checks)
    return code, output, read_report(folder / "out")


def test_plugin_imports_nothing_heavy() -> None:
    script = "import sys, json, routeproof_conformance.plugin as p; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert [name for name in loaded if name.partition(".")[0] in HEAVY] == []


def test_plugin_adds_nothing_to_a_run_that_judges_no_gateway(tmp_path: Path) -> None:
    _, fixtures = run(tmp_path, "--fixtures", "-q")
    assert "providers" not in fixtures
    code, output = run(tmp_path, checks="def test_it(): pass")
    assert (code, "profiles" in output) == (0, False)


@pytest.mark.parametrize(
    ("arguments", "environ", "says"),
    [
        (["--gateway-url=http://127.0.0.1:1/v1"], {}, "TOKENHUB_API_KEY: found an unset environment variable"),
        (["--target=absent.toml"], {}, "absent.toml: found no such file"),
        (["--gateway-url=http://127.0.0.1:1/v1", "--profile=falback"], {}, "wanted 'fallback'"),
    ],
)
def test_wrong_option_is_a_sentence_and_exit_2(
    tmp_path: Path, arguments: list[str], environ: dict[str, str], says: str
) -> None:
    code, output = run(tmp_path, *arguments, checks="def test_it(): pass", environ=environ)
    assert (code, says in output, "Traceback" in output) == (2, True, False)


def test_gateway_that_does_not_answer_is_exit_3_and_a_report_that_says_so(tmp_path: Path) -> None:
    checks = """
        @ONE
        async def test_it(gateway):
            raise AssertionError("never run")
    """
    url, environ = "--gateway-url=http://127.0.0.1:1/v1", {"TOKENHUB_API_KEY": "th-x"}
    code, output = run(tmp_path, url, "--report=out", checks=checks, environ=environ)
    report = read_report(tmp_path / "out")
    assert (code, report.complete, report.checks) == (3, False, [])
    assert "is the gateway running, and the URL right?" in report.problem
    assert report.problem in output
    assert "Traceback" not in output


OUTCOMES = """
    @ONE
    async def test_pass(gateway): ...

    @ONE
    async def test_fail(gateway):
        raise Violation("chat.response.shape", expected="one thing", actual="another")

    @pytest.mark.requirement("stream.usage.null")
    async def test_warn(gateway):
        raise Violation("stream.usage.null", expected="one thing", actual="another")

    @ONE
    async def test_not_applicable(gateway):
        raise NotApplicable("it has none")

    @ONE
    async def test_not_testable(gateway):
        raise NotTestable("something is missing")

    @ONE
    async def test_observed(gateway):
        raise Fact("it is so")

    @ONE
    async def test_harness_error(gateway):
        {}["absent"]

    @ONE
    async def test_bare_skip(gateway):
        pytest.skip("not today")

    @ONE
    async def test_broken_fixture(absent): ...

    @ONE
    @pytest.mark.needs("telepathy")
    async def test_needs_what_nobody_denies(gateway): ...
"""


@pytest.mark.end_to_end
def test_every_ending_of_a_check_is_its_outcome(tmp_path: Path) -> None:
    code, output, report = judged(tmp_path, OUTCOMES)
    assert {check.name.partition("/")[2]: check.outcome for check in report.checks} == {
        "pass": "pass",
        "fail": "fail",
        "warn": "warn",
        "not_applicable": "not_applicable",
        "not_testable": "not_testable",
        "observed": "observed",
        "harness_error": "harness_error",
        "bare_skip": "harness_error",
        "broken_fixture": "harness_error",
        "needs_what_nobody_denies": "pass",
    }
    assert (code, report.exit_code, report.complete) == (1, 1, True)
    finding = next(check for check in report.checks if check.outcome == "fail")
    assert (finding.broken, finding.traceback) == ("chat.response.shape", "")
    assert "fail: chat.response.shape: expected one thing; got another" in output
    assert output.count("Traceback") == 2  # our own mistakes alone


EXPECTED = """
    @ONE
    async def test_known(gateway):
        raise Violation("chat.response.shape", expected="one thing", actual="another")

    @ONE
    @pytest.mark.parametrize("way", ["a", "b"])
    async def test_mended(gateway, way): ...

    @ONE
    async def test_overdue(gateway):
        raise Violation("chat.response.shape", expected="one thing", actual="another")

    @ONE
    @pytest.mark.needs("tools")
    async def test_beyond_it(gateway):
        raise AssertionError("never run")
"""


@pytest.mark.end_to_end
def test_expectations_of_the_target_file_are_held_to(tmp_path: Path) -> None:
    rows = ['check = "mine/known"', 'check = "mine/mended[b]"', 'check = "mine/overdue"\nexpires = "2020-01-01"']
    text = (
        TARGET.read_text()
        + "\n[capabilities]\ntools = false\n"
        + "".join(f'\n[[expected]]\n{row}\nreason = "issue 7"\n' for row in rows)
    )
    (tmp_path / "target.toml").write_text(text)
    (tmp_path / "reference-gateway.toml.j2").write_text(TARGET.with_name("reference-gateway.toml.j2").read_text())
    code, _ = run(tmp_path, "--target=target.toml", "--report=out", checks=EXPECTED)
    outcomes = {check.name: check.outcome for check in read_report(tmp_path / "out").checks}
    assert outcomes == {
        "mine/known": "expected_fail",
        "mine/mended[a]": "pass",
        "mine/mended[b]": "unexpected_pass",
        "mine/overdue": "fail",
        "mine/beyond_it": "not_applicable",
    }
    assert code == 1


@pytest.mark.end_to_end
def test_expectation_of_no_check_is_exit_2_with_the_near_name(tmp_path: Path) -> None:
    text = '[target]\nname = "x"\nbase_url = "http://127.0.0.1:1/v1"\n'
    (tmp_path / "target.toml").write_text(text + '[[expected]]\ncheck = "mine/knwon"\nreason = "issue 7"\n')
    environ = {"TOKENHUB_API_KEY": "th-x"}
    code, output = run(tmp_path, "--target=target.toml", checks=EXPECTED, environ=environ)
    assert (code, "expected[0].check: found 'mine/knwon'; wanted 'mine/known'" in output) == (2, True)


DYING = """
    import os, signal, trio
    from routeproof_conformance.api import Ask
    from routeproof_spec import TargetUnreachable

    @ONE
    async def test_0_ends_the_gateway(gateway):
        await gateway.send(Ask())
        port = gateway.target.base_url.rsplit(":", 1)[1].split("/")[0]
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = open(f"/proc/{pid}/cmdline").read().split("\\0")
            except OSError:
                continue
            if "serve" in words and port in words:
                os.kill(int(pid), signal.SIGKILL)
        with trio.fail_after(5):
            while True:
                try:
                    await gateway.send(Ask())
                except TargetUnreachable:
                    return

    @ONE
    @pytest.mark.parametrize("n", range(20))
    async def test_1_later(gateway, n):
        await gateway.send(Ask())
"""


@pytest.mark.end_to_end
@pytest.mark.skipif(sys.platform != "linux", reason="the gateway's process is found in /proc")
def test_gateway_that_dies_stops_the_run_with_sentences(tmp_path: Path) -> None:
    code, output, report = judged(tmp_path, DYING)
    assert [check.outcome for check in report.checks] == ["pass", "setup_fail", "setup_fail", "setup_fail"]
    assert (code, report.complete) == (3, False)
    assert "3 checks in a row did not reach the target" in report.problem
    assert "Traceback" not in output


PEOPLES_OWN = """
    from routeproof_conformance.api import Ask

    async def test_mine_with_the_fixtures(gateway, providers):
        seen = await gateway.send(Ask())
        assert seen.first in providers.names

    def test_mine_without(): assert 1 + 1 == 3
"""


@pytest.mark.end_to_end
def test_people_s_own_tests_use_the_fixtures_and_fail_as_ever(tmp_path: Path) -> None:
    code, output, report = judged(tmp_path, PEOPLES_OWN)
    assert report.checks == []
    assert "1 failed, 1 passed" in output
    assert "assert (1 + 1) == 3" in output
    assert code == 3  # no check was made, so nothing is verified
