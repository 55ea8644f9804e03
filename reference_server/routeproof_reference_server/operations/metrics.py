"""What the gateway counts, as Prometheus reads it. The names of metrics and labels are all here, and are few.

No label holds a client's text: models are those of the catalogue, operations those of the contract.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, TypeAlias, final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from routeproof_reference_server.operations.tally import Histogram, Tally

PREFIX: Final = "routeproof_gateway_"

Family: TypeAlias = Callable[[], Iterable[Metric]]  # what another part of the gateway has to tell


@final
class Metrics:
    """The metrics of *tally*, and what *more* has to tell, read when they are asked for."""

    def __init__(self, tally: Tally, more: Sequence[Family] = ()) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Gateway(tally, more))

    def text(self, accept: str) -> tuple[str, bytes]:
        """Return the content type and the text of all metrics, in the form that *accept* asks for."""
        encode, content_type = choose_encoder(accept)
        return content_type, encode(self._registry)


@final
class _Gateway(Collector):
    def __init__(self, tally: Tally, more: Sequence[Family]) -> None:
        self._tally = tally
        self._more = more

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        tally = self._tally
        yield GaugeMetricFamily(PREFIX + "requests_open", "Requests under way.", value=tally.open)
        yield gauge(
            "attempts_open",
            "Attempts under way.",
            ("provider",),
            (((name,), count) for name, count in tally.attempts_open.items()),
        )
        yield _counter("requests", "Requests that ended; status is 'left' where the client went before an answer.",
                       ("operation", "status", "strategy"), tally.requests.items())  # fmt: skip
        yield _counter("attempts", "Attempts that ended, by how, and why where it was the provider's failure.",
                       ("provider", "end", "cause"), tally.attempts.items())  # fmt: skip
        yield _counter(
            "fallbacks", "Attempts made because the one before failed.", ("from", "to"), tally.fallbacks.items()
        )
        yield _counter("tokens", "Tokens that providers counted.", ("provider", "model", "kind"), tally.tokens.items())
        yield _histogram("request_seconds", "Seconds from a request's head to its end.", "operation", tally.duration)
        yield _histogram(
            "first_event_seconds",
            "Seconds from asking a provider to its stream's first content.",
            "provider",
            tally.first,
        )
        for family in self._more:
            yield from family()


def gauge(name: str, text: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]) -> Metric:
    """Return a gauge of the gateway's with a value for each combination of *labels*."""
    family = GaugeMetricFamily(PREFIX + name, text, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family


def _counter(name: str, text: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], int]]) -> Metric:
    family = CounterMetricFamily(PREFIX + name, text, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family


def _histogram(name: str, text: str, label: str, values: Mapping[str, Histogram]) -> Metric:
    family = HistogramMetricFamily(PREFIX + name, text, labels=(label,))
    for key, histogram in values.items():
        bounds = (*(f"{bound:g}" for bound in histogram.bounds), "+Inf")
        family.add_metric(
            (key,), list(zip(bounds, map(float, accumulate(histogram.counts)), strict=True)), histogram.total
        )
    return family
