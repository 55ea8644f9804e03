from __future__ import annotations

from pathlib import Path

import pytest

from routeproof_simulator.prices import Price, cost, read_prices
from routeproof_spec.errors import ConfigError, RouteproofError


def test_an_answer_costs_what_its_tokens_cost() -> None:
    assert cost("gpt-4o", 1_000_000, 0) == 2.5
    assert cost("gpt-4o", 0, 1_000_000) == 10.0
    assert cost("gpt-4o-mini", 1000, 500) == pytest.approx(0.00015 + 0.0003)


def test_the_listed_prices_are_in_dollars_a_million() -> None:
    assert {model: (price.prompt, price.completion) for model, price in read_prices().items()} == {
        "gpt-4o-mini": (0.15, 0.60),
        "gpt-4o": (2.5, 10.0),
        "gpt-4.1": (2.0, 8.0),
        "claude-haiku-4.5": (1.0, 5.0),
        "claude-sonnet-4.5": (3.0, 15.0),
        "gemini-2.5-flash": (0.3, 2.5),
    }


def test_prices_of_ones_own_are_read_and_used(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text("[models]\nmine = { prompt = 1, completion = 2 }\n", encoding="utf-8")
    prices = read_prices(file)
    assert prices == {"mine": Price(prompt=1.0, completion=2.0)}
    assert cost("mine", 10, 10, prices=prices) == pytest.approx(30e-6)


def test_a_wrong_price_names_its_place(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text("[models]\nmine = { prompt = -1, completion = 2 }\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_prices(file)
    assert (caught.value.file, caught.value.wanted) == (str(file), "float >= 0.0")


def test_a_model_without_a_price_is_an_error_that_says_so() -> None:
    with pytest.raises(RouteproofError, match="'gpt-0' has no price: add it to the prices, which know claude-haiku"):
        cost("gpt-0", 1, 1)
