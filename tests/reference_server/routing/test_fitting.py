"""Whoever cannot be told a request is not among those that it may go to."""

from __future__ import annotations

import pytest

from routeproof_reference_server.routing import Ask, Capability, Deployment, Strategy, Try, Unfit, Unknown
from tests.reference_server.routing.worlds import BAD, new_router


def asking(model: str, *fallback: str, fit: str) -> Ask:
    """An ask that providers with these initials can be told."""

    def fits(deployment: Deployment) -> bool:
        return deployment.provider[0] in fit

    return Ask(capability=Capability.CHAT, model=model, fallback=fallback, strategy=Strategy.COST, fits=fits)


@pytest.mark.parametrize(
    ("ask", "tried"),
    [
        (asking("big", fit="abg"), ["alpha/big"]),
        (asking("big", fit="bg"), ["beta/big"]),
        (asking("big", "small", fit="g"), ["gamma/big", "gamma/small"]),
        (asking("alpha/big", "gamma/big", fit="bg"), ["gamma/big"]),
        (asking("other", "small", fit="g"), ["gamma/small"]),
    ],
)
def test_those_who_fit_are_tried_as_if_there_were_no_others(ask: Ask, tried: list[str]) -> None:
    route = new_router().open(ask)
    found: list[str] = []
    while isinstance(step := route.next(0.0), Try):
        found.append(step.deployment.pinned_name)
        route.told(BAD, 0.0)
    assert found == tried


@pytest.mark.parametrize(
    ("ask", "name"),
    [(asking("big", fit=""), "alpha/big"), (asking("beta/big", "other", fit="ag"), "beta/big")],
)
def test_where_nobody_fits_nothing_is_tried(ask: Ask, name: str) -> None:
    route = new_router().open(ask)
    end = route.next(0.0)
    assert isinstance(end, Unfit)
    assert (end.deployment.pinned_name, route.tried, route.next(1.0)) == (name, (), end)


def test_an_unknown_name_is_told_before_who_fits_is_asked() -> None:
    assert new_router().open(asking("big", "unknown", fit="")).next(0.0) == Unknown(name="unknown")


def test_turns_are_taken_by_those_who_fit() -> None:
    router = new_router()
    turns: list[str] = []
    for _ in range(4):
        ask = Ask(
            capability=Capability.CHAT,
            model="big",
            strategy=Strategy.ROUND_ROBIN,
            fits=lambda each: each.provider != "beta",
        )
        step = router.open(ask).next(0.0)
        assert isinstance(step, Try)
        turns.append(step.deployment.provider)
    assert turns == ["alpha", "gamma", "alpha", "gamma"]
