"""The pytest plugin for people's own tests: fake providers that misbehave as the test says.

```python
@faults(first(1, fail(429, retry_after=1)))
def test_my_application_survives_a_rate_limit(provider):
    assert my_application(base_url=provider.base_url, key=provider.key) == "an answer"
    assert provider.seen.statuses == (429, 200)
```
It is loaded in every pytest run of whoever installs the package. So this module imports nothing heavy, and starts
nothing until a test asks for one of its fixtures.
"""

# ruff: noqa: PLC0415 - what is heavy is imported for a test that asks for it

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from routeproof_simulator.algebra import Behaviour
    from routeproof_simulator.fleet import FleetConfig
    from routeproof_simulator.fleet_pool import FleetPool
    from routeproof_simulator.thread import FleetThread, SteeredProvider

MARK = "faults"
_USE = "write faults(behaviour) for the first provider, or faults('alpha', behaviour)"


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    line = f"{MARK}([name,] behaviour): what a fake provider does in this test; the first one of the fleet, or *name*"
    config.addinivalue_line("markers", line)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a test that asks for a fault of providers that it does not use: it would prove nothing."""
    marked = any(mark.name == MARK for mark in item.own_markers)
    if marked and isinstance(item, pytest.Function) and "fleet" not in item.fixturenames:
        pytest.fail(f"the mark '{MARK}' needs the fixture 'provider' or 'fleet' among the arguments", pytrace=False)


@pytest.fixture(scope="session")
def fleet_config() -> FleetConfig:
    """The fleet that `fleet` serves: three that speak as OpenAI does. Override it, in any scope, for one of yours."""
    from routeproof_simulator.fleet import load_fleet, on_free_ports

    return on_free_ports(load_fleet())


@pytest.fixture(scope="session")
def _fleet_pool() -> Iterator[FleetPool]:
    from routeproof_simulator.fleet_pool import FleetPool

    with FleetPool() as pool:
        yield pool


@pytest.fixture
def fleet(request: pytest.FixtureRequest, fleet_config: FleetConfig, _fleet_pool: FleetPool) -> Iterator[FleetThread]:
    """Fake model APIs on free loopback ports, healthy and with an empty journal: `fleet["alpha"].base_url`.

    They run in a thread of their own, for sync, asyncio and trio tests alike; tests with equal configurations share
    them. What the decorator `faults` says holds for the test, and is healed after it.
    """
    from routeproof_spec.errors import RouteproofError

    fleet = _fleet_pool.serving(fleet_config)
    fleet.heal()
    fleet.clear()
    node: pytest.Item = request.node
    for mark in reversed(list(node.iter_markers(MARK))):  # the closest to the test has the last word
        name, behaviour = _fault(mark.args)
        try:
            fleet[name or fleet_config.providers[0].name].behave(behaviour)
        except RouteproofError as error:
            pytest.fail(f"the mark '{MARK}': {error}", pytrace=False)
    yield fleet
    fleet.heal()


@pytest.fixture
def provider(fleet: FleetThread, fleet_config: FleetConfig) -> SteeredProvider:
    """The first of `fleet`: `base_url`, `key`, `environ`, `behave(first(1, fail(429)))`, `seen`."""
    return fleet[fleet_config.providers[0].name]


def _fault(arguments: tuple[object, ...]) -> tuple[str | None, Behaviour]:
    from routeproof_simulator.algebra import Behaviour

    match arguments:
        case (Behaviour() as behaviour,):
            return None, behaviour
        case (str(name), Behaviour() as behaviour):
            return name, behaviour
        case _:
            told = ", ".join(map(repr, arguments))
            pytest.fail(f"the mark '{MARK}' was given ({told}): {_USE}", pytrace=False)
