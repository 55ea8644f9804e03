"""Azure OpenAI: deployments in the path, a key of its own, and errors of the gateway in front of the model.

Sources: the Azure OpenAI REST reference, its content filtering and its quota pages. What the model refuses is worded as
OpenAI words it; what the gateway refuses has a code, which is the status as a text, and a message.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from routeproof_simulator import text
from routeproof_simulator.allowance import Standing
from routeproof_simulator.dialects.openai_refusals import RefusedError
from routeproof_simulator.dialects.persona import Call, Persona
from routeproof_simulator.dialects.variants import Error, Manner, as_openai, bearer
from routeproof_simulator.received import Received
from routeproof_simulator.script import Kind, Send
from routeproof_spec.errors import NOT_JSON
from routeproof_spec.history import Headers

REGION: Final = "Sweden Central"

_DEPLOYMENT: Final = re.compile(r"/openai/deployments/(?P<name>[^/]+)(?P<operation>/.+)")
_ACCESS_DENIED: Final = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
    "active subscription and use a correct regional API endpoint for your resource."
)
_FILTERED: Final = (
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify "
    "your prompt and retry."
)
# What Azure says where a behaviour gives no words: code, message.
_ERRORS: Final[Mapping[int, tuple[str, str]]] = {
    401: ("401", _ACCESS_DENIED),
    403: ("403", "Access denied due to Virtual Network/Firewall rules."),
    404: ("404", "Resource not found"),
    408: ("Timeout", "The operation was timeout."),
    429: (
        "429",
        "Requests under Azure OpenAI API have exceeded the call rate limit of your pricing tier. Please retry later.",
    ),
    500: ("InternalServerError", "Backend returned unexpected response. Please contact Microsoft for help."),
    503: ("ServiceUnavailable", "The service is temporarily unable to process your request. Please try again later."),
}
_BY_MODEL: Final = frozenset({400, 409, 413, 422})  # refused behind the gateway, by the model's own API

_SAFE: Final = b",".join(
    b'"' + name + b'":{"filtered":false,"severity":"safe"}' for name in (b"hate", b"self_harm", b"sexual", b"violence")
)
_CHOICE: Final = b'"content_filter_results":{' + _SAFE + b'},"finish_reason":'
_PROMPT: Final = b'"prompt_filter_results":[{"prompt_index":0,"content_filter_results":{' + _SAFE + b"}}]"
_OPENING: Final = Send(
    b'data: {"choices":[],"created":0,"id":"","model":"","object":"",' + _PROMPT + b"}\n\n", Kind.OTHER
)


class _Named(msgspec.Struct):
    model: str | None = None


def _asked(request: Received, persona: Persona) -> Received:
    if (request.header("api-key") or bearer(request)) != persona.key:
        raise RefusedError(401, _ACCESS_DENIED)
    if request.path.startswith("/openai/v1/"):
        return as_openai(request, persona, path=request.path.removeprefix("/openai"))
    if not parse_qs(request.query).get("api-version"):
        raise RefusedError(404, _ERRORS[404][1])
    if found := _DEPLOYMENT.fullmatch(request.path):
        return as_openai(request, persona, path=f"/v1{found['operation']}", body=_with_model(request, found["name"]))
    return as_openai(request, persona, path=request.path.replace("/openai/", "/v1/", 1))


def _with_model(request: Received, name: str) -> bytes:
    """Return the body of *request* asking for *name*, whatever model it asks for: the path decides."""
    try:
        if msgspec.json.decode(request.body, type=_Named).model == name:
            return request.body
        return msgspec.json.encode({**msgspec.json.decode(request.body, type=dict[str, Any]), "model": name})
    except NOT_JSON:
        return request.body  # refused where it is read


def _error(error: Error) -> bytes:
    if error.code == "content_filter":
        return _encode(_filtered(error))
    if error.code == "model_not_found":
        return _encode(
            {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}
        )
    if error.status in _BY_MODEL:
        message = error.message or "The request is invalid."
        kind = "invalid_request_error"
        return _encode({"message": message, "type": kind, "param": error.param, "code": error.code})
    code, usual = _ERRORS.get(error.status, (str(error.status), _ERRORS[500][1]))
    return _encode({"code": error.code or code, "message": error.message or usual})


def _filtered(error: Error) -> dict[str, Any]:
    results: dict[str, Any] = {
        name: {"filtered": name == "violence", "severity": "medium" if name == "violence" else "safe"}
        for name in ("hate", "self_harm", "sexual", "violence")
    }
    return {
        "message": error.message or _FILTERED,
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": error.status,
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": results},
    }


def _encode(error: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode({"error": error})


def _stream_error(error: Error) -> bytes:
    return b"data: " + _error(error) + b"\n\n"


def _headers(call: Call, persona: Persona) -> Headers:
    one, other = (
        str(uuid.UUID(bytes=text.digest(16, each, persona.seed, persona.name, call.marker, str(call.attempt))))
        for each in ("apim", "request")
    )
    return (
        ("apim-request-id", one),
        ("x-request-id", other),
        ("x-ms-client-request-id", call.request.header("x-ms-client-request-id") or one),
        ("x-ms-region", REGION),
        ("x-content-type-options", "nosniff"),
        ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
    )


def _limits(standing: Standing) -> Headers:
    told: list[tuple[str, str]] = []
    for kind, allowance in (("requests", standing.requests), ("tokens", standing.tokens)):
        if allowance is not None:
            told.append((f"x-ratelimit-limit-{kind}", str(allowance.limit)))
            told.append((f"x-ratelimit-remaining-{kind}", str(allowance.remaining)))
            if standing.retry_after is not None:
                told.append((f"x-ratelimit-reset-{kind}", str(math.ceil(allowance.reset))))
    if standing.retry_after is not None:
        told.append(("retry-after-ms", str(math.ceil(standing.retry_after * 1000))))
    return tuple(told)


def _chunk(data: bytes) -> bytes:
    # Inside a JSON string a quotation mark is escaped: what is replaced can only be the name of a field.
    return data.replace(b'"service_tier":"default",', b"", 1).replace(b'"finish_reason":', _CHOICE)


def _whole(data: bytes) -> bytes:
    told = _chunk(data)
    return b"{" + _PROMPT + b"," + told[1:] if _CHOICE in told else told


AZURE: Final = Manner(
    asked=_asked,
    error=_error,
    stream_error=_stream_error,
    headers=_headers,
    limits=_limits,
    whole=_whole,
    chunk=_chunk,
    opening=(_OPENING,),
)
