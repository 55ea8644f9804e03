"""What is good, before it is changed: requests as clients send them, answers as providers give them."""

from __future__ import annotations

import gzip
from collections.abc import Sequence

import msgspec

from tests.reference_server.edge import AUTHORIZATION, HEAD, MODELS, asked
from tests.reference_server.gateway import Tree, chat
from tests.reference_server.scripted import DONE, HI, ROLE, STOP, whole

BODY = b"".join(each for each in whole().body if isinstance(each, bytes))
ERROR = msgspec.json.encode({"error": {"message": "No.", "type": "server_error", "code": None, "param": None}})
STREAM = ROLE + HI + STOP + DONE
LONG = ROLE + HI * 60 + STOP + DONE  # what breaks late breaks after the client has bytes
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
TOOLS: list[Tree] = [
    {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
]


def _chunked(data: bytes, size: int = 100) -> bytes:
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def _post(path: str, body: object, fields: bytes = b"") -> bytes:
    data = msgspec.json.encode(body)
    head = b"POST %b HTTP/1.1\r\nHost: gateway\r\n" % path.encode() + AUTHORIZATION + fields
    return head + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data) + data


def _answer(status: int, data: bytes, fields: bytes = b"", kind: bytes = b"application/json") -> bytes:
    head = b"HTTP/1.1 %d So\r\nContent-Type: %b\r\n" % (status, kind) + fields
    return head + b"Content-Length: %d\r\n\r\n" % len(data) + data


ROUTING = b"X-Inferoute-Strategy: cost\r\nX-Inferoute-Fallback: gpt-4o-mini, alpha/gpt-4o\r\n"

REQUESTS: Sequence[bytes] = (
    MODELS,
    MODELS.replace(b"/v1/models", b"/v1/models/alpha%2Fgpt-4o"),
    asked(),
    asked(stream=True),
    asked(fields=ROUTING, tools=TOOLS, tool_choice="auto", user="u", metadata={"a": "b"}, seed=1, temperature=1),
    asked(stream=True, stream_options={"include_usage": True}, n=2, stop=["a", "b"], logit_bias={"1": 2}),
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + _chunked(msgspec.json.encode(chat()), 20),
    HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    _post("/v1/completions", {"model": "gpt-3.5-turbo-instruct", "prompt": ["a", "b"], "stream": True}),
    _post("/v1/embeddings", {"model": "text-embedding-3-small", "input": [[1, 2], [3]]}),
    MODELS + asked() + MODELS,
)

ANSWERS: Sequence[bytes] = (
    _answer(200, BODY),
    _answer(200, gzip.compress(BODY), b"Content-Encoding: gzip\r\n"),
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + _chunked(BODY),
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" + BODY,
    b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + _answer(200, BODY),
    *(_answer(status, ERROR) for status in (400, 401, 404, 413, 422, 500)),
    _answer(429, ERROR, b"Retry-After: 3\r\n"),
    _answer(307, b"", b"Location: http://127.0.0.1:1/v1/chat/completions\r\n"),
)

STREAMS: Sequence[bytes] = (
    SSE + b"Transfer-Encoding: chunked\r\n\r\n" + _chunked(STREAM),
    SSE + b"Transfer-Encoding: chunked\r\n\r\n" + _chunked(STREAM.replace(b"\n", b"\r\n"), 7),
    SSE + b"Connection: close\r\n\r\n" + b": hello\n\n" + STREAM,
    SSE + b"Transfer-Encoding: chunked\r\n\r\n" + _chunked(LONG, 500),
    SSE + b"Connection: close\r\n\r\n" + LONG,
    _answer(503, ERROR, b"Retry-After: 1\r\n"),
)
