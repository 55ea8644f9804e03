"""OpenTelemetry spans: one for each request, and in it one for each attempt, in the GenAI semantic conventions.

Nothing of OpenTelemetry is imported unless `[tracing]` is on: it comes with the extra `routeproof[otel]`. No span holds
a body, a header or a key; models are named as the catalogue names them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, final

from routeproof_reference_server.config import TracingConfig
from routeproof_reference_server.operations.usage import tokens
from routeproof_reference_server.records import AttemptEnd, AttemptRecord, RequestRecord
from routeproof_spec.contract import load_contract
from routeproof_spec.errors import RouteproofError

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

PARENT_BYTES_MAX: Final = 512  #: of the client's trace headers, each; what the specification lets tracestate have
END_SECONDS_MAX: Final = 5.0  #: that the last spans get to leave

_NANOSECONDS: Final = 1e9
_PARENT: Final = (b"traceparent", b"tracestate")

#: What the semantic conventions call the operations of the contract.
_OPERATIONS: Final[Mapping[str, str]] = {
    "createChatCompletion": "chat",
    "createCompletion": "text_completion",
    "createEmbedding": "embeddings",
}


def require(config: TracingConfig) -> None:
    """Raise `RouteproofError` where spans are asked for and cannot be made."""
    needed = ("opentelemetry", "opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
    if not config.enabled:
        return
    for name in needed:
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            found = None
        if found is None:
            mend = "pip install 'routeproof[otel]', or set it to false"
            raise RouteproofError(f"tracing.enabled is true, but {name} is not installed; {mend}")


@final
class Tracing:
    """Turns records into spans. An observer."""

    def __init__(
        self, config: TracingConfig, wall: Callable[[], float], *, exporter: SpanExporter | None = None
    ) -> None:
        require(config)
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio  # noqa: PLC0415

        self._config = config
        self._wall = wall
        self._open: dict[RequestRecord | AttemptRecord, Span] = {}
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": config.service}), sampler=ParentBasedTraceIdRatio(config.sample)
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint=config.endpoint))
            if exporter is None
            else SimpleSpanProcessor(exporter)
        )
        self._tracer = self._provider.get_tracer("routeproof.gateway")

    @property
    def open(self) -> int:
        """How many spans have begun and not ended."""
        return len(self._open)

    def request_began(self, request: RequestRecord) -> None:
        """Begin its span, within the client's where that is wished and true."""
        from opentelemetry.trace import SpanKind  # noqa: PLC0415 - an extra

        context = self._client(request) if self._config.continue_client else None
        # Named anew where the operation is known: until then nothing is, and a path is the client's own text.
        self._open[request] = self._tracer.start_span(
            "HTTP", context=context, kind=SpanKind.SERVER, start_time=self._now()
        )

    def attempt_began(self, request: RequestRecord, attempt: AttemptRecord) -> None:
        """Begin its span, and tell the provider of it where that is wished."""
        from opentelemetry.trace import SpanKind, format_span_id, format_trace_id, set_span_in_context  # noqa: PLC0415

        place = attempt.deployment
        operation = _OPERATIONS.get(request.operation or "", "")
        span = self._tracer.start_span(
            f"{operation} {place.model}",
            context=set_span_in_context(self._open[request]),
            kind=SpanKind.CLIENT,
            start_time=self._now(),
            attributes={
                "gen_ai.operation.name": operation,
                "gen_ai.provider.name": place.provider,
                "gen_ai.request.model": place.upstream_model,
                "gen_ai.request.stream": request.body is not None and request.body.stream,
            },
        )
        self._open[attempt] = span
        if self._config.tell_providers:
            context = span.get_span_context()
            flags = int(context.trace_flags)
            ids = f"{format_trace_id(context.trace_id)}-{format_span_id(context.span_id)}"
            attempt.headers = ((b"traceparent", f"00-{ids}-{flags:02x}".encode()),)

    def attempt_ended(self, request: RequestRecord, attempt: AttemptRecord) -> None:  # noqa: ARG002 - the interface
        """End its span, with what became of it."""
        span = self._open.pop(attempt)
        if attempt.status is not None:
            span.set_attribute("http.response.status_code", attempt.status)
        if attempt.first is not None:
            span.set_attribute("gen_ai.response.time_to_first_chunk", attempt.first - attempt.began)
        used = tokens(attempt.usage)
        if used.prompt_tokens is not None:
            span.set_attribute("gen_ai.usage.input_tokens", used.prompt_tokens)
        if used.completion_tokens is not None:
            span.set_attribute("gen_ai.usage.output_tokens", used.completion_tokens)
        wrong = None if attempt.end is AttemptEnd.SERVED else attempt.cause or attempt.end
        self._end(span, wrong)

    def request_ended(self, request: RequestRecord) -> None:
        """End its span."""
        span = self._open.pop(request)
        operation = load_contract().operations.get(request.operation or "")
        if operation is not None:
            route = load_contract().prefix + operation.path
            span.update_name(f"{operation.method} {route}")
            span.set_attributes({"http.request.method": operation.method, "http.route": route})
        span.set_attribute("routeproof.request.id", request.id)
        if request.status is not None:
            span.set_attribute("http.response.status_code", request.status)
        if request.caller is not None:
            span.set_attribute("routeproof.key", request.caller.key)
        if request.strategy is not None:
            span.set_attribute("routeproof.strategy", request.strategy)
        if request.attempts:
            span.set_attributes(
                {
                    "gen_ai.operation.name": _OPERATIONS.get(request.operation or "", ""),
                    "gen_ai.request.model": request.attempts[0].deployment.model,
                    "routeproof.attempts": len(request.attempts),
                }
            )
        # What the client did wrong is no error of a server (HTTP semantic conventions); a cut answer is one.
        is_ours = (request.status or 0) >= 500 or (request.error is not None and request.status == 200)
        self._end(span, request.error if is_ours else None)

    def close(self) -> None:
        """Send what is left; takes its time."""
        self._provider.force_flush(int(END_SECONDS_MAX * 1000))
        self._provider.shutdown()

    def _end(self, span: Span, wrong: str | None) -> None:
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - an extra

        if wrong is not None:
            span.set_attribute("error.type", str(wrong))
            span.set_status(Status(StatusCode.ERROR))
        span.end(self._now())

    def _now(self) -> int:
        return int(self._wall() * _NANOSECONDS)

    @staticmethod
    def _client(request: RequestRecord) -> Context | None:
        """Return the client's own span, or None where it named none, or none that is one (W3C Trace Context)."""
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        named = [(name, value) for name, value in request.head if name in _PARENT]
        if len({name for name, _ in named}) < len(named) or any(len(value) > PARENT_BYTES_MAX for _, value in named):
            return None
        return TraceContextTextMapPropagator().extract({n.decode(): v.decode("latin-1") for n, v in named})
