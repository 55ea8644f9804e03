"""What tokens cost: a table of prices, and the cost of an answer as a pure function of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from routeproof_spec.config import read_toml
from routeproof_spec.errors import RouteproofError

LISTED: Final = Path(__file__).with_name("prices.toml")

PER_TOKENS: Final = 1_000_000

Dollars: TypeAlias = Annotated[float, Meta(ge=0)]


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a million tokens cost, in USD: those asked with, and those answered."""

    prompt: Dollars
    completion: Dollars


class _Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    models: dict[str, Price]


@cache
def read_prices(path: Path = LISTED) -> Mapping[str, Price]:
    """Return the prices in the TOML file at *path*, by model; raise `ConfigError` where anything in it is wrong."""
    return read_toml(path, _Prices).models


def cost(model: str, prompt_tokens: int, completion_tokens: int, *, prices: Mapping[str, Price] | None = None) -> float:
    """Return the USD that an answer of *model* costs, by *prices* or by the listed ones.

    Raises `RouteproofError` for a model that has no price.
    """
    table = read_prices() if prices is None else prices
    price = table.get(model)
    if price is None:
        known = ", ".join(sorted(table))
        raise RouteproofError(f"'{model}' has no price: add it to the prices, which know {known}")
    return (price.prompt * prompt_tokens + price.completion * completion_tokens) / PER_TOKENS
