"""Model names are handed out once, and to no check that their strategy does not suit."""

from __future__ import annotations

import pytest

from routeproof_conformance.judge.outcome import NotDeclared
from routeproof_conformance.pools import Pools
from routeproof_conformance.target_file import PoolTable

TWO = ("alpha", "beta")
THREE = ("alpha", "beta", "gamma")


def test_a_name_is_handed_out_once() -> None:
    pools = Pools([PoolTable(names=("one", "two"), providers=TWO)])
    assert [pools.take().model, pools.take().model] == ["one", "two"]
    with pytest.raises(NotDeclared, match="add names to"):
        pools.take()


def test_a_pool_that_is_bound_to_another_strategy_does_not_suit() -> None:
    pools = Pools([PoolTable(names=("turns",), providers=TWO, strategy="round-robin")])
    with pytest.raises(NotDeclared, match="latency"):
        pools.take(strategy="latency")
    assert pools.take(strategy="round-robin").model == "turns"


def test_any_pool_suits_a_check_that_no_strategy_matters_to() -> None:
    pools = Pools([PoolTable(names=("turns",), providers=TWO, strategy="round-robin")])
    assert pools.take().model == "turns"


def test_a_pool_for_any_strategy_suits_every_one() -> None:
    assert Pools([PoolTable(names=("free",), providers=TWO)]).take(strategy="cost").model == "free"


def test_a_pool_is_no_smaller_than_asked_for_and_no_larger_than_need_be() -> None:
    pools = Pools([PoolTable(names=("trio",), providers=THREE), PoolTable(names=("pair",), providers=TWO)])
    assert pools.take(size=2).model == "pair"
    assert pools.take(size=3).model == "trio"
    with pytest.raises(NotDeclared):
        pools.take(size=3)


def test_a_priced_pool_tells_its_order() -> None:
    unpriced = PoolTable(names=("plain",), providers=TWO)
    priced = PoolTable(names=("priced",), providers=TWO, cheapest_first=("beta", "alpha"))
    assert Pools([unpriced, priced]).take(strategy="cost", priced=True).cheapest_first == ("beta", "alpha")


def test_those_who_ask_alike_share_a_pool() -> None:
    pools = Pools([PoolTable(names=("one", "two"), providers=TWO)])
    assert pools.shared() is pools.shared()
    assert pools.take().model == "two"
