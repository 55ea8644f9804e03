"""Whose turn it is: whoever has waited longest, so that the counts of those who can be asked differ by one at most.

Where all can be asked this is the configured order, round and round. One that was away for a time comes next when it is
back, once, and makes up for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from routeproof_reference_server.routing.catalogue import Deployment


@final
class Rotation:
    """The turns of one group of deployments."""

    __slots__ = ("_count", "_taken")

    def __init__(self) -> None:
        self._count = 0
        self._taken: dict[Deployment, int] = {}

    def order(self, deployments: Sequence[Deployment]) -> list[Deployment]:
        """Return *deployments*, the one that has waited longest first; equals keep their order."""
        return sorted(deployments, key=lambda each: self._taken.get(each, 0))

    def took(self, deployment: Deployment) -> None:
        """*deployment* has had its turn."""
        self._count += 1
        self._taken[deployment] = self._count
