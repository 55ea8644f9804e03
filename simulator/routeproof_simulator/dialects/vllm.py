"""vLLM's server: no key unless one is given, no header of OpenAI's, errors of its own, and a few fields more.

Source: vLLM's OpenAI-compatible server. Until 0.9 an error was flat, which the SDKs take for a chunk where it comes
within a stream; later ones nest it, as OpenAI does. The code of an error is its status.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

import msgspec

from routeproof_simulator.dialects.dates import http_date
from routeproof_simulator.dialects.openai_refusals import RefusedError
from routeproof_simulator.dialects.persona import Call, Persona
from routeproof_simulator.dialects.variants import Error, Manner, as_openai, bearer, no_limits
from routeproof_simulator.received import Received
from routeproof_simulator.script import JSON, Script, whole
from routeproof_spec.history import Headers

MODEL_TOKENS_MAX: Final = 32_768

# What vLLM says where a behaviour gives no words: type, message.
_ERRORS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("BadRequestError", "The request is invalid."),
    401: ("AuthenticationError", "Unauthorized"),
    404: ("NotFoundError", "The model does not exist."),
    408: ("TimeoutError", "Request timed out."),
    429: ("RateLimitError", "Too many requests."),
    500: ("InternalServerError", "EngineCore encountered an issue. See stack trace (above) for the root cause."),
    503: ("ServiceUnavailableError", "The server is overloaded. Please try again later."),
}
_SERVICE: Final = b',"service_tier":"default","system_fingerprint":"'


def _asked(request: Received, persona: Persona) -> Received:
    if bearer(request) not in (None, persona.key):
        raise RefusedError(401, _ERRORS[401][1])
    return as_openai(request, persona, path=request.path)


def _own(version: str, call: Call, persona: Persona) -> Script | None:
    if call.request.method not in ("GET", "HEAD"):
        return None
    headers = (("content-type", JSON), ("date", http_date(call.created)), *_headers(call, persona))
    match call.request.path:
        case "/health" | "/ping":
            return whole(200, headers, b"")
        case "/version":
            return whole(200, headers, msgspec.json.encode({"version": version}))
        case "/v1/models" if bearer(call.request) in (None, persona.key):
            models = [_model(each, call.created) for each in persona.models]
            return whole(200, headers, msgspec.json.encode({"object": "list", "data": models}))
        case _:
            return None


def _model(model: str, created: int) -> dict[str, Any]:
    return {
        "id": model,
        "object": "model",
        "created": created,
        "owned_by": "vllm",
        "root": model,
        "parent": None,
        "max_model_len": MODEL_TOKENS_MAX,
        "permission": [],
    }


def _fields(error: Error) -> dict[str, Any]:
    kind, usual = _ERRORS.get(error.status, _ERRORS[500 if error.status >= 500 else 400])
    return {"message": error.message or usual, "type": kind, "param": error.param, "code": error.status}


def _flat(error: Error) -> bytes:
    if error.status == 401:
        return b'{"error":"Unauthorized"}'  # by what stands before the API
    return msgspec.json.encode({"object": "error", **_fields(error)})


def _nested(error: Error) -> bytes:
    return _flat(error) if error.status == 401 else msgspec.json.encode({"error": _fields(error)})


def _flat_event(error: Error) -> bytes:
    return b"data: " + _flat(error) + b"\n\n"


def _nested_event(error: Error) -> bytes:
    return b"data: " + _nested(error) + b"\n\n"


def _headers(call: Call, persona: Persona) -> Headers:
    del call, persona
    return (("server", "uvicorn"),)


def _chunk(data: bytes) -> bytes:
    # Inside a JSON string a quotation mark is escaped: what is found can only be the name of a field.
    at = data.find(_SERVICE)
    if at >= 0:
        data = data[:at] + data[data.index(b'"', at + len(_SERVICE)) + 1 :]
    return data.replace(b'"finish_reason":', b'"stop_reason":null,"finish_reason":')


def _whole(data: bytes) -> bytes:
    told = _chunk(data)
    if b'"stop_reason"' not in told:
        return told  # vectors
    return told[:-1] + b',"service_tier":null,"system_fingerprint":null,"prompt_logprobs":null}'


VLLM: Final = Manner(
    asked=_asked,
    error=_flat,
    stream_error=_flat_event,
    headers=_headers,
    limits=no_limits,
    whole=_whole,
    chunk=_chunk,
    own=partial(_own, "0.9.2"),
    refuses_unknown=False,
)
VLLM_NESTED: Final = replace(VLLM, error=_nested, stream_error=_nested_event, own=partial(_own, "0.11.0"))
