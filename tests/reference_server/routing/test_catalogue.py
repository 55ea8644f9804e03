from __future__ import annotations

import pytest

from routeproof_reference_server.routing import AUTO, Capability, Restriction
from tests.reference_server.routing.worlds import new_router

CATALOGUE = new_router().catalogue


def resolved(name: str, restriction: Restriction | None = None, can: Capability = Capability.CHAT) -> list[str]:
    return [each.pinned_name for each in CATALOGUE.resolve(name, can, restriction or Restriction())]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("big", ["alpha/big", "beta/big", "gamma/big"]),
        ("gamma/small", ["gamma/small"]),
        ("alpha/small", []),
        ("premium", ["alpha/big", "beta/big", "gamma/big"]),
        ("economy", ["beta/small", "gamma/small"]),
        (AUTO, ["alpha/big", "beta/big", "gamma/big", "beta/small", "gamma/small", "beta/other"]),
        ("BIG", []),
        ("Alpha/big", []),
        ("big@alpha", []),
        ("vectors", []),
        ("", []),
    ],
)
def test_a_name_stands_for_its_deployments(name: str, expected: list[str]) -> None:
    assert resolved(name) == expected


def test_the_capability_asked_for_decides() -> None:
    assert resolved(AUTO, can=Capability.EMBEDDINGS) == ["alpha/vectors", "beta/vectors", "gamma/vectors"]
    assert resolved("big", can=Capability.EMBEDDINGS) == []


def test_a_tier_is_the_first_of_its_models_that_the_key_may_use() -> None:
    assert resolved("economy", Restriction(models=frozenset({"other"}))) == ["beta/other"]


def test_a_restriction_to_providers_filters_every_form_of_a_name() -> None:
    gamma = Restriction(providers=frozenset({"gamma"}))
    assert resolved("big", gamma) == ["gamma/big"]
    assert resolved("alpha/big", gamma) == []
    assert resolved(AUTO, gamma) == ["gamma/big", "gamma/small"]


def test_a_key_is_shown_what_it_may_use() -> None:
    listed = CATALOGUE.listed(Restriction(models=frozenset({"small"})))
    assert [each.id for each in listed] == ["small", "beta/small", "gamma/small"]


def test_nothing_is_listed_that_does_not_resolve() -> None:
    for each in CATALOGUE.listed():
        assert any(resolved(each.id, can=capability) for capability in each.model.capabilities)
