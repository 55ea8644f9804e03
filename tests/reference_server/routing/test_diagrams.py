"""The pictures in the README are drawn from the tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from routeproof_reference_server.routing.breaker import TRANSITIONS
from routeproof_reference_server.routing.breaker import State as BreakerState
from routeproof_reference_server.routing.router import AFTER
from routeproof_reference_server.routing.router import State as RouteState

README = Path(__file__).parents[3] / "reference_server" / "README.md"


def drawn(name: str, first: str, arrows: Iterable[tuple[str, str, str]]) -> str:
    """A state diagram in Mermaid's words."""
    rows = [f"    {source} --> {target}: {event}" for source, event, target in arrows]
    return "\n".join(["```mermaid", f"%% {name}", "stateDiagram-v2", f"    [*] --> {first}", *rows, "```"])


def named(state: RouteState | BreakerState) -> str:
    return state.name.lower()


ROUTE = drawn(
    "route",
    named(RouteState.READY),
    [
        (named(RouteState.READY), "next", named(RouteState.TRYING)),
        (named(RouteState.READY), "next, nothing is left", named(RouteState.OVER)),
        *((named(state), kind.__name__, named(after)) for (state, kind), after in AFTER.items()),
    ],
)
BREAKER = drawn(
    "breaker",
    named(BreakerState.CLOSED),
    ((named(state), event.value, named(after)) for (state, event), after in TRANSITIONS.items()),
)


@pytest.mark.parametrize("picture", [ROUTE, BREAKER], ids=["route", "breaker"])
def test_the_readme_shows_the_table(picture: str) -> None:
    assert picture in README.read_text()
