"""Providers that answer from a script, behind a transport of the gateway's own HTTP client, on whatever clock runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeAlias, final

import httpx2
import msgspec
import trio

Step: TypeAlias = bytes | float | Exception  # a piece of the body, seconds of silence, or how it breaks

JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream; charset=utf-8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer: steps before its head, the head, steps of its body."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    before: Sequence[float | Exception] = ()
    body: Sequence[Step] = ()


@dataclass(slots=True, kw_only=True)
class Seen:
    """One attempt as the provider saw it."""

    provider: str
    path: str
    headers: httpx2.Headers
    body: bytes
    closed_at: float | None = None  #: seconds; the gateway let go, or the answer was over

    @property
    def json(self) -> dict[str, object]:
        return msgspec.json.decode(self.body, type=dict[str, object])


@final
class ScriptedProviders(httpx2.AsyncBaseTransport):
    """Answers each provider's attempts from its list, the last reply again and again."""

    def __init__(self, replies: dict[str, Sequence[Reply]], *, ports: dict[int, str]) -> None:
        self._replies = {provider: list(script) for provider, script in replies.items()}
        self._ports = ports
        self.seen: list[Seen] = []

    @property
    def tried(self) -> list[str]:
        return [each.provider for each in self.seen]

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        assert request.url.port is not None
        provider = self._ports[request.url.port]
        body = await request.aread()
        seen = Seen(provider=provider, path=request.url.path, headers=request.headers, body=body)
        self.seen.append(seen)
        script = self._replies[provider]
        reply = script.pop(0) if len(script) > 1 else script[0]
        stream = _Body(reply.body, seen)
        begun = False
        try:
            async for _ in _played(reply.before):
                pass  # nothing but silence and accidents comes before the head
            begun = True
        finally:
            if not begun:
                await stream.aclose()
        return httpx2.Response(reply.status, headers=reply.headers, stream=stream)


@final
class _Body(httpx2.AsyncByteStream):
    def __init__(self, steps: Sequence[Step], seen: Seen) -> None:
        self._steps = steps
        self._seen = seen

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async with aclosing(_played(self._steps)) as pieces:
            async for piece in pieces:
                yield piece

    async def aclose(self) -> None:
        if self._seen.closed_at is None:
            self._seen.closed_at = trio.current_time()


async def _played(steps: Sequence[Step]) -> AsyncGenerator[bytes, None]:
    for step in steps:
        match step:
            case bytes():
                await trio.lowlevel.checkpoint()
                yield step
            case Exception():
                raise step
            case seconds:
                await trio.sleep(seconds)


def whole(content: str = "Hi.", **fields: object) -> Reply:
    """A chat completion, unlike the gateway's in every name."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    answer = {
        "id": "chatcmpl-provider",
        "object": "chat.completion",
        "created": 1767225600,
        "model": "the-provider's-own-name",
        "choices": [choice],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        **fields,
    }
    return Reply(body=[msgspec.json.encode(answer)])


def chunk(delta: dict[str, object], finish_reason: str | None = None, **fields: object) -> bytes:
    """One event of a chat stream."""
    tree = {
        "id": "chatcmpl-provider",
        "object": "chat.completion.chunk",
        "created": 1767225600,
        "model": "the-provider's-own-name",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        **fields,
    }
    return event(msgspec.json.encode(tree))


def event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


ROLE = chunk({"role": "assistant", "content": ""})
HI = chunk({"content": "Hi"})
STOP = chunk({}, "stop")
DONE = event(b"[DONE]")


def streamed(*steps: Step) -> Reply:
    """An event stream."""
    return Reply(headers=dict(EVENTS), body=steps)


def error(status: int, message: str = "It is broken.", **headers: str) -> Reply:
    """An error in OpenAI's shape."""
    body = msgspec.json.encode({"error": {"message": message, "type": "server_error", "param": None, "code": None}})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, headers={**JSON, **named}, body=[body])
