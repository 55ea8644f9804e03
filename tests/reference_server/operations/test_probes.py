"""What an operator asks beside the contract's paths, and who may see it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from random import Random
from typing import cast

import httpx2
import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from routeproof_reference_server import create_app
from routeproof_reference_server.operations.drain import Drain
from routeproof_reference_server.operations.front import Front, Tenure
from routeproof_reference_server.operations.metrics import Metrics
from routeproof_reference_server.operations.probes import Probes
from routeproof_reference_server.operations.tally import Tally
from routeproof_simulator.world.asgi_transport import ASGIApp, serving_app
from routeproof_simulator.world.clock import run_virtual
from tests.reference_server.gateway import CONFIG, KEY, PORTS, chat
from tests.reference_server.scripted import DONE, HI, ROLE, STOP, Reply, ScriptedProviders, streamed, whole

FALLBACK = {"x-inferoute-fallback": "alpha/gpt-4o"}


@asynccontextmanager
async def front(drain: Drain, tally: Tally, **replies: list[Reply]) -> AsyncGenerator[httpx2.AsyncClient]:
    """Yield a client of the gateway as the server calls it, with metrics on its own port."""
    providers = ScriptedProviders({name: replies.get(name, [whole()]) for name in PORTS.values()}, ports=PORTS)
    app = create_app(CONFIG, network=providers, rng=Random(1), observer=tally, drain=drain)
    leaving = {"shutdown": lambda: "leaving" if drain.is_leaving else None}
    served = Front(Tenure(app), drain, Probes(leaving, Metrics(tally)))
    async with (
        serving_app(cast("ASGIApp", served)) as transport,
        httpx2.AsyncClient(transport=transport, base_url="http://gateway.test", headers=KEY, timeout=None) as client,
    ):
        yield client
        assert transport.crashes == []


def values(text: str) -> dict[tuple[str, ...], float]:
    """Every sample that is not 0, by its name and the values of its labels, in the order of their names."""
    return {
        (
            sample.name.removeprefix("routeproof_gateway_"),
            *(sample.labels[name] for name in sorted(sample.labels)),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.value
    }


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_probe_needs_no_key_and_is_not_told_to_observers(path: str) -> None:
    async def main() -> None:
        async with front(Drain(), tally := Tally()) as client:
            answer = await client.get(path, headers={"authorization": ""})
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "no-store"
            assert (await client.head(path)).content == b""
            assert (await client.post(path)).status_code == 405
            assert tally.requests == {}

    run_virtual(main)


def test_readiness_says_what_is_missing_and_life_goes_on() -> None:
    async def main() -> None:
        drain = Drain()
        async with front(drain, Tally()) as client, trio.open_nursery() as nursery:
            assert (await client.get("/readyz")).json() == {"status": "ready", "checks": {"shutdown": "ok"}}
            nursery.start_soon(lambda: drain.run(delay=5.0, patience=1.0))
            await trio.sleep(1.0)
            answer = await client.get("/readyz")
            assert (answer.status_code, answer.json()["checks"]) == (503, {"shutdown": "leaving"})
            assert (await client.get("/healthz")).status_code == 200

    run_virtual(main)


def test_a_leaving_gateway_serves_and_closes_connections_then_refuses_in_words() -> None:
    async def main() -> None:
        drain = Drain()
        async with front(drain, Tally()) as client, trio.open_nursery() as nursery:
            nursery.start_soon(lambda: drain.run(delay=5.0, patience=1.0))
            await trio.sleep(1.0)
            served = await client.post("/v1/chat/completions", json=chat())
            assert (served.status_code, served.headers["connection"]) == (200, "close")
            await trio.sleep(5.0)
            refused = await client.post("/v1/chat/completions", json=chat())
            assert (refused.status_code, refused.headers["connection"]) == (503, "close")
            assert refused.headers["retry-after"] == "1"
            assert refused.headers["x-inferoute-request-id"].startswith("req-")
            assert refused.json()["error"]["code"] == "shutting_down"

    run_virtual(main)


def test_a_stream_that_is_cut_ends_in_an_error_event_and_lets_its_provider_go() -> None:
    async def main() -> None:
        drain = Drain()
        async with (
            front(drain, tally := Tally(), beta=[streamed(ROLE, HI, 60.0, STOP, DONE)]) as client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(lambda: drain.run(delay=1.0, patience=2.0))
            answer = await client.post("/v1/chat/completions", json=chat("beta/gpt-4o", stream=True))
            assert trio.current_time() < 60.0
            *_, last, nothing = answer.text.split("\n\n")
            assert '"code":"shutting_down"' in last
            assert nothing == ""
            assert drain.cut == 1
            assert tally.attempts == {("beta", "left", ""): 1}

    run_virtual(main)


def test_metrics_tell_requests_attempts_fallbacks_tokens_and_times() -> None:
    async def main() -> None:
        slow = streamed(0.3, ROLE, HI, STOP, DONE)
        failed = Reply(status=500, body=[b"{}"])
        async with front(Drain(), Tally(), beta=[failed, slow], alpha=[whole()]) as client:
            await client.post("/v1/chat/completions", json=chat("beta/gpt-4o"), headers=FALLBACK)
            await client.post("/v1/chat/completions", json=chat("beta/gpt-4o", stream=True))
            await client.get("/v1/models", headers={"authorization": "Bearer wrong"})
            await trio.sleep(0.001)  # a request is counted once its last byte has gone
            answer = await client.get("/metrics")
        found = values(answer.text)
        assert answer.headers["content-type"].startswith("text/plain")
        assert found["requests_total", "createChatCompletion", "200", "cost"] == 2
        assert found["requests_total", "listModels", "401", "none"] == 1
        assert found["attempts_total", "status", "failed", "beta"] == 1
        assert found["attempts_total", "", "served", "beta"] == 1
        assert found["attempts_total", "", "served", "alpha"] == 1
        assert found["fallbacks_total", "beta", "alpha"] == 1
        assert found["tokens_total", "prompt", "gpt-4o", "alpha"] == 3
        assert found["tokens_total", "completion", "gpt-4o", "alpha"] == 2
        assert found["first_event_seconds_count", "beta"] == 1
        assert ("first_event_seconds_bucket", "0.25", "beta") not in found
        assert found["first_event_seconds_bucket", "0.5", "beta"] == 1
        assert found["request_seconds_count", "createChatCompletion"] == 2
        assert ("requests_open",) not in found
        assert "test" not in str(found)

    run_virtual(main)


def test_metrics_are_not_for_those_who_ask_models() -> None:
    async def main() -> None:
        app = create_app(CONFIG, rng=Random(1))
        served = Front(Tenure(app), Drain(), Probes({}))
        async with (
            serving_app(cast("ASGIApp", served)) as transport,
            httpx2.AsyncClient(transport=transport, base_url="http://gateway.test", headers=KEY) as client,
        ):
            assert (await client.get("/metrics")).status_code == 404

    run_virtual(main)
