"""The fleets of a test run: tests with equal configurations share one, which starts when it is first needed."""

from __future__ import annotations

from collections import OrderedDict
from types import TracebackType
from typing import Final, Self, final

import msgspec

from routeproof_simulator.fleet import FleetConfig
from routeproof_simulator.thread import FleetThread

FLEETS_MAX: Final = 8  # that run at once; the longest unused is ended first


@final
class FleetPool:
    """Serves fleets for the length of a `with` block."""

    def __init__(self) -> None:
        self._fleets: OrderedDict[bytes, FleetThread] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        while self._fleets:
            self._end_oldest()

    def serving(self, config: FleetConfig) -> FleetThread:
        """Return the fleet of *config*, another one where it has ended meanwhile; raises what `FleetThread` raises."""
        name = msgspec.json.encode(config)
        fleet = self._fleets.pop(name, None)
        if fleet is None or not fleet.is_running:
            fleet = FleetThread(config).__enter__()
        self._fleets[name] = fleet
        if len(self._fleets) > FLEETS_MAX:
            self._end_oldest()
        return fleet

    def _end_oldest(self) -> None:
        _, oldest = self._fleets.popitem(last=False)
        if oldest.is_running:  # one that ended by itself has failed the test that used it
            oldest.__exit__(None, None, None)
