import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import msgspec
import pytest

from routeproof_conformance.judge.outcome import Outcome
from routeproof_conformance.judge.verdict import Exit, Verdict
from routeproof_conformance.report import NAME, read_report, schema, write_report, write_whole
from routeproof_conformance.writer import NEVER_ISSUED, Writer
from routeproof_spec.errors import ConfigError
from tests.conformance.observing import case, observed
from tests.conformance.reports import report

SCHEMA = Path(__file__).parents[2] / "spec" / "routeproof_spec" / "schemas" / "report.schema.json"
ALL = report(*Outcome)


def test_published_schema_is_that_of_the_report() -> None:
    assert json.loads(SCHEMA.read_text()) == schema()


def test_report_obeys_its_schema() -> None:
    jsonschema.validate(json.loads(msgspec.json.encode(ALL)), json.loads(SCHEMA.read_text()))


def test_report_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_report(ALL, tmp_path / "new")
    assert read_report(tmp_path / "new") == ALL
    assert [path.name for path in (tmp_path / "new").iterdir()] == [NAME]


def test_completeness_stands_last() -> None:
    assert list(json.loads(msgspec.json.encode(ALL)))[-1] == "complete"


def test_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")
    with pytest.raises(TypeError):
        write_whole(path, "no bytes")  # type: ignore[arg-type]  # a write that fails half-way
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("text", "found"), [("{", "JSON"), ("{}", "nothing"), ("[]", "list|array|\\[\\]")])
def test_what_is_no_report_is_refused_in_words(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(ConfigError, match=found):
        read_report(tmp_path)
    with pytest.raises(ConfigError, match="no such file"):
        read_report(tmp_path / "absent.json")


def test_no_secret_stands_in_a_report() -> None:
    text = msgspec.json.encode(ALL)
    assert b"th-secret" not in text
    assert b"sk-alpha" not in text
    assert b"the key [secret]" in text


def test_curl_names_the_key_s_variable_and_quotes_the_body() -> None:
    curl = ALL.checks[0].exchanges[0].curl
    assert curl == (
        "curl -sS -i -N -X POST http://127.0.0.1:1/v1/chat/completions"
        " -H \"authorization: Bearer $TOKENHUB_API_KEY\" -H 'content-type: application/json'"
        """ --data-binary '{"model":"it'"'"'s"}'"""
    )


@pytest.mark.parametrize(
    ("header", "word"),
    [
        (("authorization", "bEaReR th-secret"), '"authorization: bEaReR $TOKENHUB_API_KEY"'),
        (("authorization", "Token th-secret"), '"authorization: Token $TOKENHUB_API_KEY"'),
        (("authorization", "th-secret"), '"authorization: $TOKENHUB_API_KEY"'),
        (("x-api-key", "th-secret"), '"x-api-key: $TOKENHUB_API_KEY"'),
        (("authorization", "Bearer th-old"), '"authorization: Bearer $OLD_KEY"'),
        (("authorization", "bearer th-nobody"), f"'authorization: bearer th-{NEVER_ISSUED}'"),
    ],
)
def test_curl_sends_the_key_that_was_sent_in_the_header_that_bore_it(header: tuple[str, str], word: str) -> None:
    made = case(keys={"main": "th-secret", "expired": "th-old", "unknown": "th-nobody"}).bench.target
    target = replace(made, tables=msgspec.structs.replace(made.tables, keys={"expired": "OLD_KEY"}))
    writer = Writer(target=target, started=0.0, secrets=(), body_chars_max=100, frames_max=1)
    assert f" -H {word} --data-binary" in writer.curl(observed(sent=(header,)))


def test_times_are_seconds_into_the_check() -> None:
    exchange = ALL.checks[1].exchanges[0]
    assert exchange.attempts is not None
    assert (exchange.sent, exchange.head, exchange.ended_at) == (0.0, 0.2, 0.4)
    assert (exchange.attempts[0].received, exchange.attempts[0].ended_at) == (0.1, 0.25)


def test_verdict_and_error_budget_are_added_up() -> None:
    core = next(each for each in ALL.profiles if each.name == "core")
    assert (core.verdict, core.broken) == (Verdict.NONCONFORMANT, ["chat.response.shape"])
    assert (ALL.exit_code, ALL.complete) == (Exit.VIOLATED, True)
    assert ALL.error_budget.tests == len(Outcome)
    assert ALL.error_budget.alpha == pytest.approx(1e-6 * len(Outcome))


def test_run_that_could_not_be_made_is_incomplete_and_unverified() -> None:
    failed = report(problem="the gateway does not answer")
    assert (failed.complete, failed.exit_code) == (False, Exit.UNVERIFIED)
    assert {each.verdict for each in failed.profiles} == {Verdict.UNVERIFIED}


def test_run_without_a_check_is_unverified() -> None:
    assert report().exit_code == Exit.UNVERIFIED


def test_held_checks_keep_the_profile_partial_as_long_as_others_are_missing() -> None:
    core = next(each for each in report(Outcome.PASS).profiles if each.name == "core")
    assert (core.verdict, core.held) == (Verdict.PARTIAL, 1)
