"""How much a provider lets its clients ask."""

# ruff: noqa: D102 - the docstring of a behaviour says what calling it does

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias, final

from routeproof_simulator.algebra import Behaviour, Situation
from routeproof_simulator.allowance import Allowance, Standing
from routeproof_simulator.buckets import MINUTE, Bucket, MinuteWindow, TokenBucket
from routeproof_simulator.faults.served import is_served, refused_at_once
from routeproof_simulator.ranges import OutOfRangeError, Range, within
from routeproof_simulator.script import Script, with_head
from routeproof_spec.history import Headers

Limited: TypeAlias = Literal["requests", "tokens"]
Buckets: TypeAlias = Mapping[Limited, Bucket]

Requests: TypeAlias = Annotated[int, Range(low=1, unit="requests a minute")]
Tokens: TypeAlias = Annotated[int, Range(low=1, unit="tokens a minute")]
Burst: TypeAlias = Annotated[float, Range(high=MINUTE, above=True, unit="seconds")]


@final
@dataclass(frozen=True, slots=True)
class RateLimit(Behaviour):
    """At most *rpm* requests and *tpm* tokens a minute; beyond them a 429 at once, whose Retry-After is true.

    Every answer tells in its headers what is left. A token counts whether asked with or answered. *window*: `rolling`,
    where a limit fills evenly and *burst* seconds' worth of it may be used at once, or `aligned`, where all of it comes
    back when a minute of the run's clock begins. What asks for more tokens than fit is refused without a Retry-After.
    """

    rpm: Requests | None = None
    tpm: Tokens | None = None
    window: Literal["rolling", "aligned"] = "rolling"
    burst: Burst = MINUTE

    def __post_init__(self) -> None:
        Behaviour.__post_init__(self)
        if self.rpm is None and self.tpm is None:
            raise OutOfRangeError("limit", found=[], wanted="rpm, tpm or both")
        if self.rpm is not None:  # with less room than for one request, none would ever pass
            within("burst", self.burst, low=MINUTE / self.rpm, high=MINUTE)

    def __call__(self, script: Script, situation: Situation) -> Script:
        if not is_served(script, situation):
            return script
        now = situation.now
        buckets: Buckets = situation.memory.get(self) or self._full(now)
        wanted: Mapping[Limited, int] = {"requests": 1, "tokens": situation.prompt_tokens + situation.tokens}
        waits = {kind: bucket.wait(wanted[kind], now) for kind, bucket in buckets.items()}
        short: Limited = max(buckets, key=waits.__getitem__)
        if waits[short] > 0.0:
            message = _refusal(short, buckets[short].limit, wanted[short], waits[short])
            headers = _headers(situation, buckets, retry_after=waits[short])
            return refused_at_once(script, situation, 429, message=message, headers=headers)
        taken: Buckets = {kind: bucket.taken(wanted[kind], now) for kind, bucket in buckets.items()}
        situation.memory[self] = taken
        return with_head(script, 200, **dict(_headers(situation, taken)))

    def merged(self, later: Behaviour) -> Behaviour | None:
        return self if self == later else None

    def _full(self, now: float) -> Buckets:
        limits: Mapping[Limited, int | None] = {"requests": self.rpm, "tokens": self.tpm}
        return {kind: self._bucket(limit, now) for kind, limit in limits.items() if limit is not None}

    def _bucket(self, limit: int, now: float) -> Bucket:
        if self.window == "aligned":
            return MinuteWindow(limit=limit)
        return TokenBucket.full(limit, burst=self.burst, now=now)


def _headers(situation: Situation, buckets: Buckets, *, retry_after: float = math.inf) -> Headers:
    """Return what the dialect tells of *buckets*, and when to try again where that is ever; rounded up, to be true."""
    now = situation.now
    told: Mapping[Limited, Allowance] = {
        kind: Allowance(limit=bucket.limit, remaining=bucket.left(now), reset=bucket.reset(now))
        for kind, bucket in buckets.items()
    }
    wait = retry_after if retry_after < math.inf else None
    standing = Standing(requests=told.get("requests"), tokens=told.get("tokens"), retry_after=wait)
    headers = situation.voice.rate_limit_headers(standing, now=situation.created)
    return headers if wait is None else (*headers, ("retry-after", str(math.ceil(wait))))


def _refusal(kind: Limited, limit: int, wanted: int, wait: float) -> str:
    if wait == math.inf:
        return f"Request too large: it counts for {wanted} {kind}, and the limit per minute is {limit}."
    again = f"Please try again in {math.ceil(wait * 1000) / 1000:g}s."
    return f"Rate limit reached for {kind} per minute: Limit {limit}, Requested {wanted}. {again}"
