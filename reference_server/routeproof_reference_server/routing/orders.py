"""The four orders in which the deployments of a model are tried, each one a row of a table.

An order is total and has no chance in it: equals keep the order of the configuration. It says who is preferred among
those who may be asked; who may not be asked is passed over when its turn comes, so that `cost` is the cheapest and a
rotation goes round among the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

from routeproof_reference_server.routing.catalogue import Deployment
from routeproof_reference_server.routing.observed import Observed
from routeproof_reference_server.routing.rotation import Rotation
from routeproof_reference_server.routing.standing import Rank
from routeproof_reference_server.routing.strategy import Strategy

Order: TypeAlias = Callable[[Sequence[Deployment], Observed, Rotation, float], list[Deployment]]


def by_cost(deployments: Sequence[Deployment], _observed: Observed, _turns: Rotation, _now: float) -> list[Deployment]:
    """The lowest sum of prompt and completion price first."""
    return sorted(deployments, key=lambda each: each.price)


def by_latency(deployments: Sequence[Deployment], observed: Observed, _turns: Rotation, now: float) -> list[Deployment]:
    """The lowest expected time until this very model has answered first."""
    return sorted(deployments, key=lambda each: observed.latency_rank(each, now))


def by_availability(
    deployments: Sequence[Deployment], observed: Observed, _turns: Rotation, now: float
) -> list[Deployment]:
    """The provider that is up and has the lowest share of failures, over all its models, first."""
    return sorted(deployments, key=lambda each: observed.availability_rank(each, now))


def by_turns(deployments: Sequence[Deployment], _observed: Observed, turns: Rotation, _now: float) -> list[Deployment]:
    """Whoever has waited longest first."""
    return turns.order(deployments)


ORDERS: Final[Mapping[Strategy, Order]] = MappingProxyType(
    {
        Strategy.COST: by_cost,
        Strategy.LATENCY: by_latency,
        Strategy.AVAILABILITY: by_availability,
        Strategy.ROUND_ROBIN: by_turns,
    }
)

Ranking: TypeAlias = Callable[[Observed, Deployment, float], Rank]
SeenAt: TypeAlias = Callable[[Observed, Deployment], float]

#: How the strategies that learn rank, and when they last saw: these explore.
LEARNING: Final[Mapping[Strategy, tuple[Ranking, SeenAt]]] = MappingProxyType(
    {
        Strategy.LATENCY: (Observed.latency_rank, Observed.latency_seen_at),
        Strategy.AVAILABILITY: (Observed.availability_rank, Observed.availability_seen_at),
    }
)
