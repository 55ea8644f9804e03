"""Schedules for tests, of three providers."""

from __future__ import annotations

from typing import Any

from routeproof_simulator.behaviours import fail
from routeproof_simulator.schedules.schedule import Schedule, parse

PROVIDERS = ("alpha", "beta", "gamma")
FAIL: list[dict[str, Any]] = [{"fail": {"status": 503}}]
GONE = fail(503)


def schedule(*faults: dict[str, Any]) -> Schedule:
    return parse(list(faults), file="a file", providers=PROVIDERS)


def fault(**attributes: Any) -> dict[str, Any]:
    """Return a fault of alpha from second 10 to 20, but for what *attributes* say (`lasts`: `for`)."""
    whole = {"at": 10, "lasts": 10, "providers": ["alpha"], "behaviour": FAIL} | attributes
    whole["for"] = whole.pop("lasts")
    return {name: value for name, value in whole.items() if value is not None}
