from __future__ import annotations

from pathlib import Path

import pytest

import routeproof_simulator
from routeproof_simulator.invariants import INVARIANTS, Invariant

README = Path(routeproof_simulator.__file__).parents[1] / "README.md"


@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda each: each.name)
def test_the_table_of_the_readme_says_what_the_code_says(invariant: Invariant) -> None:
    row = f"| {invariant.number} | `{invariant.name}` | {invariant.sentence} |"
    assert row in README.read_text(encoding="utf-8").splitlines()
