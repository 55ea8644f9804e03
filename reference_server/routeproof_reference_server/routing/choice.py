"""In which order one request tries the deployments of a name: its strategy's, but for a look at others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, final

from routeproof_reference_server.routing.catalogue import Deployment
from routeproof_reference_server.routing.exploration import Exploration
from routeproof_reference_server.routing.observed import Observed
from routeproof_reference_server.routing.orders import LEARNING, ORDERS
from routeproof_reference_server.routing.rotation import Rotation
from routeproof_reference_server.routing.standing import Standing
from routeproof_reference_server.routing.strategy import Strategy

_Group: TypeAlias = tuple[Deployment, ...]  # that requests choose among; a restricted key has its own


@final
@dataclass(slots=True)
class Choice:
    """Orders the deployments of a request, and remembers whose turn it is."""

    observed: Observed
    exploration: float  # share of the requests under a strategy that learns
    _turns: dict[_Group, Rotation] = field(default_factory=dict[_Group, Rotation])
    _explorations: dict[tuple[Strategy, _Group], Exploration] = field(
        default_factory=dict[tuple[Strategy, _Group], Exploration]
    )

    def ordered(self, deployments: _Group, strategy: Strategy, now: float) -> list[Deployment]:
        """Return *deployments* in the order in which a request under *strategy* tries them; counts as one request."""
        turns = self._turns.get(deployments)
        if turns is None:
            turns = self._turns[deployments] = Rotation()
        order = ORDERS[strategy](deployments, self.observed, turns, now)
        if strategy is Strategy.ROUND_ROBIN:
            taken = next((each for each in order if self.observed.admits(each, now)), None)
            if taken is not None:
                turns.took(taken)
        elif strategy in LEARNING and len(order) > 1 and self._explores(strategy, deployments):
            other = self._longest_unseen(strategy, order, now)
            if other is not None:
                order.remove(other)
                order.insert(0, other)
        return order

    def _explores(self, strategy: Strategy, deployments: _Group) -> bool:
        exploration = self._explorations.get((strategy, deployments))
        if exploration is None:
            exploration = self._explorations[strategy, deployments] = Exploration(self.exploration)
        return exploration.is_due()

    def _longest_unseen(self, strategy: Strategy, order: Sequence[Deployment], now: float) -> Deployment | None:
        """Return whose newest observation is the oldest, among those that are measured and may be asked."""
        rank, seen_at = LEARNING[strategy]
        known = [
            each
            for each in order
            if rank(self.observed, each, now)[0] is Standing.MEASURED and self.observed.admits(each, now)
        ]
        # Where one is not measured yet, it stands first and is looked at anyway.
        if len(known) < 2 or order[0] is not known[0]:
            return None
        return min(known[1:], key=lambda each: seen_at(self.observed, each))
