"""The suite and the catalogue speak of the same sentences."""

import inspect
import os

import pytest

from routeproof_conformance.items import is_two_sided
from routeproof_conformance.run import SUITE
from routeproof_spec.requirement import Needs, load_requirements


class Collector:
    """A pytest plugin that keeps what it finds."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = session.items


@pytest.fixture(scope="module")
def checks() -> list[pytest.Item]:
    collector = Collector()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        quiet = ["-W", "ignore::pytest.PytestUnknownMarkWarning", "--collect-only"]
        code = pytest.main(["-c", os.fspath(SUITE / "pytest.ini"), *quiet, os.fspath(SUITE)], plugins=[collector])
    assert code == pytest.ExitCode.OK
    return collector.items


def ids(item: pytest.Item) -> list[str]:
    return [each for marker in item.iter_markers("requirement") for each in marker.args]


def test_every_requirement_that_is_not_excluded_has_a_check(checks: list[pytest.Item]) -> None:
    wanted = {each.id for each in load_requirements().values() if each.excluded is None}
    assert sorted(wanted - {each for item in checks for each in ids(item)}) == []


def test_every_marker_names_a_requirement_that_is_not_excluded(checks: list[pytest.Item]) -> None:
    known = {each.id for each in load_requirements().values() if each.excluded is None}
    assert sorted({each for item in checks for each in ids(item)} - known) == []


def test_every_check_names_its_requirements_and_says_what_it_asks(checks: list[pytest.Item]) -> None:
    assert [item.nodeid for item in checks if not ids(item)] == []
    assert [item.nodeid for item in checks if not inspect.getdoc(getattr(item, "obj", None))] == []


def test_requirement_that_a_url_is_enough_for_has_a_check_that_asks_for_no_more(checks: list[pytest.Item]) -> None:
    catalogue = load_requirements()
    wanted = {each.id for each in catalogue.values() if each.needs is Needs.URL and each.excluded is None}
    one_sided = [item for item in checks if not is_two_sided(item)]
    tested = {
        each
        for item in one_sided
        if all(catalogue[each].needs is Needs.URL for each in ids(item))
        for each in ids(item)
    }
    assert sorted(wanted - tested) == []
