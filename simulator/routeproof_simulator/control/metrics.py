"""What the providers count, as Prometheus reads it. The names of metrics and labels are all here, and are few."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from routeproof_simulator.journal import Journal
from routeproof_simulator.provider import Provider
from routeproof_simulator.tally import FIRST_BYTE_BOUNDS, Tally

_BOUNDS = (*(f"{bound:g}" for bound in FIRST_BYTE_BOUNDS), "+Inf")


@final
class Metrics:
    """The metrics of *providers* and *journal*, read when they are asked for."""

    def __init__(self, providers: Mapping[str, Provider], journal: Journal) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Fleet(providers, journal))

    def text(self, accept: str) -> tuple[str, bytes]:
        """Return the content type and the text of all metrics, in the form that *accept* asks for."""
        encode, content_type = choose_encoder(accept)
        return content_type, encode(self._registry)


@final
class _Fleet(Collector):
    def __init__(self, providers: Mapping[str, Provider], journal: Journal) -> None:
        self._providers = providers
        self._journal = journal

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of every provider."""
        tallies = {name: provider.tally for name, provider in self._providers.items()}
        attempts = CounterMetricFamily(
            "routeproof_provider_attempts",
            "Attempts that ended, by the status sent (none: no head was) and how they ended.",
            labels=("provider", "status", "ended"),
        )
        faults = CounterMetricFamily(
            "routeproof_provider_faults",
            "Attempts that a behaviour changed, by its name.",
            labels=("provider", "fault"),
        )
        first_byte = HistogramMetricFamily(
            "routeproof_provider_first_byte_seconds",
            "Seconds from a complete request to the first bytes of the answer's body.",
            labels=("provider",),
        )
        for name, tally in tallies.items():
            for (status, ended), count in tally.ended.items():
                attempts.add_metric((name, "none" if status is None else str(status), ended.value), count)
            for fault, count in tally.faults.items():
                faults.add_metric((name, fault), count)
            buckets = zip(_BOUNDS, map(float, accumulate(tally.first_byte)), strict=True)
            first_byte.add_metric((name,), list(buckets), tally.first_byte_seconds)
        yield attempts
        yield faults
        yield first_byte
        yield from _simple(tallies)
        yield GaugeMetricFamily(
            "routeproof_journal_attempts_open", "Attempts whose answer goes on.", value=self._journal.open_count
        )
        yield CounterMetricFamily(
            "routeproof_journal_dropped",
            "Attempts that the journal had no room for, since it was cleared.",
            value=self._journal.dropped,
        )


def _simple(tallies: Mapping[str, Tally]) -> Iterator[Metric]:
    running = GaugeMetricFamily(
        "routeproof_provider_attempts_running", "Attempts whose answer goes on.", labels=("provider",)
    )
    sent = CounterMetricFamily(
        "routeproof_provider_body_bytes",
        "Bytes of answers' bodies, as far as the journal keeps them.",
        labels=("provider",),
    )
    connections = CounterMetricFamily(
        "routeproof_provider_connections", "Connections that brought a request.", labels=("provider",)
    )
    for name, tally in tallies.items():
        running.add_metric((name,), tally.running)
        sent.add_metric((name,), tally.sent)
        connections.add_metric((name,), tally.connections)
    yield running
    yield sent
    yield connections
