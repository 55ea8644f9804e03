"""The OpenAI API as a fake provider serves it: paths, keys, errors and headers; the bodies are made beside.

Everything is a function of the request, the persona and the marker. `openai-processing-ms` is 1 always: the work itself
takes no time, waiting is what behaviours add.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, final

import msgspec

from routeproof_simulator import text
from routeproof_simulator.algebra import Meaning
from routeproof_simulator.allowance import Standing
from routeproof_simulator.dialects import openai_chat, openai_legacy
from routeproof_simulator.dialects.dates import http_date
from routeproof_simulator.dialects.openai_refusals import RefusedError
from routeproof_simulator.dialects.openai_requests import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    inputs,
    parse,
)
from routeproof_simulator.dialects.openai_said import Said, counts
from routeproof_simulator.dialects.persona import Answer, Call, Persona
from routeproof_simulator.received import RequestHead
from routeproof_simulator.script import EVENT_STREAM, JSON, Head, Script, whole
from routeproof_spec.history import Headers

# What OpenAI says where a behaviour gives no words: type, code, message.
_ERRORS: Final[dict[int, tuple[str, str | None, str]]] = {
    400: ("invalid_request_error", None, "The request is invalid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    402: ("insufficient_quota", "billing_hard_limit_reached", "Billing hard limit has been reached."),
    403: ("invalid_request_error", "unsupported_country_region_territory", "Access to this resource is forbidden."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."),
    408: ("timeout", None, "Request timed out."),
    409: ("conflict_error", None, "The resource is locked by another request."),
    413: ("invalid_request_error", "request_too_large", "The request body is too large."),
    422: ("invalid_request_error", None, "The request could not be processed."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached. Please try again in 976ms."),
    500: ("server_error", None, "The server had an error while processing your request. Sorry about that!"),
    502: ("server_error", None, "Bad gateway."),
    503: ("service_unavailable", None, "The engine is currently overloaded, please try again later"),
    504: ("server_error", None, "Gateway timeout."),
    529: ("overloaded_error", None, "Overloaded"),
}


_PLACES: Final[Mapping[Meaning, tuple[str, ...]]] = {
    "model": ("model",),
    "text": ("choices.*.message.content", "choices.*.delta.content", "choices.*.text"),
    "arguments": (
        "choices.*.message.tool_calls.*.function.arguments",
        "choices.*.delta.tool_calls.*.function.arguments",
    ),
    "finish": ("choices.*.finish_reason",),
    "usage": ("usage",),
    "index": ("choices.*.index",),
    "refusal": ("choices.*.message.refusal", "choices.*.delta.refusal"),
}


@final
class OpenAI:
    """The dialect of OpenAI, and of all who speak like it."""

    def answer(self, call: Call, persona: Persona) -> Answer:
        """Return the answer of *persona* to *call*."""
        try:
            return _endpoint(call.request.head, persona)(call, persona)
        except RefusedError as refused:
            kind = _ERRORS.get(refused.status, _ERRORS[400])[0]
            body = _error(refused.message, kind, refused.param, refused.code)
            return Answer(script=whole(refused.status, _headers(call, persona, _unique(call, persona), JSON), body))

    def refuse(self, status: int, message: str, *, created: int) -> Script:
        """Return the answer to bytes that are no request."""
        headers = (("content-type", JSON), ("date", http_date(created)), ("connection", "close"))
        return whole(status, headers, _error(message, "invalid_request_error", None, None))

    def error(self, status: int, message: str | None, code: str | None) -> bytes:
        """Return the error body for *status*."""
        kind, usual_code, usual_message = _ERRORS.get(status, _ERRORS[500 if status >= 500 else 400])
        return _error(message or usual_message, kind, None, code or usual_code)

    def stream_error(self, message: str | None, code: str | None) -> bytes:
        """Return the error as the event that OpenAI sends: data without a name, and no `[DONE]` after it."""
        return b"data: " + self.error(500, message, code) + b"\n\n"

    def rate_limit_headers(self, standing: Standing, *, now: int) -> Headers:
        """Return `x-ratelimit-*` for requests and tokens, resets as `120ms` or `6m0s`, and when to try again."""
        del now
        told: list[tuple[str, str]] = []
        for kind, allowance in (("requests", standing.requests), ("tokens", standing.tokens)):
            if allowance is not None:
                told.append((f"x-ratelimit-limit-{kind}", str(allowance.limit)))
                told.append((f"x-ratelimit-remaining-{kind}", str(allowance.remaining)))
                told.append((f"x-ratelimit-reset-{kind}", _go_duration(allowance.reset)))
        if standing.retry_after is not None:
            told.append(("retry-after-ms", str(math.ceil(standing.retry_after * 1000))))
        return tuple(told)

    @property
    def places(self) -> Mapping[Meaning, tuple[str, ...]]:
        """Where the JSON of an answer or of a chunk holds what."""
        return _PLACES

    def usage(self, prompt: int, completion: int) -> dict[str, object]:
        """Return the fields that count the tokens."""
        return counts(prompt, completion)


def routed(call: Call, persona: Persona) -> Answer:
    """Return the answer of *persona* to *call*; raises `RefusedError`."""
    return _endpoint(call.request.head, persona)(call, persona)


@lru_cache(maxsize=1024)  # heads are shared by the requests that have the same one
def _endpoint(head: RequestHead, persona: Persona) -> Callable[[Call, Persona], Answer]:
    """Return who answers requests with *head*; raises `RefusedError`."""
    if (head.method, head.path) not in (("GET", "/health"), ("HEAD", "/health")):
        _check_key(head, persona)
    match head.method, head.path:
        case "POST", "/v1/chat/completions":
            return _chat
        case "POST", "/v1/completions":
            return _completions
        case "POST", "/v1/embeddings":
            return _embeddings
        case "GET" | "HEAD", "/v1/models":
            return _models
        case "GET" | "HEAD", path if path.startswith("/v1/models/"):
            return _one_model
        case "GET" | "HEAD", "/health":
            return _health
        case method, ("/v1/chat/completions" | "/v1/completions" | "/v1/embeddings" | "/v1/models") as path:
            raise RefusedError(405, f"Not allowed to {method} on {path}.", code="method_not_supported")
        case method, path:
            raise RefusedError(404, f"Invalid URL ({method} {path})", code="unknown_url")


def _health(call: Call, persona: Persona) -> Answer:
    # Routers in front of vLLM take a worker in only while this answers 200.
    return _json(call, persona, {})


def _models(call: Call, persona: Persona) -> Answer:
    return _json(call, persona, {"object": "list", "data": [_model(each, persona) for each in persona.models]})


def _one_model(call: Call, persona: Persona) -> Answer:
    model = call.request.path.removeprefix("/v1/models/")
    _check_model(model, persona)
    return _json(call, persona, _model(model, persona))


def _chat(call: Call, persona: Persona) -> Answer:
    request = parse(call.request.body, ChatRequest, persona.strict)
    _check_model(request.model, persona)
    unique = _unique(call, persona)
    spoken = openai_chat.spoken(request, persona, call.marker, unique)
    said = Said(
        spoken,
        f"chatcmpl-{unique}".encode(),
        call.created,
        openai_chat.prompt_tokens(request.messages),
    )
    if request.stream:
        return _stream(call, persona, unique, said, b"chat.completion.chunk")
    return _whole(call, persona, unique, said, b"chat.completion")


def _completions(call: Call, persona: Persona) -> Answer:
    request = parse(call.request.body, CompletionRequest, persona.strict)
    _check_model(request.model, persona)
    unique = _unique(call, persona)
    said = Said(
        openai_legacy.spoken(request, persona, call.marker),
        f"cmpl-{unique}".encode(),
        call.created,
        openai_legacy.prompt_tokens(inputs(request.prompt)),
    )
    return (_stream if request.stream else _whole)(call, persona, unique, said, b"text_completion")


def _embeddings(call: Call, persona: Persona) -> Answer:
    request = parse(call.request.body, EmbeddingRequest, persona.strict)
    _check_model(request.model, persona)
    script = whole(200, _headers(call, persona, _unique(call, persona), JSON), openai_legacy.embeddings(request))
    return Answer(script=script, prompt_tokens=openai_legacy.prompt_tokens(inputs(request.input)))


def _stream(call: Call, persona: Persona, unique: str, said: Said, kind: bytes) -> Answer:
    headers = (*_headers(call, persona, unique, EVENT_STREAM), ("cache-control", "no-cache"))
    script: Script = (Head(200, headers), *said.frames(kind))
    return Answer(script=script, tokens=said.spoken.tokens, prompt_tokens=said.prompt_tokens)


def _whole(call: Call, persona: Persona, unique: str, said: Said, kind: bytes) -> Answer:
    script = whole(200, _headers(call, persona, unique, JSON), said.body(kind))
    return Answer(script=script, tokens=said.spoken.tokens, prompt_tokens=said.prompt_tokens)


def _json(call: Call, persona: Persona, tree: dict[str, Any]) -> Answer:
    return Answer(script=whole(200, _headers(call, persona, _unique(call, persona), JSON), msgspec.json.encode(tree)))


def _headers(call: Call, persona: Persona, unique: str, content_type: str) -> Headers:
    before, after = _usual_headers(content_type, call.created, persona.name)
    return (*before, ("x-request-id", f"req_{unique}"), *after)


@lru_cache(maxsize=64)
def _usual_headers(content_type: str, created: int, provider: str) -> tuple[Headers, Headers]:
    """Return what stands before the id of the request, and what stands after it."""
    return (("content-type", content_type), ("date", http_date(created))), (
        ("openai-organization", f"org-{provider}"),
        ("openai-processing-ms", "1"),
        ("openai-version", "2020-10-01"),
    )


def _check_key(head: RequestHead, persona: Persona) -> None:
    given = head.first.get("authorization", "")
    scheme, _, key = given.partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        message = "You didn't provide an API key. You need to provide your API key in an Authorization header."
        raise RefusedError(401, message)
    if key.strip() != persona.key:
        # OpenAI shows a masked key here; a fake provider shows none, so that no key can leak by its own doing.
        raise RefusedError(401, "Incorrect API key provided.", code="invalid_api_key")


def _check_model(model: str, persona: Persona) -> None:
    if persona.models and model not in persona.models:
        message = f"The model `{model}` does not exist or you do not have access to it."
        raise RefusedError(404, message, code="model_not_found")


def _model(model: str, persona: Persona) -> dict[str, Any]:
    return {"id": model, "object": "model", "created": 1_700_000_000, "owned_by": persona.name}


def _go_duration(seconds: float) -> str:
    """Return *seconds* as Go's time.Duration prints them, to the millisecond: `120ms`, `1.5s`, `6m0s`."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(round(seconds, 3), 60)
    return f"{int(minutes)}m{rest:g}s" if minutes else f"{rest:g}s"


def _error(message: str, kind: str, param: str | None, code: str | None) -> bytes:
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": param, "code": code}})


def _unique(call: Call, persona: Persona) -> str:
    """Return what ids are made of: 28 hexadecimal digits, the last eight of them the number of the attempt."""
    return f"{_beginning(persona.seed, persona.name, call.marker)}{call.attempt:08x}"


@lru_cache(maxsize=256)  # without a marker, all requests ask for the same
def _beginning(seed: str, name: str, marker: str) -> str:
    return text.digest(10, seed, name, marker).hex()
