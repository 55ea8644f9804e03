"""Providers that answer from a script, on a network of the gateway's own HTTP client, on whatever clock runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeAlias, final

import h11
import httpcore2
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
class ScriptedProviders(httpcore2.AsyncNetworkBackend):
    """Answers each provider's attempts from its list, the last reply again and again; a connection serves one."""

    def __init__(self, replies: dict[str, Sequence[Reply]], *, ports: dict[int, str]) -> None:
        self._replies = {provider: list(script) for provider, script in replies.items()}
        self._ports = ports
        self.seen: list[Seen] = []

    @property
    def tried(self) -> list[str]:
        return [each.provider for each in self.seen]

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[object] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        del host, timeout, local_address, socket_options  # a provider is known by its port
        await trio.lowlevel.checkpoint()
        return _Connection(self, self._ports[port])

    def asked(self, seen: Seen) -> Reply:
        """Note an attempt and return what it is answered with."""
        self.seen.append(seen)
        script = self._replies[seen.provider]
        return script.pop(0) if len(script) > 1 else script[0]


@final
class _Connection(httpcore2.AsyncNetworkStream):
    def __init__(self, providers: ScriptedProviders, provider: str) -> None:
        self._providers = providers
        self._provider = provider
        self._parser = h11.Connection(h11.SERVER)
        self._seen: Seen | None = None
        self._answer: AsyncGenerator[bytes, None] | None = None

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        del timeout
        await trio.lowlevel.checkpoint()
        self._parser.receive_data(buffer)
        while True:
            match self._parser.next_event():
                case h11.Request(target=target, headers=headers):
                    named = httpx2.Headers(headers.raw_items())
                    self._seen = Seen(provider=self._provider, path=target.decode(), headers=named, body=b"")
                case h11.Data(data=data):
                    assert self._seen is not None
                    self._seen.body += data
                case h11.EndOfMessage():
                    assert self._seen is not None
                    self._answer = _answered(self._providers.asked(self._seen))
                case _:
                    return

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        del max_bytes, timeout  # a piece comes as the script has it
        assert self._answer is not None, "nothing has been asked"
        return await anext(self._answer, b"")

    async def aclose(self) -> None:
        if self._answer is not None:
            await self._answer.aclose()
        if self._seen is not None and self._seen.closed_at is None:
            self._seen.closed_at = trio.current_time()


async def _answered(reply: Reply) -> AsyncGenerator[bytes, None]:
    async with aclosing(_played(reply.before)) as accidents:
        async for _ in accidents:
            pass  # nothing but silence and accidents comes before the head
    fields = {**reply.headers, "transfer-encoding": "chunked", "connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    yield f"HTTP/1.1 {reply.status} So\r\n{head}\r\n".encode()
    async with aclosing(_played(reply.body)) as pieces:
        async for piece in pieces:
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


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
EMPTY = chunk({"content": ""})
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
