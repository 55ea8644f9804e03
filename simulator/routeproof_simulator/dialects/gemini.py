"""The Gemini API as a fake provider serves it: paths, keys, errors and headers; the bodies are made beside.

A stream is one of server-sent events where the client asks for `alt=sse`, and else one JSON array that comes in pieces.
There is no `[DONE]`: a stream ends with its finish reason and all of its usage.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, final
from urllib.parse import parse_qs, unquote

import msgspec

from routeproof_simulator import text
from routeproof_simulator.algebra import Meaning
from routeproof_simulator.allowance import Standing
from routeproof_simulator.dialects import gemini_checks, gemini_content, gemini_errors
from routeproof_simulator.dialects.dates import http_date
from routeproof_simulator.dialects.gemini_content import Said
from routeproof_simulator.dialects.gemini_errors import RefusedError
from routeproof_simulator.dialects.gemini_requests import (
    BatchEmbedRequest,
    CountRequest,
    EmbedRequest,
    GenerateRequest,
    parse,
)
from routeproof_simulator.dialects.persona import Answer, Call, Persona
from routeproof_simulator.received import Received
from routeproof_simulator.script import Head, Kind, Script, Send, whole
from routeproof_spec.history import Headers

DIMENSIONS_DEFAULT: Final = 3072

_JSON: Final = "application/json; charset=UTF-8"
_EVENTS: Final = "text/event-stream"
_PATH: Final = re.compile(r"/(?P<version>v1beta|v1)/models(?:/(?P<model>[^:]+?)(?::(?P<method>[A-Za-z]+))?)?")
_GENERATING: Final = ("generateContent", "countTokens", "streamGenerateContent")
_EMBEDDING: Final = ("embedContent", "batchEmbedContents", "countTokens")

_PLACES: Final[Mapping[Meaning, tuple[str, ...]]] = {
    "model": ("modelVersion",),
    "text": ("candidates.*.content.parts.*.text",),
    "arguments": ("candidates.*.content.parts.*.functionCall.args",),
    "finish": ("candidates.*.finishReason",),
    "usage": ("usageMetadata",),
    "index": ("candidates.*.index",),
}


class Gemini:
    """The dialect of Google's Gemini API."""

    def answer(self, call: Call, persona: Persona) -> Answer:
        """Return the answer of *persona* to *call*."""
        try:
            return _routed(call, persona)
        except RefusedError as refused:
            body = gemini_errors.body(refused.code, refused.message, None, refused.details)
            return Answer(script=whole(refused.code, _headers(call, _JSON), body))

    def refuse(self, status: int, message: str, *, created: int) -> Script:
        """Return the answer to bytes that are no request."""
        headers = (("content-type", _JSON), ("date", http_date(created)), ("connection", "close"))
        return whole(status, headers, gemini_errors.body(status, message, None))

    def error(self, status: int, message: str | None, code: str | None) -> bytes:
        """Return the error body for *status*; *code* is a canonical status, or the reason of an ErrorInfo."""
        return gemini_errors.body(status, message, code)

    def stream_error(self, message: str | None, code: str | None) -> bytes:
        """Return the error as the event that Google sends in place of the next piece."""
        return b"data: " + self.error(503, message, code) + b"\r\n\r\n"

    def rate_limit_headers(self, standing: Standing, *, now: int) -> Headers:
        """Return none: the Gemini API tells in no header what is left."""
        del standing, now
        return ()

    @property
    def places(self) -> Mapping[Meaning, tuple[str, ...]]:
        """Where the JSON of an answer or of a piece holds what."""
        return _PLACES

    def usage(self, prompt: int, completion: int) -> dict[str, object]:
        """Return the fields that count the tokens."""
        return gemini_content.usage(prompt, completion)


@final
class _ArrayVoice(Gemini):
    """The voice of an answer that is streamed as a JSON array."""

    def stream_error(self, message: str | None, code: str | None) -> bytes:
        """Return the error as the last item of the array."""
        return b",\r\n" + self.error(503, message, code) + b"]"


_ARRAY_VOICE: Final = _ArrayVoice()


def _routed(call: Call, persona: Persona) -> Answer:
    request = call.request
    found = _PATH.fullmatch(unquote(request.path))
    if found is None:
        raise RefusedError(404, f"Method not found: {request.method} {request.path}")
    _check_key(request, persona)
    model, method = found["model"], found["method"]
    if model is not None:
        _check_model(model, method or "getModel", found["version"], persona)
    match request.method, method:
        case "POST", "generateContent" | "streamGenerateContent" if model is not None:
            return _generate(call, persona, model, is_stream=method == "streamGenerateContent")
        case "POST", "countTokens" if model is not None:
            return _count(call, persona)
        case "POST", "embedContent" if model is not None:
            return _embed(call, persona)
        case "POST", "batchEmbedContents" if model is not None:
            return _embed_all(call, persona)
        case "GET" | "HEAD", None if model is not None:
            return _json(call, _model(model))
        case "GET" | "HEAD", None:
            return _json(call, {"models": [_model(each) for each in persona.models]})
        case verb, _:
            raise RefusedError(404, f"Method not found: {verb} {request.path}")


