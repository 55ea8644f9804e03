"""docs/faults.md says what the code says, and what the official SDKs did when they were asked again just now."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from benchmarks.faults import (
    EXAMPLES,
    PAGE,
    READS_ON,
    SDKS,
    WAITS,
    described_row,
    measure,
    measured_rows,
)
from benchmarks.sdks import Heard, difference
from routeproof_simulator.algebra import BY_NAME
from routeproof_simulator.catalogue import GROUPS, Attribute, Description, describe
from routeproof_simulator.ranges import BYTES_MAX

LINES = PAGE.read_text(encoding="utf-8").splitlines()
WAITING = [line for line in LINES if WAITS in line or READS_ON in line]
TIMELESS = [each for each in EXAMPLES if not any(f"`{each.behaviour}`" in line for line in WAITING)]
SAMPLE = TIMELESS[::6]


@pytest.mark.parametrize("fault", describe(), ids=lambda fault: fault.name)
def test_the_page_describes_every_fault_as_the_code_does(fault: Description) -> None:
    assert described_row(fault) in LINES
    assert any(example.behaviour.name == fault.name for example in EXAMPLES) or fault.group in (
        "timing",
        "capacity",
        "when",
    )


def test_every_example_stands_in_the_page_once() -> None:
    for example in EXAMPLES:
        assert sum(line.startswith(f"| `{example.behaviour}` |") for line in LINES) == 1


@pytest.mark.filterwarnings("ignore:.* is not a valid FinishReason:UserWarning")  # Google's SDK says so, and parses it
def test_the_sdks_still_do_what_the_page_says() -> None:
    again = {dialect: measure(SAMPLE, dialect) for dialect in SDKS}
    assert [row for row in measured_rows(SAMPLE, again) if row not in LINES] == []


def test_what_differs_is_told_in_words() -> None:
    good = Heard(text="A river.", model="m", finish="stop", usage=(1, 2), choices=(0,))
    assert difference(good, good) == "parsed"
    assert (
        difference(dataclasses.replace(good, text="A ", finish=None), good)
        == "parsed: text cut short, no finish reason"
    )
    assert difference(dataclasses.replace(good, text="", refusal="No."), good) == "parsed: no text, a refusal"
    assert difference(dataclasses.replace(good, text="B", usage=(0, 0)), good) == "parsed: other text, usage 0 + 0"
    assert difference(dataclasses.replace(good, choices=(7,), model="x"), good) == "parsed: model `x`, choices [7]"
    assert difference(Heard(kind="str"), good) == "returns a `str`"


# The catalogue


def test_the_catalogue_has_every_behaviour_by_group_and_name() -> None:
    described = describe()
    assert sorted(each.name for each in described) == sorted(BY_NAME)
    assert list(dict.fromkeys(each.group for each in described)) == list(GROUPS)
    assert all(each.summary.endswith(".") for each in described)
    assert msgspec.json.decode(msgspec.json.encode(described), type=tuple[Description, ...]) == described


def test_an_attribute_says_what_a_form_needs() -> None:
    by_name = {each.name: {one.name: one for one in each.attributes} for each in describe()}
    assert by_name["stall"]["seconds"] == Attribute(
        name="seconds", type="number", required=False, unit="seconds", min=0.0, is_above=True
    )
    assert by_name["giant_event"]["bytes"] == Attribute(
        name="bytes", type="integer", required=False, default=2**20, unit="bytes", min=1, max=BYTES_MAX
    )
    assert by_name["framing"]["style"] == Attribute(
        name="style", type="choice", required=True, choices=("crlf", "comments", "lines", "unspaced")
    )
    assert by_name["fail"]["retry_after"].type == "number or text"
    assert by_name["drip"]["headers"] == Attribute(name="headers", type="boolean", required=False, default=False)
    assert by_name["first"]["behaviour"] == Attribute(name="behaviour", type="behaviour", required=True)
    assert by_name["latency_from"]["quantiles"].type == "numbers"
