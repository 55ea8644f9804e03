"""Every wrong gateway is failed by the check of the rule that it breaks; no right one is failed for being different."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from routeproof_spec.requirement import Level, get_requirement, load_requirements
from tests.mutants.breaks import BREAKS, Break
from tests.mutants.catalogue import MUTANTS
from tests.mutants.edge_legal import LEGAL
from tests.mutants.health import VARIANTS
from tests.mutants.judging import judged


def test_every_rule_that_is_tested_has_a_gateway_that_breaks_it() -> None:
    tested = {each.id for each in load_requirements().values() if each.excluded is None}
    assert tested - {each.requirement for each in MUTANTS.values()} == set()


#: The mutants that every run of the tests judges; `make kill-matrix` judges all.
OFTEN = frozenset(BREAKS)


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(each, id=name, marks=[] if name in OFTEN else [pytest.mark.kill_matrix])
        for name, each in MUTANTS.items()
    ],
)
def test_a_wrong_gateway_is_failed_by_the_check_of_its_rule(broken: Break, tmp_path: Path) -> None:
    is_must = get_requirement(broken.requirement).level is Level.MUST
    code, report = judged(broken.name, tmp_path, requirements=[broken.requirement])
    found = {check["broken"] for check in report["checks"] if check["outcome"] == ("fail" if is_must else "warn")}
    outcomes = Counter(check["outcome"] for check in report["checks"])
    assert broken.requirement in found, f"{broken.name} got away with {dict(outcomes)}"
    assert set(outcomes) <= {"pass", "fail", "warn", "not_applicable"}, "a finding is never told as an error of ours"
    assert (code, report["complete"]) == (int(is_must), True)


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("name", "asked", "broken"),
    [
        ("hides_the_provider_of_streams", "headers.provider.true", "headers.provider.present"),
        ("hides_the_providers_text", "errors.provider.envelope", "errors.provider.text"),
    ],
)
def test_what_is_missing_breaks_one_rule_alone(name: str, asked: str, broken: str, tmp_path: Path) -> None:
    _, report = judged(name, tmp_path, requirements=[asked, broken])
    assert {check["broken"] for check in report["checks"]} == {None, broken}


@pytest.mark.end_to_end
@pytest.mark.kill_matrix
@pytest.mark.parametrize("name", [*LEGAL, *VARIANTS])
def test_a_right_gateway_may_be_different(name: str, tmp_path: Path) -> None:
    code, report = judged(name, tmp_path)
    amiss = [(check["name"], check["reason"]) for check in report["checks"] if check["outcome"] != "pass"]
    assert amiss == []
    assert (code, report["complete"]) == (0, True)
