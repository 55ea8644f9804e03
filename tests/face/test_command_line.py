"""What the command line says when something is wrong: a sentence that names the mend, and the right exit code."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec
import pytest

from routeproof.__main__ import COMMANDS, main
from routeproof.exits import Exit, explain
from routeproof_reference_server import DEFAULT_FILE
from routeproof_reference_server.describe import schema_text
from routeproof_spec.errors import ConfigError, RouteproofError, TargetUnreachable
from routeproof_spec.redaction import fingerprint

Run: TypeAlias = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line and return its exit code, what it printed, and what it complained of."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["routeproof", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


def gateway_file(folder: Path, old: str, new: str) -> Path:
    """Write the default configuration with *old* replaced by *new*."""
    text = DEFAULT_FILE.read_text()
    assert old in text
    path = folder / "gateway.toml"
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(run: Run, name: str) -> None:
    code, out, _ = run(name, "--help")
    assert code == 0
    assert "Usage:" in out


def test_the_help_of_all_lists_every_command_with_its_purpose(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    told = " ".join(out.split())
    assert all(f"{name} {purpose}" in told for name, purpose in COMMANDS.items())


def test_an_unknown_command_is_a_usage_error(run: Run) -> None:
    code, _, err = run("prove")
    assert code == 2
    assert "No such command 'prove'" in err


def test_a_missing_file_is_named(run: Run, tmp_path: Path) -> None:
    code, _, err = run("serve", "--config", tmp_path / "absent.toml")
    assert code == 2
    assert "absent.toml: found no such file; wanted a readable TOML file" in err


def test_the_scenarios_that_ship_are_named_where_one_is_asked_for(run: Run) -> None:
    code, out, _ = run("chaos", "run", "--help")
    assert code == 0
    assert "Shipped: a_day, brownout_ramp, primary_outage, shared_edge." in " ".join(out.split())
    for command in (("chaos", "run", "shared_hedge"), ("providers", "--scenario", "shared_hedge")):
        code, _, err = run(*command)
        assert code == 2
        shipped = "a_day, brownout_ramp, primary_outage, shared_edge"
        assert f"wanted a TOML file, or the name of a shipped one ({shipped})" in err


def test_a_scenario_for_providers_that_are_not_there_starts_nothing(run: Run, tmp_path: Path) -> None:
    fleet = tmp_path / "one.toml"
    fleet.write_text('[[providers]]\nname = "solo"\nkey = "sk-solo"\n')
    code, out, err = run("providers", "--fleet", fleet, "--scenario", "shared_edge")
    assert (code, out) == (2, "")
    assert "shared_edge.toml: fault[0].providers: found 'alpha'; wanted one of solo" in err


def test_a_misspelt_key_names_itself_and_its_mend(run: Run, tmp_path: Path) -> None:
    code, _, err = run("serve", "--config", gateway_file(tmp_path, "default_strategy", "default_stratgey"))
    assert code == 2
    assert "routing.default_stratgey: found an unknown key; wanted 'default_strategy'" in err


def test_an_unknown_strategy_names_the_four(run: Run, tmp_path: Path) -> None:
    code, _, err = run("serve", "--config", gateway_file(tmp_path, '"cost"', '"cheapest"'))
    assert code == 2
    assert "routing.default_strategy: found 'cheapest'; wanted one of 'availability', 'cost', 'latency'" in err


def test_a_port_in_use_is_a_sentence(run: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = run("serve", "--config", gateway_file(tmp_path, "", ""), "--port", str(port))
    assert code == 2
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in err
    assert "Traceback" not in err


def test_published_keys_never_leave_loopback(run: Run) -> None:
    code, _, err = run("serve", "--config", DEFAULT_FILE, "--host", "0.0.0.0")
    assert code == 2
    assert "wanted keys of your own, in a file given with --config, before the gateway leaves loopback" in err


def test_a_requirement_is_explained_and_a_misspelt_one_suggested(run: Run) -> None:
    code, out, _ = run("requirements", "fallback.order.listed")
    assert code == 0
    assert "MUST" in out
    code, _, err = run("requirements", "fallback.order.lsted")
    assert code == 2
    assert "fallback.order.listed" in err


def test_requirements_are_listed_by_profile(run: Run) -> None:
    code, out, _ = run("requirements", "--profile", "timeouts")
    assert code == 0
    assert "timeouts.drip.bounded" in out
    assert "auth.key.missing" not in out


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError(file="a.toml", key="b", found="1", wanted="2"), Exit.USAGE),
        (RouteproofError("mend it"), Exit.USAGE),
        (TargetUnreachable("nobody answers"), Exit.UNVERIFIED),
        (BaseExceptionGroup("", [ExceptionGroup("", [RouteproofError("mend it")])]), Exit.USAGE),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (ValueError("ours"), Exit.OURS),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, BaseException) else each.name,
)
def test_each_family_of_errors_has_its_exit_code(error: BaseException, code: Exit) -> None:
    assert explain(error) is code


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_what_a_script_starts_in_the_background_ends_when_told_to(tmp_path: Path, stop: signal.Signals) -> None:
    fleet = tmp_path / "one.toml"
    fleet.write_text('[[providers]]\nname = "solo"\nkey = "sk-solo"\n', encoding="utf-8")
    # As a shell does for what it starts with `&`: SIGINT is ignored.
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-m", "routeproof", "providers"]
    with subprocess.Popen([*command, "--fleet", str(fleet)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"1 fake provider")
        process.send_signal(stop)
        try:
            assert process.wait(timeout=10) == 130
        finally:
            process.kill()


def test_a_right_configuration_is_said_to_be_right(run: Run) -> None:
    code, out, _ = run("config", "check", DEFAULT_FILE)
    assert (code, out) == (0, f"{DEFAULT_FILE} is right: 3 providers, 6 models, 6 keys\n")


def test_a_wrong_configuration_is_refused_before_it_is_used(run: Run, tmp_path: Path) -> None:
    file = gateway_file(tmp_path, "half_life = 10.0", 'half_life = "soon"')
    code, _, err = run("config", "check", file)
    assert (code, err) == (2, f"Error: {file}: routing.half_life: found 'soon'; wanted float\n")


def test_what_holds_is_shown_with_its_defaults_and_without_its_secrets(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHA_KEY", "sk-from-the-environment")
    file = gateway_file(tmp_path, 'api_key = "sk-alpha-local"', 'api_key_env = "ALPHA_KEY"')
    code, out, _ = run("config", "show", file)
    assert code == 0
    shown = msgspec.json.decode(out)
    assert shown["server"]["drain"] == 25.0
    assert [each["api_key"] for each in shown["providers"]] == [
        fingerprint(key) for key in ("sk-from-the-environment", "sk-beta-local", "sk-gamma-local")
    ]
    assert "sk-" not in out


def test_the_schema_that_is_printed_is_the_one_that_ships(run: Run) -> None:
    code, out, _ = run("config", "schema")
    assert (code, out) == (0, schema_text())
