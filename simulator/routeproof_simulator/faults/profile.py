"""Providers as fast as real ones: how soon the first token comes, and how fast the others follow.

A lognormal through the p50 and p95 that monitors report predicts a p99 up to 4.4 times too low: real providers are
mostly even, and once in a while very slow. So a time is a lognormal body, and rarely a spike of several times as much.
"""

# ruff: noqa: D102 - the docstring of a behaviour says what calling it does

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from statistics import NormalDist
from typing import Annotated, Final, Literal, TypeAlias, final

from routeproof_simulator.algebra import Behaviour, Situation
from routeproof_simulator.faults.served import is_served
from routeproof_simulator.faults.timing import with_first_after, with_gaps
from routeproof_simulator.ranges import NUMBER_MAX, MoreSeconds, OutOfRangeError, Range, Rate, Seconds, within
from routeproof_simulator.script import Script

SPIKE_FACTOR_MIN: Final = 3.0
SPIKE_FACTOR_MAX: Final = 8.0
QUANTILES_MAX: Final = 1001

_NORMAL: Final = NormalDist()
_LOG_MAX: Final = math.log(NUMBER_MAX)
_TINY: Final = 2.0**-54  # below what a draw can be, but for 0, of which there is no logarithm

#: Less than 5 %, or p95 would be a spike's.
Spike: TypeAlias = Annotated[float, Range(high=0.04)]

Model: TypeAlias = Literal[
    "gpt-4o-mini",
    "gpt-4o",
    "gpt-4.1",
    "claude-haiku-4.5",
    "claude-sonnet-4.6",
    "gemini-2.5-flash",
    "deepseek-v3",
]


@final
@dataclass(frozen=True, slots=True)
class Speed(Behaviour):
    """The first token comes after a time drawn with these quantiles, the others at *tokens_per_second*.

    *spike*: the share of answers whose first token takes 3 to 8 times as long. A whole answer takes as long as its
    stream would; a refusal no time.
    """

    ttft_p50: MoreSeconds
    ttft_p95: MoreSeconds
    tokens_per_second: Rate
    spike: Spike = 0.01

    def __post_init__(self) -> None:
        Behaviour.__post_init__(self)
        within("ttft_p95", self.ttft_p95, low=self.ttft_p50)

    def __call__(self, script: Script, situation: Situation) -> Script:
        if not is_served(script, situation):
            return script
        seconds = self.seconds(situation.draw(), situation.draw())
        return _timed(script, situation, seconds, 1 / self.tokens_per_second)

    def seconds(self, evenly: float, luck: float) -> float:
        """Return the seconds that two draws come to."""
        mu, sigma = _body(self.ttft_p50, self.ttft_p95, self.spike)
        # Two quantiles may lie so far apart that no float holds what the highest draws come to.
        seconds = math.exp(min(mu + sigma * _NORMAL.inv_cdf(max(evenly, _TINY)), _LOG_MAX))
        if luck < self.spike:  # then luck / spike is a draw of its own
            seconds *= SPIKE_FACTOR_MIN + (SPIKE_FACTOR_MAX - SPIKE_FACTOR_MIN) * luck / self.spike
        return seconds


#: Dated estimates of 2026: public monitors over 24 hours, a few hundred pings each; the middle where they gave a range
#: of tokens a second. The share of spikes is what brings p99 nearest to the one measured, within 0.5 to 1.5 %.
#: For gpt-4.1 nobody reported tokens a second: it has those of gpt-4o.
PROFILES: Final[Mapping[Model, Speed]] = {
    "gpt-4o-mini": Speed(ttft_p50=0.536, ttft_p95=0.844, tokens_per_second=105, spike=0.015),
    "gpt-4o": Speed(ttft_p50=0.639, ttft_p95=1.144, tokens_per_second=60, spike=0.015),
    "gpt-4.1": Speed(ttft_p50=0.726, ttft_p95=1.220, tokens_per_second=60, spike=0.008),
    "claude-haiku-4.5": Speed(ttft_p50=0.541, ttft_p95=1.591, tokens_per_second=75, spike=0.015),
    "claude-sonnet-4.6": Speed(ttft_p50=0.941, ttft_p95=2.939, tokens_per_second=60, spike=0.005),
    "gemini-2.5-flash": Speed(ttft_p50=0.477, ttft_p95=0.776, tokens_per_second=170, spike=0.008),
    "deepseek-v3": Speed(ttft_p50=1.479, ttft_p95=1.926, tokens_per_second=26, spike=0.008),
}


