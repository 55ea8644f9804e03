from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families as parse_text

from routeproof_simulator.behaviours import fail, first
from routeproof_simulator.script import Head
from routeproof_simulator.tally import FIRST_BYTE_BOUNDS, Tally
from routeproof_spec.history import Ended
from tests.simulator.asking import chat, request
from tests.simulator.desk import Desk, at_desk


def samples(families: Iterable[Metric]) -> dict[tuple[str, ...], float]:
    """Return the value of each sample, by its name and its labels' values in alphabetical order."""
    return {(each.name, *sorted(each.labels.values())): each.value for family in families for each in family.samples}


def asked(desk: Desk, *, status: int, ended: Ended, first_byte: float | None = None) -> None:
    entry = desk.providers["alpha"].respond(request(chat())).entry
    entry.head = Head(status)
    if first_byte is not None:
        entry.sent([b"12345"], 1.0 + first_byte)
    entry.end(ended, 9.0)


def test_attempts_faults_bytes_and_first_bytes_are_counted() -> None:
    async def talk(desk: Desk) -> None:
        asked(desk, status=200, ended=Ended.COMPLETE, first_byte=0.3)
        asked(desk, status=200, ended=Ended.CUT, first_byte=2.0)
        desk.providers["alpha"].set_behaviour(first(1, fail(503)) | fail(500, message="no"))
        asked(desk, status=500, ended=Ended.COMPLETE)
        desk.providers["beta"].respond(request(chat()))
        answered = await desk.ask("GET", "/metrics")
        assert answered.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
        text = b"".join(getattr(op, "data", b"") for op in answered.script).decode()
        found = samples(parse_text(text))
        assert found[("routeproof_provider_attempts_total", "200", "alpha", "complete")] == 1
        assert found[("routeproof_provider_attempts_total", "200", "alpha", "cut")] == 1
        assert found[("routeproof_provider_attempts_total", "500", "alpha", "complete")] == 1
        assert found[("routeproof_provider_faults_total", "alpha", "first")] == 1
        assert found[("routeproof_provider_faults_total", "alpha", "fail")] == 1
        assert found[("routeproof_provider_attempts_running", "beta")] == 1
        assert found[("routeproof_provider_body_bytes_total", "alpha")] == 10
        assert found[("routeproof_provider_connections_total", "alpha")] == 3
        assert found[("routeproof_provider_first_byte_seconds_bucket", "0.25", "alpha")] == 0
        assert found[("routeproof_provider_first_byte_seconds_bucket", "0.5", "alpha")] == 1
        assert found[("routeproof_provider_first_byte_seconds_count", "alpha")] == 2
        assert abs(found[("routeproof_provider_first_byte_seconds_sum", "alpha")] - 2.3) < 1e-9
        assert found[("routeproof_journal_attempts_open",)] == 1
        assert found[("routeproof_journal_dropped_total",)] == 0

    at_desk(talk)


def test_openmetrics_is_answered_where_it_is_asked_for() -> None:
    async def talk(desk: Desk) -> None:
        asked(desk, status=200, ended=Ended.COMPLETE, first_byte=0.1)
        accept = (("accept", "application/openmetrics-text; version=1.0.0"),)
        answered = await desk.ask("GET", "/metrics", headers=accept)
        assert (answered.header("content-type") or "").startswith("application/openmetrics-text; version=1.0.0")
        text = b"".join(getattr(op, "data", b"") for op in answered.script).decode()
        assert "# TYPE routeproof_provider_attempts counter" in text
        assert text.endswith("# EOF\n")

    at_desk(talk)


def test_a_client_that_leaves_is_no_failure_and_an_error_or_a_cut_is_one() -> None:
    tally = Tally()
    for status, ended in (
        (200, Ended.COMPLETE),
        (200, Ended.LEFT),
        (503, Ended.COMPLETE),
        (200, Ended.RESET),
        (None, Ended.CUT),
    ):
        tally.count(status, ended, (), sent=0, seconds=None, new=False)
    assert (tally.attempts, tally.failed) == (5, 3)


def test_a_first_byte_on_a_bound_is_within_it_and_beyond_all_bounds_it_is_counted_too() -> None:
    tally = Tally()
    for seconds in (FIRST_BYTE_BOUNDS[0], FIRST_BYTE_BOUNDS[-1] + 1):
        tally.count(200, Ended.COMPLETE, (), sent=0, seconds=seconds, new=False)
    assert (tally.first_byte[0], tally.first_byte[-1], sum(tally.first_byte)) == (1, 1, 2)