def _generate(call: Call, persona: Persona, model: str, *, is_stream: bool) -> Answer:
    request = parse(call.request.body, GenerateRequest, persona.strict)
    if persona.strict:
        gemini_checks.check(request)
    choices = gemini_content.say(request, model, persona, call.marker)
    said = Said(
        id=_id(persona.seed, persona.name, call.marker, str(call.attempt)),
        model=model,
        choices=choices,
        prompt_tokens=gemini_content.prompt_tokens(request),
        completion_tokens=sum([len(choice.tokens) for choice in choices]),
    )
    voice: Gemini | None = None
    if not is_stream:
        script = whole(200, _headers(call, _JSON), gemini_content.whole(said))
    elif "alt=sse" in call.request.query.split("&"):
        script = (Head(200, _headers(call, _EVENTS)), *_events(gemini_content.pieces(said)))
    else:
        script = (Head(200, _headers(call, _JSON)), *_array(gemini_content.pieces(said)))
        voice = _ARRAY_VOICE
    return Answer(script=script, tokens=said.completion_tokens, prompt_tokens=said.prompt_tokens, voice=voice)


def _events(pieces: Iterable[tuple[bytes, Kind]]) -> list[Send]:
    return [Send(b"data: " + data + b"\r\n\r\n", kind) for data, kind in pieces]


def _array(pieces: Iterable[tuple[bytes, Kind]]) -> list[Send]:
    sent: list[Send] = []
    for data, kind in pieces:
        sent.append(Send((b",\r\n" if sent else b"[") + data, kind))
    return [*sent, Send(b"]", Kind.DONE)]


def _count(call: Call, persona: Persona) -> Answer:
    request = parse(call.request.body, CountRequest, persona.strict)
    inner = request.generate_content_request
    if persona.strict:
        gemini_checks.check_contents(request.contents if inner is None else inner.contents, "CountTokensRequest")
    counted = gemini_content.contents_tokens(request.contents) if inner is None else gemini_content.prompt_tokens(inner)
    details = [{"modality": "TEXT", "tokenCount": counted}]
    return _json(call, {"totalTokens": counted, "promptTokensDetails": details})


def _embed(call: Call, persona: Persona) -> Answer:
    request = parse(call.request.body, EmbedRequest, persona.strict)
    return _json(call, {"embedding": _vector(request, "EmbedContentRequest.content")}, _tokens(request))


def _embed_all(call: Call, persona: Persona) -> Answer:
    request = parse(call.request.body, BatchEmbedRequest, persona.strict)
    if not request.requests:
        raise gemini_errors.invalid("at least one request is required", "BatchEmbedContentsRequest.requests")
    place = "BatchEmbedContentsRequest.requests[{}].content"
    vectors = [_vector(each, place.format(index)) for index, each in enumerate(request.requests)]
    return _json(call, {"embeddings": vectors}, sum(map(_tokens, request.requests)))


def _vector(request: EmbedRequest, place: str) -> dict[str, Any]:
    if request.content is None or not request.content.text:
        raise gemini_errors.invalid("content is empty", place)
    return {"values": text.unit_vector(request.content.text, request.output_dimensionality or DIMENSIONS_DEFAULT)}


def _tokens(request: EmbedRequest) -> int:
    return 0 if request.content is None else text.count_tokens(request.content.text)


def _json(call: Call, tree: Mapping[str, Any], prompt_tokens: int = 0) -> Answer:
    script = whole(200, _headers(call, _JSON), msgspec.json.encode(tree))
    return Answer(script=script, prompt_tokens=prompt_tokens)


def _headers(call: Call, content_type: str) -> Headers:
    return (
        ("content-type", content_type),
        ("vary", "Origin, X-Origin, Referer"),
        ("date", http_date(call.created)),
        ("server", "scaffolding on HTTPServer2"),
        ("x-content-type-options", "nosniff"),
        ("server-timing", "gfet4t7; dur=1"),
    )


def _check_key(request: Received, persona: Persona) -> None:
    query = parse_qs(request.query) if "key=" in request.query else {}
    key = request.header("x-goog-api-key") or next(iter(query.get("key", ())), None)
    if key is None:
        # A bearer of tokens is taken for one of OAuth's, which a fake provider hands out to nobody.
        raise (
            gemini_errors.no_key()
            if request.header("authorization") is None
            else RefusedError(401, gemini_errors.message(401))
        )
    if key != persona.key:
        raise gemini_errors.wrong_key()


def _check_model(model: str, method: str, version: str, persona: Persona) -> None:
    if persona.models and model not in persona.models:
        message = (
            f"models/{model} is not found for API version {version}, or is not supported for {method}. Call ListModels "
            "to see the list of available models and their supported methods."
        )
        raise RefusedError(404, message)


def _model(model: str) -> dict[str, Any]:
    methods = _EMBEDDING if "embedding" in model else _GENERATING
    return {
        "name": f"models/{model}",
        "version": "001",
        "displayName": model,
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": methods,
        "temperature": 1,
        "maxTemperature": 2,
        "topP": 0.95,
        "topK": 64,
    }


def _id(*seeds: str) -> str:
    return base64.urlsafe_b64encode(text.digest(17, *seeds)).decode().rstrip("=")
