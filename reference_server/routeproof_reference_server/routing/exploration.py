"""When a request looks at another than the best, so that one that has become better is found again.

No chance is in it: every n-th request for a group of deployments looks at the one whose newest observation is the
oldest. So each has its turn, nobody is starved, and nobody is trusted for ever.
"""

from __future__ import annotations

import math
from typing import final


@final
class Exploration:
    """Counts the requests for one group; the share of those that explore is never above *share*."""

    __slots__ = ("_count", "_every")

    def __init__(self, share: float) -> None:
        self._every = (
            math.ceil(min(1 / share, 1e9)) if share else 0
        )  # a share so small that 1/share is infinite is none
        self._count = 0

    def is_due(self) -> bool:
        """Count one request, and return whether it is one that explores."""
        self._count += 1
        return self._every > 0 and self._count % self._every == 0
