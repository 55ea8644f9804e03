"""Who asks what and when, drawn from a seed: no clock, no I/O."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import msgspec

from routeproof_simulator.recorder import Patience
from routeproof_simulator.scenario import Load, Mix, Scenario
from routeproof_spec.contract import load_contract
from routeproof_spec.history import Headers
from routeproof_spec.marker import in_text, new_marker

_QUESTIONS = (
    "How does a heat pump work?",
    "Name three rivers of Bohemia.",
    "What did Ada Lovelace publish?",
    "Why is the evening sky red?",
    "Explain a binary search to a child.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One request before it is sent."""

    at: float  #: seconds after the start of the load
    marker: str
    path: str
    headers: Headers
    body: bytes
    patience: Patience


def plan(scenario: Scenario, seed: int) -> Iterator[Planned]:
    """Yield the requests of a run in the order of their times."""
    contract = load_contract()
    path = contract.prefix + contract.operations["createChatCompletion"].path
    rng = Random(f"{seed}/load")  # a text seeds alike in every process
    weights = [mix.weight for mix in scenario.load.mix]
    for at in arrivals(scenario.load, scenario.duration, rng):
        (mix,) = rng.choices(scenario.load.mix, weights)
        marker = new_marker(rng)
        yield Planned(
            at=at,
            marker=marker,
            path=path,
            headers=_headers(mix, scenario.client.key),
            body=_body(mix, marker, rng),
            patience=_patience(mix, rng),
        )


def arrivals(load: Load, duration: float, rng: Random) -> Iterator[float]:
    """Yield the times of arrival before *duration*, in seconds; the first falls anywhere within the first gap.

    Real traffic comes in bursts: gaps drawn from a gamma distribution with a shape below 1 (BurstGPT, 2024).
    """
    mean = 1 / load.rate
    at = rng.random() * mean
    while at < duration:
        yield at
        at += mean if load.arrivals == "constant" else rng.gammavariate(load.shape, mean / load.shape)


def _headers(mix: Mix, key: str) -> Headers:
    names = load_contract().headers
    headers = [("authorization", f"Bearer {key}"), ("content-type", "application/json")]
    if mix.fallback is not None:
        headers.append((names["fallback"], ", ".join(mix.fallback)))
    if mix.strategy is not None:
        headers.append((names["strategy"], mix.strategy))
    return tuple(headers)


def _body(mix: Mix, marker: str, rng: Random) -> bytes:
    question = f"{rng.choice(_QUESTIONS)} {in_text(marker)}"
    tree: dict[str, object] = {
        "model": mix.model,
        "messages": [{"role": "user", "content": question}],
        "max_tokens": rng.randint(*mix.tokens),
        "user": marker,
    }
    if mix.stream:
        tree["stream"] = True
    return msgspec.json.encode(tree)


def _patience(mix: Mix, rng: Random) -> Patience:
    leaves, after = rng.random() < mix.leave_share, rng.uniform(*mix.leave_after)
    return Patience(within=mix.within, leave_after=after if leaves else math.inf)
