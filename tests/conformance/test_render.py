import io
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

from rich.console import Console

from routeproof_conformance.judge.outcome import Outcome
from routeproof_conformance.render import HTML, JUNIT, write_all
from routeproof_conformance.render.html import html
from routeproof_conformance.render.junit import junit
from routeproof_conformance.render.terminal import show
from routeproof_conformance.render.timeline import timeline
from routeproof_conformance.report import NAME, Report
from tests.conformance.reports import report

ALL = report(*Outcome)
VOID = {"meta", "link", "br", "rect", "img", "input"}


def shown(what: Report) -> str:
    console = Console(file=io.StringIO(), width=120, highlight=False)
    show(what, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


class Balanced(HTMLParser):
    """Every element that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.stack.pop() == tag


def test_page_is_well_formed_and_loads_nothing() -> None:
    page = Balanced()
    page.feed(html(ALL))
    assert page.stack == []
    assert not [value for name, value in page.attributes if name in ("src", "href")]
    assert not re.search(r"url\(|@import|<link", html(ALL))


def test_page_escapes_what_a_target_said() -> None:
    assert "<script>alert" not in html(ALL)
    assert "&lt;script&gt;alert" in html(ALL)


def test_page_draws_both_sides_of_a_red_check_and_none_of_a_green_one() -> None:
    red, green = html(report(Outcome.FAIL)), html(report(Outcome.PASS))
    assert red.count('class="lane"') == 4  # two requests, each with its client and one provider
    assert green.count('class="lane"') == 0


def test_timeline_places_both_sides_on_one_scale() -> None:
    drawn = timeline(ALL.checks[1].exchanges[0])
    assert drawn.seconds == 0.4
    assert [(lane.label, lane.kind, lane.start, lane.width) for lane in drawn.lanes] == [
        ("client", "client", 0.0, 100.0),
        ("alpha", "bad", 25.0, 37.5),
    ]


def test_open_attempt_reaches_to_the_end_of_the_scale() -> None:
    lane = timeline(ALL.checks[1].exchanges[1]).lanes[1]
    assert (lane.kind, round(lane.start + lane.width)) == ("open", 100)


def test_junit_counts_each_outcome_as_what_it_is() -> None:
    suite = ET.fromstring(junit(ALL)).find("testsuite")
    assert suite is not None
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "10", "failures": "2", "errors": "3", "skipped": "2"}


def test_junit_tells_why_there_was_no_run() -> None:
    error = ET.fromstring(junit(report(problem="gone\x00"))).find(".//error")
    assert error is not None
    assert error.get("message") == "gone\N{REPLACEMENT CHARACTER}"


def test_terminal_shows_both_sides_the_statistics_and_a_curl() -> None:
    text = shown(report(Outcome.FAIL))
    for wanted in (
        "FAIL  chat/comes_to_fail",
        "alpha    0.100  asked [fail(status=503)]",
        "no response",
        "curl -sS",
        "alpha 1e-06",
    ):
        assert wanted in text


def test_terminal_tells_the_second_breach_of_a_requirement_in_one_line() -> None:
    text = shown(report(Outcome.FAIL, Outcome.FAIL))
    assert text.count("FAIL  chat/comes_to_fail") == 1
    assert text.count("the same in chat/comes_to_fail") == 1
    assert text.count("curl -sS") == 1


def test_terminal_is_brief_where_all_holds() -> None:
    text = shown(report(Outcome.PASS))
    assert "chat/comes_to_pass" not in text
    assert "core" in text
    assert "chance of any false alarm ≤ 1e-06" in text


def test_terminal_tells_why_checks_were_not_judged() -> None:
    assert "not judged: 1 check: because [secret] said so" in shown(report(Outcome.NOT_APPLICABLE))


def test_all_renderings_are_written_together(tmp_path: Path) -> None:
    write_all(ALL, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([HTML, JUNIT, NAME])
