"""`routeproof keys` and `routeproof usage`, as somebody types them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from routeproof.__main__ import cli
from routeproof_reference_server import DEFAULT_FILE
from routeproof_reference_server.ledger.rows import RequestRow
from routeproof_reference_server.ledger.store import Store
from routeproof_spec.errors import RouteproofError


def run(*args: object) -> str:
    result = CliRunner().invoke(cli, [str(each) for each in args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    store = Store(path)
    for id_, key, provider, cost in (("a", "laptop", "alpha", 27_500_000), ("b", "ci", "beta", 5)):
        row = RequestRow(id_, key, time.time(), 1.0, "o", "m", "cost", 200, None, "served", provider, "m", 3, 2, cost)
        store.write([(row, [])])
    store.close()
    return path


def test_a_key_is_issued_listed_and_revoked(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    key = run("keys", "create", "laptop", "--ledger", ledger, "--requests-per-minute", 60, "--model", "gpt-4o").strip()
    assert key.startswith("th-")
    told = run("keys", "list", "--ledger", ledger)
    assert "laptop" in told
    assert "valid" in told
    assert "requests_per_minute 60" in told
    assert key not in told
    assert "revoked" in run("keys", "revoke", "laptop", "--ledger", ledger)
    assert "revoked" in run("keys", "list", "--ledger", ledger)


def test_usage_is_a_table_and_json_and_a_page(ledger: Path, tmp_path: Path) -> None:
    told = run("usage", "--ledger", ledger, "--by", "provider")
    assert "0.0000275" in told
    assert "0.000027500005" in told  # the sum
    assert "█" in told
    assert json.loads(run("usage", "--ledger", ledger, "--json"))[0] == {
        "key": "laptop",
        "requests": 1,
        "served": 1,
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "usd": "0.0000275",
    }
    page = tmp_path / "usage.html"
    assert str(page) in run("usage", "--ledger", ledger, "--html", page)
    assert 'style="width: 100.0%"' in page.read_text()


def test_a_time_without_requests_is_told(ledger: Path) -> None:
    told = run("usage", "--ledger", ledger, "--since", "2020-01-01", "--until", "2020-02-01")
    assert told == "Nothing was asked in that time.\n"


def test_the_configuration_may_name_the_ledger(ledger: Path, tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(DEFAULT_FILE.read_text() + f'\n[ledger]\npath = "{ledger}"\n')
    assert "laptop" in run("usage", "--config", config)
    with pytest.raises(RouteproofError, match="keeps no ledger; add"):
        run("usage", "--config", DEFAULT_FILE)


def test_what_is_wrong_is_told_with_its_mend(tmp_path: Path) -> None:
    with pytest.raises(RouteproofError, match="there is no ledger"):
        run("usage", "--ledger", tmp_path / "none.db")
    with pytest.raises(RouteproofError, match="give either --ledger FILE or --config FILE"):
        run("usage")
    wrong = CliRunner().invoke(cli, ["usage", "--ledger", "x", "--since", "January"])
    assert wrong.exit_code == 2
    assert "found 'January'; wanted a day, as 2027-01-31" in wrong.output
    late = CliRunner().invoke(cli, ["keys", "create", "x", "--ledger", "x", "--expires-at", "2027-01-31"])
    assert late.exit_code == 2
    assert "has no offset" in late.output
