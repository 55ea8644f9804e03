"""Every wrong gateway is failed by the check of the rule that it breaks, and for that reason alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.breaks import BREAKS, Break
from tests.mutants.judging import judged

pytestmark = pytest.mark.end_to_end


@pytest.mark.parametrize("broken", BREAKS.values(), ids=BREAKS)
def test_a_wrong_gateway_is_failed_by_the_check_of_its_rule(broken: Break, tmp_path: Path) -> None:
    code, report = judged(broken.name, tmp_path, requirements=[broken.requirement])
    failed = {check["broken"] for check in report["checks"] if check["outcome"] == "fail"}
    outcomes = {check["outcome"] for check in report["checks"]}
    assert broken.requirement in failed, f"{broken.name} got away with: {outcomes}"
    assert outcomes <= {"pass", "fail", "warn"}, "a finding about the target is never told as an error of ours"
    assert (code, report["complete"]) == (1, True)
