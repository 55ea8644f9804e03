"""OpenRouter: a path of its own, the provider that it asked, comments while it waits, and errors with a number.

Source: the OpenRouter API reference (streaming, errors).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from routeproof_simulator.dialects.openai_refusals import RefusedError
from routeproof_simulator.dialects.persona import Call, Persona
from routeproof_simulator.dialects.variants import Error, Manner, as_openai, bearer, no_limits
from routeproof_simulator.received import Received
from routeproof_simulator.script import Kind, Send
from routeproof_spec.history import Headers

# What OpenRouter says where a behaviour gives no words.
_MESSAGES: Final[Mapping[int, str]] = {
    400: "The request is invalid.",
    401: "No auth credentials found",
    402: "Insufficient credits. Add more credits to continue.",
    403: "The input was flagged by moderation.",
    404: "No endpoints found for this model.",
    408: "The request timed out.",
    429: "Rate limit exceeded.",
    502: "Provider returned error",
    503: "There is no available model provider that meets your routing requirements.",
}
_COMMENT: Final = Send(b": OPENROUTER PROCESSING\n\n", Kind.OTHER)
_FINISH: Final = re.compile(rb'"finish_reason":("[a-z_]+")')
_UNFINISHED: Final = b'"finish_reason":null'


def _asked(request: Received, persona: Persona) -> Received:
    if bearer(request) != persona.key:
        raise RefusedError(401, _MESSAGES[401])
    return as_openai(request, persona, path=request.path.removeprefix("/api"))


def _fields(error: Error) -> dict[str, Any]:
    usual = _MESSAGES.get(error.status, "Internal Server Error")
    fields: dict[str, Any] = {"message": error.message or usual, "code": error.status}
    return {**fields, "metadata": {"error_type": error.code}} if error.code is not None else fields


def _error(error: Error) -> bytes:
    return msgspec.json.encode({"error": _fields(error)})


def _stream_error(error: Error) -> bytes:
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error", "native_finish_reason": "error"}
    tree = {"object": "chat.completion.chunk", "provider": "OpenAI", "error": _fields(error), "choices": [choice]}
    return b"data: " + msgspec.json.encode(tree) + b"\n\n"


def _headers(call: Call, persona: Persona) -> Headers:
    del call, persona
    return (("server", "cloudflare"), ("access-control-allow-origin", "*"))


def _told(data: bytes) -> bytes:
    # Inside a JSON string a quotation mark is escaped: what is found can only be the name of a field.
    for prefix in (b"chatcmpl-", b"cmpl-"):
        data = data.replace(b'{"id":"' + prefix, b'{"provider":"OpenAI","id":"gen-', 1)
    if _UNFINISHED in data:
        return data.replace(_UNFINISHED, _UNFINISHED + b',"native_finish_reason":null')
    return _FINISH.sub(rb'"finish_reason":\1,"native_finish_reason":\1', data)


OPENROUTER: Final = Manner(
    asked=_asked,
    error=_error,
    stream_error=_stream_error,
    headers=_headers,
    limits=no_limits,
    whole=_told,
    chunk=_told,
    opening=(_COMMENT, _COMMENT),
    refuses_unknown=False,
)
