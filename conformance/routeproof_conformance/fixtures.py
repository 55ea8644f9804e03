"""What the suite's checks, and people's own tests, are given by name."""

from __future__ import annotations

from random import Random

import pytest

from routeproof_conformance.case import Case
from routeproof_conformance.evidence import Evidence
from routeproof_conformance.expect import Expect
from routeproof_conformance.gateway import Gateway
from routeproof_conformance.operating import Operator
from routeproof_conformance.pools import Pools
from routeproof_conformance.providers import Providers
from routeproof_conformance.session import CASE
from routeproof_conformance.target import Target
from routeproof_conformance.trials import Trials
from routeproof_spec.contract import Contract, load_contract


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Case:
    """The check that is running, as the judge sees it."""
    node = request.node
    assert isinstance(node, pytest.Item)
    return node.stash[CASE]


@pytest.fixture
def target(case: Case) -> Target:
    """What is judged, and what it declares of itself."""
    return case.bench.target


@pytest.fixture
def gateway(case: Case) -> Gateway:
    """The gateway under test: every request is marked, and recorded from both sides."""
    return Gateway(case)


@pytest.fixture
def providers(case: Case) -> Providers:
    """The fake providers behind the gateway; healed before and after every check."""
    return Providers(case)


@pytest.fixture
def expect(case: Case) -> Expect:
    """Assertions, bound to the check's first requirement."""
    return Expect(case)


@pytest.fixture
def pools(case: Case) -> Pools:
    """Model names that several providers offer; each is handed out once in a run."""
    return case.bench.pools


@pytest.fixture
def trials(case: Case, gateway: Gateway) -> Trials:
    """Statistical checks of the gateway's choices."""
    return Trials(case, gateway)


@pytest.fixture
def operator(case: Case) -> Operator:
    """Who runs the gateway: probes, and a spare gateway that may be told to end."""
    return Operator(case)


@pytest.fixture
def evidence(case: Case) -> Evidence:
    """What the check leaves for the report."""
    return case.evidence


@pytest.fixture
def rng(case: Case) -> Random:
    """Chance that the run's seed and the check's name determine."""
    return case.rng


@pytest.fixture
def contract() -> Contract:
    """The machine-readable contract."""
    return load_contract()
