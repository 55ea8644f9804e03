"""A whole run, as the command line makes it."""

import io
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import msgspec
import pytest
from rich.console import Console

from routeproof_conformance.case import Bench
from routeproof_conformance.doctor import diagnose, told
from routeproof_conformance.judge.verdict import Exit, Verdict
from routeproof_conformance.opening import opened
from routeproof_conformance.report import read_report
from routeproof_conformance.run import check
from routeproof_conformance.settings import Settings
from routeproof_conformance.target import load_target
from routeproof_spec.errors import ConfigError, TargetUnreachable

TARGET = Path(__file__).parents[2] / "conformance" / "targets" / "reference.toml"

pytestmark = pytest.mark.end_to_end


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """The reference gateway, started as its target file says."""
    target = load_target(TARGET, environ={}, rng=Random(0))
    with opened(target, seed=0) as running:
        yield running


def made(settings: Settings) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=100)
    code = check(settings, console=console)
    assert isinstance(console.file, io.StringIO)
    return code, console.file.getvalue()


def test_url_alone_judges_what_a_url_can_show(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", bench.target.key("main"))
    settings = Settings(url=bench.target.base_url, key_env="MY_KEY", report=tmp_path, profiles=("security",))
    code, output = made(settings)
    report = read_report(tmp_path)
    assert code == Exit.HELD, output
    assert output.startswith("judged as: tokenhub (")
    assert {check.outcome for check in report.checks} == {"pass"}
    assert {exchange.attempts is None for check in report.checks for exchange in check.exchanges} == {True}
    assert [profile.verdict for profile in report.profiles] == [Verdict.PARTIAL]
    reasons = {left.reason for left in report.out_of_scope}
    assert "it needs the providers behind the gateway: give a target file with [providers]" in reasons
    assert "the target file does not declare keys.expired" in reasons


def test_requirement_alone_shows_its_profile_alone(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", bench.target.key("main"))
    asked = ("auth.key.accepted",)
    code, _ = made(Settings(url=bench.target.base_url, key_env="MY_KEY", requirements=asked, report=tmp_path))
    assert (code, [profile.name for profile in read_report(tmp_path).profiles]) == (Exit.HELD, ["security"])


def test_profile_without_a_check_is_exit_3(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", bench.target.key("main"))
    code, output = made(Settings(url=bench.target.base_url, key_env="MY_KEY", profiles=("limits",)))
    assert code == Exit.UNVERIFIED
    assert "no check was made" in output


def test_key_that_is_refused_says_which_to_export(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "th-wrong")
    code, output = made(Settings(url=bench.target.base_url, key_env="MY_KEY"))
    assert code == Exit.UNVERIFIED
    assert "refuses the key in MY_KEY (401): export a key that it accepts" in output


def test_base_url_without_its_prefix_is_told_the_right_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", bench.target.key("main"))
    root = bench.target.base_url.removesuffix("/v1")
    code, output = made(Settings(url=root, key_env="MY_KEY"))
    assert (code, f"did you mean {root}/v1?" in output) == (Exit.UNVERIFIED, True)


def test_environment_and_folder_are_left_as_they_were(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", bench.target.key("main"))
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    before = dict(os.environ), Path.cwd()
    made(Settings(url=bench.target.base_url, key_env="MY_KEY", profiles=("limits",)))
    assert (dict(os.environ), Path.cwd()) == before


def test_doctor_proves_the_wiring(bench: Bench) -> None:
    lines = diagnose(bench)
    assert lines[0].says == "judged as: tokenhub (the target file says so)"
    assert told(lines).endswith("everything is wired")
    assert [line.says for line in lines if " reaches " in line.says] == [
        f"{name}/multi reaches {name} and is answered with 200" for name in ("alpha", "beta", "gamma")
    ]


def test_doctor_names_the_provider_that_is_wired_wrongly(bench: Bench) -> None:
    models = msgspec.structs.replace(bench.target.models, pinned={"alpha": "beta/multi"})
    crossed = replace(bench.target, tables=msgspec.structs.replace(bench.target.tables, models=models))
    lines = diagnose(replace(bench, target=crossed))
    assert "beta/multi reaches beta and is answered with 200" in [line.says for line in lines if not line.ok]
    assert "mend: make the gateway serve beta/multi by alpha alone" in told(lines)


def test_doctor_names_the_operation_without_a_model_and_the_way_out(bench: Bench) -> None:
    models = msgspec.structs.replace(bench.target.models, embeddings="")
    lacking = replace(bench.target, tables=msgspec.structs.replace(bench.target.tables, models=models))
    bad = [line.says for line in diagnose(replace(bench, target=lacking)) if not line.ok]
    wayout = "models.embeddings: name one, or say [capabilities] embeddings = false"
    assert bad == [f"the target file does not declare {wayout}"]


def test_command_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    path = tmp_path / "target.toml"
    path.write_text('[target]\nname = "x"\n[launch]\ncommand = ["no-such-gateway"]\ninstall = "pip install it"\n')
    target = load_target(path, environ={}, rng=Random(0))
    with pytest.raises(ConfigError, match=r"no-such-gateway: No such file.*: pip install it"), opened(target, seed=0):
        pass


@pytest.mark.parametrize(
    ("command", "timeout", "says"),
    [
        (
            '["{{ python }}", "-c", "print(\'no luck\'); raise SystemExit(7)"]',
            20,
            "ended with code 7 before it was ready:\n    no luck",
        ),
        ('["{{ python }}", "-c", "import time; time.sleep(60)"]', 1, "was not ready within 1 s"),
    ],
)
def test_gateway_that_does_not_start_is_told_with_its_last_words(
    tmp_path: Path, command: str, timeout: int, says: str
) -> None:
    path = tmp_path / "target.toml"
    path.write_text(f'[target]\nname = "x"\n[launch]\ncommand = {command}\ntimeout = {timeout}\n')
    target = load_target(path, environ={}, rng=Random(0))
    with pytest.raises(TargetUnreachable) as caught, opened(target, seed=0):
        pass
    assert says in str(caught.value)
