"""The four orders in which the deployments of a model are tried, each one a row of a table.

An order is total and has no chance in it: equals keep the order of the configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from routeproof_reference_server.routing.catalogue import Deployment
from routeproof_reference_server.routing.observed import Observed


class Strategy(StrEnum):
    """How a provider is chosen, as the strategy header spells it."""

    COST = "cost"
    LATENCY = "latency"
    AVAILABILITY = "availability"
    ROUND_ROBIN = "round-robin"


Order: TypeAlias = Callable[[Sequence[Deployment], Observed, int, float], list[Deployment]]


def by_cost(deployments: Sequence[Deployment], _observed: Observed, _turn: int, _now: float) -> list[Deployment]:
    """The lowest sum of prompt and completion price first."""
    return sorted(deployments, key=lambda each: each.price)


def by_latency(deployments: Sequence[Deployment], observed: Observed, _turn: int, now: float) -> list[Deployment]:
    """The lowest measured time to answer for this very model first."""
    return sorted(deployments, key=lambda each: observed.latency_rank(each, now))


def by_availability(deployments: Sequence[Deployment], observed: Observed, _turn: int, now: float) -> list[Deployment]:
    """The provider that is up and has the lowest share of failures, over all its models, first."""
    return sorted(deployments, key=lambda each: observed.availability_rank(each, now))


def by_turns(deployments: Sequence[Deployment], _observed: Observed, turn: int, _now: float) -> list[Deployment]:
    """The configured order, begun one further with every request."""
    first = turn % len(deployments)
    return [*deployments[first:], *deployments[:first]]


ORDERS: Final[Mapping[Strategy, Order]] = MappingProxyType(
    {
        Strategy.COST: by_cost,
        Strategy.LATENCY: by_latency,
        Strategy.AVAILABILITY: by_availability,
        Strategy.ROUND_ROBIN: by_turns,
    }
)
