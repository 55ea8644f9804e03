"""Spans as OpenTelemetry's own exporter gets them, and that nothing of it is needed where nobody asks for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, SpanKind, StatusCode

from routeproof_reference_server import DEFAULT_FILE
from routeproof_reference_server.config import TracingConfig
from routeproof_reference_server.operations.tracing import Tracing
from routeproof_simulator.world.clock import run_virtual
from tests.reference_server.gateway import chat, gateway
from tests.reference_server.scripted import DONE, HI, ROLE, STOP, Reply, ScriptedProviders, error, streamed, whole

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
FALLBACK = {"x-inferoute-fallback": "alpha/gpt-4o"}

Ask = Callable[[httpx2.AsyncClient], Awaitable[object]]


def traced(
    ask: Ask, *, replies: Mapping[str, list[Reply]], **config: Any
) -> tuple[list[ReadableSpan], ScriptedProviders]:
    """The spans that come of it, in the order in which they began, and the providers."""
    exporter = InMemorySpanExporter()

    async def main() -> ScriptedProviders:
        tracing = Tracing(TracingConfig(enabled=True, **config), trio.current_time, exporter=exporter)
        async with gateway(dict(replies), observer=tracing) as (client, providers):
            await ask(client)
        assert tracing.open == 0
        return providers

    providers = run_virtual(main)
    return sorted(exporter.get_finished_spans(), key=lambda each: (each.start_time or 0, each.kind.value)), providers


def post(*, stream: bool = False, **headers: str) -> Ask:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda client: client.post(
        "/chat/completions", json=chat("beta/gpt-4o", stream=stream), headers={**FALLBACK, **named}
    )


def known(span: ReadableSpan) -> SpanContext:
    context = span.get_span_context()
    assert context is not None
    return context


def seconds(span: ReadableSpan) -> float:
    return ((span.end_time or 0) - (span.start_time or 0)) / 1e9


def test_a_request_is_a_server_s_span_and_each_attempt_a_client_s_span_in_it() -> None:
    replies = {
        "beta": [Reply(status=500, before=[1.0], body=[b"{}"])],
        "alpha": [Reply(before=[2.0], body=whole().body)],
    }
    (request, first, second), _ = traced(post(), replies=replies)
    assert request.name == "POST /v1/chat/completions"
    assert (request.kind, first.kind, second.kind) == (SpanKind.SERVER, SpanKind.CLIENT, SpanKind.CLIENT)
    assert {each.parent and each.parent.span_id for each in (first, second)} == {known(request).span_id}
    assert [round(seconds(each), 6) for each in (request, first, second)] == [3.0, 1.0, 2.0]
    told = dict(request.attributes or {})
    assert str(told.pop("routeproof.request.id")).startswith("req-")
    assert told == {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "routeproof.key": "local",
        "routeproof.strategy": "cost",
        "routeproof.attempts": 2,
    }
    assert dict(first.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "beta",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.stream": False,
        "http.response.status_code": 500,
        "error.type": "status",
    }
    assert dict(second.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "alpha",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.stream": False,
        "gen_ai.response.time_to_first_chunk": 2.0,
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 2,
        "http.response.status_code": 200,
    }
    assert [each.status.status_code for each in (request, first, second)] == [
        StatusCode.UNSET,
        StatusCode.ERROR,
        StatusCode.UNSET,
    ]


def test_a_stream_s_span_lasts_to_its_end_and_knows_its_first_chunk() -> None:
    (request, attempt), _ = traced(post(stream=True), replies={"beta": [streamed(1.0, ROLE, HI, 2.0, STOP, DONE)]})
    assert (seconds(request), seconds(attempt)) == (3.0, 3.0)
    assert (attempt.attributes or {})["gen_ai.response.time_to_first_chunk"] == 1.0


def test_what_a_client_did_wrong_is_no_error_of_ours() -> None:
    (request,), _ = traced(lambda client: client.post("/chat/completions", json={}), replies={})
    assert (request.attributes or {})["http.response.status_code"] == 400
    assert request.status.status_code is StatusCode.UNSET


def test_what_no_provider_could_answer_is_an_error() -> None:
    (request, *_), _ = traced(post(), replies={"beta": [error(500)], "alpha": [error(500)]})
    assert (request.attributes or {})["error.type"] == "provider_unavailable"
    assert request.status.status_code is StatusCode.ERROR


@pytest.mark.parametrize("is_continued", [True, False])
def test_a_client_s_trace_is_continued_where_that_is_wished(is_continued: bool) -> None:
    (request, _), _ = traced(post(traceparent=PARENT), replies={}, continue_client=is_continued)
    assert (f"{known(request).trace_id:032x}" == TRACE) is is_continued
    assert (request.parent is not None) is is_continued


WRONG = {
    "no hex": f"00-{'g' * 32}-{SPAN}-01",
    "all zero": f"00-{'0' * 32}-{SPAN}-01",
    "short": f"00-{TRACE[:-1]}-{SPAN}-01",
    "a forbidden version": f"ff-{TRACE}-{SPAN}-01",
    "more behind it": PARENT + "-" + "x" * 10_000,
    "empty": "",
}


@pytest.mark.parametrize("parent", WRONG.values(), ids=WRONG)
def test_a_wrong_trace_is_not_continued(parent: str) -> None:
    (request, _), _ = traced(post(traceparent=parent), replies={}, continue_client=True)
    assert request.parent is None


def test_a_trace_that_is_named_twice_is_not_continued() -> None:
    headers = [("traceparent", PARENT), ("traceparent", PARENT)]
    (request, *_), _ = traced(lambda client: client.get("/models", headers=headers), replies={}, continue_client=True)
    assert request.parent is None


@pytest.mark.parametrize("are_told", [True, False])
def test_a_provider_learns_of_its_span_where_that_is_wished(are_told: bool) -> None:
    (_, attempt), providers = traced(post(traceparent=PARENT), replies={}, tell_providers=are_told)
    (seen,) = providers.seen
    context = known(attempt)
    told = f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
    expected = told if are_told else None
    assert seen.headers.get("traceparent") == expected


def test_nothing_is_kept_where_nothing_is_sampled() -> None:
    assert traced(post(), replies={}, sample=0.0)[0] == []


WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'opentelemetry':
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
from routeproof.__main__ import main
sys.argv = ['routeproof', 'config', 'check', sys.argv[1]]
main()
"""


@pytest.mark.parametrize("enabled", [True, False])
def test_without_the_extra_asking_for_spans_is_an_error_that_names_the_mend(tmp_path: Path, enabled: bool) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(DEFAULT_FILE.read_text().replace("enabled = false", f"enabled = {str(enabled).lower()}"))
    ended = subprocess.run([sys.executable, "-c", WITHOUT, str(file)], capture_output=True, text=True, check=False)
    assert ended.returncode == (2 if enabled else 0), ended.stderr
    assert ("pip install 'routeproof[otel]'" in ended.stderr) is enabled
