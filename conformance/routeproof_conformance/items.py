"""What pytest's items say of checks."""

from __future__ import annotations

import pytest

from routeproof_conformance.judge.outcome import SkipRefused
from routeproof_spec.requirement import Requirement, get_requirement


def is_check(item: pytest.Item) -> bool:
    """Return whether *item* is a check: it names the requirements that it tests."""
    return item.get_closest_marker("requirement") is not None


def is_ours(item: pytest.Item) -> bool:
    """Return whether *item* is a check, or a test of somebody's own that uses our fixtures."""
    return is_check(item) or "case" in getattr(item, "fixturenames", ())


def is_two_sided(item: pytest.Item) -> bool:
    """Return whether a check steers the providers or reads their journals by a fixture of ours."""
    return bool({"providers", "pools", "trials"} & set(getattr(item, "fixturenames", ())))


def name_of(item: pytest.Item) -> str:
    """Return a check's name: its file without `test_` and its function without it, as the report shows it."""
    area = item.path.stem.removeprefix("test_")
    return f"{area}/{item.name.removeprefix('test_')}"


def ids_of(item: pytest.Item) -> list[str]:
    """Return the ids of the requirements that a check tests."""
    return [str(each) for marker in item.iter_markers("requirement") for each in marker.args]


def requirements_of(item: pytest.Item) -> list[Requirement]:
    """Return the requirements that a check tests; raises `UnknownRequirement`."""
    return [get_requirement(each) for each in ids_of(item)]


def refused(error: BaseException | None) -> BaseException | None:
    """Return *error*, and in place of a bare skip the mistake that it is."""
    if isinstance(error, (pytest.skip.Exception, pytest.xfail.Exception)):
        return SkipRefused(f"the check skipped itself ({error}): say NotApplicable or NotTestable")
    return error