@final
@dataclass(frozen=True, slots=True)
class Profile(Behaviour):
    """The provider is as fast as the real one of *model* was measured to be."""

    model: Model

    def __call__(self, script: Script, situation: Situation) -> Script:
        return PROFILES[self.model](script, situation)


@final
@dataclass(frozen=True, slots=True)
class SelfHosted(Behaviour):
    """The first token comes after *base* and a time for each prompt token, drawn evenly, as is the gap between tokens.

    The defaults are those of a model of 8 billion parameters on one H100.
    """

    base: Seconds = 0.030
    prompt_token_min: Seconds = 0.00015
    prompt_token_max: Seconds = 0.00030
    gap_min: MoreSeconds = 0.010
    gap_max: MoreSeconds = 0.015

    def __post_init__(self) -> None:
        Behaviour.__post_init__(self)
        within("prompt_token_max", self.prompt_token_max, low=self.prompt_token_min)
        within("gap_max", self.gap_max, low=self.gap_min)

    def __call__(self, script: Script, situation: Situation) -> Script:
        if not is_served(script, situation):
            return script
        each = _between(self.prompt_token_min, self.prompt_token_max, situation.draw())
        gap = _between(self.gap_min, self.gap_max, situation.draw())
        return _timed(script, situation, self.base + each * situation.prompt_tokens, gap)


@final
@dataclass(frozen=True, slots=True)
class LatencyFrom(Behaviour):
    """The first token comes after a time drawn from measured *quantiles*: evenly spaced, from least to greatest.

    *tokens_per_second*: of the others; None: all at once.
    """

    quantiles: tuple[Seconds, ...]
    tokens_per_second: Rate | None = None

    def __post_init__(self) -> None:
        Behaviour.__post_init__(self)
        if not 2 <= len(self.quantiles) <= QUANTILES_MAX:
            wanted = f"2 to {QUANTILES_MAX} numbers of seconds"
            raise OutOfRangeError("quantiles", found=f"{len(self.quantiles)} numbers", wanted=wanted)
        for before, after in pairwise((0.0, *self.quantiles)):
            if not before <= after < math.inf:
                raise OutOfRangeError("quantiles", found=after, wanted="in ascending order, from 0 on")

    def __call__(self, script: Script, situation: Situation) -> Script:
        if not is_served(script, situation):
            return script
        place = situation.draw() * (len(self.quantiles) - 1)
        index = int(place)
        seconds = _between(self.quantiles[index], self.quantiles[index + 1], place - index)
        if self.tokens_per_second is None:
            return with_first_after(script, seconds)
        return _timed(script, situation, seconds, 1 / self.tokens_per_second)


def _timed(script: Script, situation: Situation, ttft: float, gap: float) -> Script:
    return with_gaps(with_first_after(script, ttft), gap, tokens=situation.tokens)


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share


@lru_cache(maxsize=256)
def _body(p50: float, p95: float, spike: float) -> tuple[float, float]:
    """Return mu and sigma of the lognormal that, with a share *spike* of spikes above p95, has these quantiles."""
    low, high = (_NORMAL.inv_cdf(quantile / (1 - spike)) for quantile in (0.50, 0.95))
    sigma = (math.log(p95) - math.log(p50)) / (high - low)
    return math.log(p50) - sigma * low, sigma
