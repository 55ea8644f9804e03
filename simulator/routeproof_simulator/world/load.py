"""Who asks what and when, drawn from a seed: no clock, no I/O."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

import msgspec

from routeproof_simulator.recorder import Patience
from routeproof_simulator.traces import Arrival
from routeproof_simulator.world.scenario import PROMPT_TOKENS_MAX, Load, Mix, Scenario
from routeproof_spec.contract import load_contract
from routeproof_spec.history import Headers
from routeproof_spec.marker import in_text, new_marker

_CHARACTERS: Final = 4  # that count for one token (`text.count_tokens`)

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


def plan(scenario: Scenario, seed: int, trace: Sequence[Arrival] = ()) -> Iterator[Planned]:
    """Yield the requests of a run in the order of their times; *trace* is what its load names, where it names one."""
    contract = load_contract()
    path = contract.prefix + contract.operations["createChatCompletion"].path
    rng = Random(f"{seed}/load")  # a text seeds alike in every process
    weights = [mix.weight for mix in scenario.load.mix]
    for at, traced in _asked(scenario, rng, trace):
        (mix,) = rng.choices(scenario.load.mix, weights)
        marker = new_marker(rng)
        yield Planned(
            at=at,
            marker=marker,
            path=path,
            headers=_headers(mix, scenario.client.key),
            body=_body(mix, marker, rng, traced),
            patience=_patience(mix, rng),
        )


def arrivals(load: Load, duration: float, rng: Random) -> Iterator[float]:
    """Yield the times of arrival before *duration*, in seconds; the first falls anywhere within the first gap.

    Real traffic comes in bursts: gaps drawn from a gamma distribution with a shape below 1 (BurstGPT, 2024).
    """
    assert load.rate is not None
    mean = 1 / load.rate
    at = rng.random() * mean
    while at < duration:
        yield at
        at += mean if load.arrivals == "constant" else rng.gammavariate(load.shape, mean / load.shape)


def length(low: int, high: int, lengths: Literal["even", "zipf"], rng: Random) -> int:
    """Return a number of tokens from *low* to *high*, drawn evenly or so that twice as many are half as often.

    Real prompts and answers are Zipf-like: mostly short, with a long tail (BurstGPT, 2024).
    """
    if lengths == "even":
        return rng.randint(low, high)
    return min(high, int(low * ((high + 1) / low) ** rng.random()))


def _asked(scenario: Scenario, rng: Random, trace: Sequence[Arrival]) -> Iterator[tuple[float, Arrival | None]]:
    """Yield when somebody asks, and what the trace says of it."""
    load = scenario.load
    if load.trace is None:
        yield from ((at, None) for at in arrivals(load, scenario.duration, rng))
    for each in trace:
        at = each.at / load.speed
        if at >= scenario.duration:
            break
        yield at, each


def _headers(mix: Mix, key: str) -> Headers:
    names = load_contract().headers
    headers = [("authorization", f"Bearer {key}"), ("content-type", "application/json")]
    if mix.fallback is not None:
        headers.append((names["fallback"], ", ".join(mix.fallback)))
    if mix.strategy is not None:
        headers.append((names["strategy"], mix.strategy))
    return tuple(headers)


def _body(mix: Mix, marker: str, rng: Random, traced: Arrival | None) -> bytes:
    question = rng.choice(_QUESTIONS)
    if traced is not None:
        # A request that failed has no answer in the trace; asked again, it has the shortest.
        prompt, tokens = min(traced.prompt_tokens, PROMPT_TOKENS_MAX), max(1, traced.completion_tokens)
    else:
        tokens = length(*mix.tokens, mix.lengths, rng)
        prompt = 0 if mix.prompt is None else length(*mix.prompt, mix.lengths, rng)
    tree: dict[str, object] = {
        "model": mix.model,
        "messages": [{"role": "user", "content": f"{_padded(question, prompt)} {in_text(marker)}"}],
        "max_tokens": tokens,
        "user": marker,
    }
    if mix.stream:
        tree["stream"] = True
        if mix.usage:
            tree["stream_options"] = {"include_usage": True}
    return msgspec.json.encode(tree)


def _padded(question: str, tokens: int) -> str:
    """Return *question*, said again and again where it has fewer than *tokens* tokens."""
    size = tokens * _CHARACTERS
    return question if len(question) >= size else (f"{question} " * (size // len(question) + 1))[:size]


def _patience(mix: Mix, rng: Random) -> Patience:
    leaves, after = rng.random() < mix.leave_share, rng.uniform(*mix.leave_after)
    return Patience(within=mix.within, leave_after=after if leaves else math.inf)
