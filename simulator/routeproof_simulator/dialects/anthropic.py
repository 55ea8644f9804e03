"""The Anthropic API as a fake provider serves it: paths, keys, errors and headers; what is said is made beside.

Everything is a function of the request, the persona and the marker. Sources: the Anthropic API reference (Messages,
Count tokens, Models, Errors, Rate limits, Versions).
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, TypeVar, final

import msgspec
from msgspec import Struct

from routeproof_simulator import text
from routeproof_simulator.algebra import Meaning
from routeproof_simulator.allowance import Standing
from routeproof_simulator.dialects import anthropic_messages
from routeproof_simulator.dialects.anthropic_checks import check
from routeproof_simulator.dialects.anthropic_reading import RefusedError, read
from routeproof_simulator.dialects.anthropic_requests import LATEST, VERSIONS, CountRequest
from routeproof_simulator.dialects.dates import http_date, rfc3339
from routeproof_simulator.dialects.persona import Answer, Call, Persona
from routeproof_simulator.script import EVENT_STREAM, JSON, Head, Script, whole
from routeproof_spec.history import Headers

T = TypeVar("T", bound=CountRequest)

#: What Anthropic says where a behaviour gives no words: type and message.
_ERRORS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("invalid_request_error", "The request is invalid."),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "Your credit balance is too low to access the Anthropic API."),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "Not found"),
    405: ("invalid_request_error", "Method Not Allowed"),
    409: ("conflict_error", "The request conflicts with the current state of the resource."),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your organization's rate limit. Please try again later."),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "Request timed out"),
    529: ("overloaded_error", "Overloaded"),
}

_PLACES: Final[Mapping[Meaning, tuple[str, ...]]] = {
    "model": ("model", "message.model"),
    "text": ("content.*.text", "delta.text"),
    "arguments": ("content.*.input", "delta.partial_json"),
    "finish": ("stop_reason", "delta.stop_reason"),
    "usage": ("usage", "message.usage"),
    "index": ("index",),
}

_MODELS: Final = "/v1/models"
_METHODS: Final[Mapping[str, tuple[str, ...]]] = {
    "/v1/messages": ("POST",),
    "/v1/messages/count_tokens": ("POST",),
    _MODELS: ("GET", "HEAD"),
}

_LETTERS: Final = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"  # of base 58: none looks like another
_LETTER_OF_BYTE: Final = bytes(_LETTERS[byte % len(_LETTERS)] for byte in range(256))
_ID_LETTERS: Final = 22


class _Ids(Struct, frozen=True):
    """What sets one answer apart from all others."""

    request: str
    message: str
    tool: str


@final
class Anthropic:
    """The dialect of Anthropic; *request_id* is what the errors bear that it words."""

    __slots__ = ("_request_id",)

    def __init__(self, request_id: str | None = None) -> None:
        self._request_id = request_id

    def answer(self, call: Call, persona: Persona) -> Answer:
        """Return the answer of *persona* to *call*."""
        ids = _ids(call, persona)
        try:
            return _routed(call, persona, ids)
        except RefusedError as refused:
            voice = Anthropic(ids.request)
            # Anthropic tells its clients that it is of no use to ask again.
            headers = (*_headers(call, persona, ids, JSON), ("x-should-retry", "false"))
            body = voice.error(refused.status, refused.message, None)
            return Answer(script=whole(refused.status, headers, body), voice=voice)

    def refuse(self, status: int, message: str, *, created: int) -> Script:
        """Return the answer to bytes that are no request."""
        headers = (("content-type", JSON), ("date", http_date(created)), ("connection", "close"))
        return whole(status, headers, self.error(status, message, None))

    def error(self, status: int, message: str | None, code: str | None) -> bytes:
        """Return the error body for *status*; *code* is what Anthropic calls `error.details.error_code`."""
        usual = _ERRORS[500 if status >= 500 else 400]
        kind, usual_message = _ERRORS.get(status, usual)
        error: dict[str, object] = {"type": kind, "message": message or usual_message}
        if code is not None:
            error["details"] = {"error_code": code}
        return msgspec.json.encode({"type": "error", "error": error, "request_id": self._request_id})

    def stream_error(self, message: str | None, code: str | None) -> bytes:
        """Return the event `error`, after which nothing comes; what Anthropic mostly tells of is overload."""
        return b"event: error\ndata: " + self.error(529, message, code) + b"\n\n"

    def rate_limit_headers(self, standing: Standing, *, now: int) -> Headers:
        """Return `anthropic-ratelimit-…-{limit,remaining,reset}`, resets as times of RFC 3339.

        A limit of tokens is told of tokens, of input tokens and of output tokens: it bounds each of them.
        """
        told: list[tuple[str, str]] = []
        limits = (("requests", standing.requests), *((kind, standing.tokens) for kind in _TOKEN_LIMITS))
        for kind, allowance in limits:
            if allowance is not None:
                told.append((f"anthropic-ratelimit-{kind}-limit", str(allowance.limit)))
                told.append((f"anthropic-ratelimit-{kind}-remaining", str(allowance.remaining)))
                told.append((f"anthropic-ratelimit-{kind}-reset", rfc3339(now + math.ceil(allowance.reset))))
        return tuple(told)

    @property
    def places(self) -> Mapping[Meaning, tuple[str, ...]]:
        """Where the JSON of an answer or of an event holds what."""
        return _PLACES

    def usage(self, prompt: int, completion: int) -> dict[str, object]:
        """Return the fields that count the tokens."""
        return anthropic_messages.counts(prompt, completion)


_TOKEN_LIMITS: Final = ("tokens", "input-tokens", "output-tokens")


def _routed(call: Call, persona: Persona, ids: _Ids) -> Answer:
    request = call.request
    method, path = request.method, request.path
    _check_key(call, persona)
    version = _version(call, persona)
    methods = _METHODS.get(path, ("GET", "HEAD") if path.startswith(f"{_MODELS}/") else ())
    if method not in methods:
        raise RefusedError(405, "Method Not Allowed") if methods else RefusedError(404, "Not Found")
    match path:
        case "/v1/messages":
            return _messages(call, persona, ids, version)
        case "/v1/messages/count_tokens":
            counted = _read(call, persona, CountRequest, version)
            return _json(call, persona, ids, {"input_tokens": counted.tokens})
        case "/v1/models":
            return _json(call, persona, ids, _listed(persona.models))
        case _:
            model = path.removeprefix(f"{_MODELS}/")
            _check_model(model, persona)
            return _json(call, persona, ids, _model(model))


def _messages(call: Call, persona: Persona, ids: _Ids, version: str) -> Answer:
    request = _read(call, persona, VERSIONS[version], version)
    choice, stop_sequence = anthropic_messages.say(request, persona, call.marker)
    said = anthropic_messages.Said(
        id=ids.message,
        tool_id=ids.tool,
        model=request.model,
        choice=choice,
        stop_sequence=stop_sequence,
        prompt_tokens=request.tokens,
    )
    if request.stream:
        headers = (*_headers(call, persona, ids, EVENT_STREAM), ("cache-control", "no-cache"))
        script: Script = (Head(200, headers), *anthropic_messages.frames(said))
    else:
        script = whole(200, _headers(call, persona, ids, JSON), anthropic_messages.whole(said))
    return Answer(script=script, tokens=said.tokens, prompt_tokens=said.prompt_tokens, voice=Anthropic(ids.request))


def _read(call: Call, persona: Persona, kind: type[T], version: str) -> T:
    request = read(call.request.body, kind, persona.strict)
    if persona.strict:
        check(request, version)
    _check_model(request.model, persona)
    return request


def _json(call: Call, persona: Persona, ids: _Ids, tree: dict[str, object]) -> Answer:
    script = whole(200, _headers(call, persona, ids, JSON), msgspec.json.encode(tree))
    return Answer(script=script, voice=Anthropic(ids.request))


def _headers(call: Call, persona: Persona, ids: _Ids, content_type: str) -> Headers:
    return (
        ("content-type", content_type),
        ("date", http_date(call.created)),
        ("request-id", ids.request),
        ("anthropic-organization-id", _organization(persona.seed, persona.name)),
    )


def _check_key(call: Call, persona: Persona) -> None:
    key = call.request.header("x-api-key")  # where there are both, this one counts
    if key is None:
        scheme, _, token = (call.request.header("authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise RefusedError(401, "x-api-key header is required")
        key = token
    if key.strip() != persona.key:
        raise RefusedError(401, "invalid x-api-key")


def _version(call: Call, persona: Persona) -> str:
    """Return the version of the API that is meant; a lenient persona guesses."""
    version = call.request.header("anthropic-version")
    if version is not None and version in VERSIONS:
        return version
    if persona.strict:
        wrong = "header is required" if version is None else f'"{version}" is not a valid version'
        raise RefusedError(400, f"anthropic-version: {wrong}")
    return LATEST


def _check_model(model: str, persona: Persona) -> None:
    if persona.models and model not in persona.models:
        raise RefusedError(404, f"model: {model}")


def _listed(models: tuple[str, ...]) -> dict[str, object]:
    ends = (models[0], models[-1]) if models else (None, None)
    return {"data": [_model(each) for each in models], "has_more": False, "first_id": ends[0], "last_id": ends[1]}


def _model(model: str) -> dict[str, object]:
    return {
        "type": "model",
        "id": model,
        "display_name": model,
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
    }


def _ids(call: Call, persona: Persona) -> _Ids:
    made = text.digest(3 * _ID_LETTERS, persona.seed, persona.name, call.marker, str(call.attempt))
    letters = made.translate(_LETTER_OF_BYTE).decode("ascii")
    request, message, tool = letters[:_ID_LETTERS], letters[_ID_LETTERS:-_ID_LETTERS], letters[-_ID_LETTERS:]
    return _Ids("req_01" + request, "msg_01" + message, "toolu_01" + tool)


@lru_cache(maxsize=256)
def _organization(*seeds: str) -> str:
    return str(uuid.UUID(bytes=text.digest(16, *seeds), version=4))
