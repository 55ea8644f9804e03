"""What the gateway counts of its work. Plain sums on the way of a request; who asks for metrics gets them rendered."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final, final

from routeproof_reference_server.operations.usage import tokens
from routeproof_reference_server.records import AttemptRecord, RequestRecord

#: Seconds: OpenTelemetry's buckets for the time to the first token, which run from a cache's to a queue's.
FIRST_BOUNDS: Final = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
#: Seconds: OpenTelemetry's buckets for the duration of a generative operation.
DURATION_BOUNDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)


@final
@dataclass(slots=True)
class Histogram:
    """How many values fell below each bound, not below the one before; the last is for all above."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list[int])
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Take *value* in."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


@final
class Tally:
    """Sums over all requests since the start. An observer."""

    def __init__(self) -> None:
        self.open = 0
        self.attempts_open: Counter[str] = Counter()
        self.requests: Counter[tuple[str, str, str]] = Counter()  # operation, status, strategy
        self.attempts: Counter[tuple[str, str, str]] = Counter()  # provider, end, cause
        self.fallbacks: Counter[tuple[str, str]] = Counter()  # from provider, to provider
        self.tokens: Counter[tuple[str, str, str]] = Counter()  # provider, model, kind
        self.duration: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(DURATION_BOUNDS))  # by operation
        self.first: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(FIRST_BOUNDS))  # by provider

    def request_began(self, request: RequestRecord) -> None:  # noqa: ARG002 - an observer's interface
        """Count it as open."""
        self.open += 1

    def attempt_began(self, request: RequestRecord, attempt: AttemptRecord) -> None:
        """Count it as open, and as a fallback where it is not the first."""
        provider = attempt.deployment.provider
        self.attempts_open[provider] += 1
        if len(request.attempts) > 1:
            self.fallbacks[request.attempts[-2].deployment.provider, provider] += 1

    def attempt_ended(self, request: RequestRecord, attempt: AttemptRecord) -> None:
        """Count how it ended, and what it took."""
        place = attempt.deployment
        self.attempts_open[place.provider] -= 1
        self.attempts[place.provider, attempt.end or "", attempt.cause or ""] += 1
        if attempt.first is None:
            return
        if request.body is not None and request.body.stream:
            self.first[place.provider].add(attempt.first - attempt.began)
        used = tokens(attempt.usage)
        self.tokens[place.provider, place.model, "prompt"] += used.prompt_tokens or 0
        self.tokens[place.provider, place.model, "completion"] += used.completion_tokens or 0

    def request_ended(self, request: RequestRecord) -> None:
        """Count how it ended, and what it took."""
        self.open -= 1
        operation = request.operation or "none"
        status = "left" if request.status is None else str(request.status)
        self.requests[operation, status, request.strategy or "none"] += 1
        self.duration[operation].add(request.seconds)
