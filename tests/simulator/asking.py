"""How the tests of this folder ask a fake provider: the requests, the provider, and its answers read back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio

from routeproof_simulator.algebra import Behaviour, Situation, ok
from routeproof_simulator.dialects import DIALECTS, Answer, Call, Persona
from routeproof_simulator.fleet import FleetConfig, ProviderConfig
from routeproof_simulator.journal import Journal
from routeproof_simulator.provider import Provider
from routeproof_simulator.received import Received, RequestHead
from routeproof_simulator.script import Script, Send
from routeproof_simulator.wire.connection import serve_connection
from routeproof_simulator.world.network import MemoryStream, memory_connection
from routeproof_spec.sse import SSEDecoder

KEY = "sk-alpha-test"
MODELS = ("gpt-4o", "text-embedding-3-small")
PERSONA = Persona(name="alpha", key=KEY, models=MODELS, seed="a seed", tokens=12)
OPENAI = DIALECTS["openai"]
FLEET = FleetConfig(
    providers=tuple(
        ProviderConfig(name=name, key=f"sk-{name}-test", models=MODELS, tokens=12) for name in ("alpha", "beta")
    )
)


def chat(**more: object) -> dict[str, object]:
    """Return the body of a chat request."""
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hi."}], **more}


def request(
    body: object = None, *, method: str = "POST", path: str = "/v1/chat/completions", key: str | None = KEY
) -> Received:
    """Return a request as the wire would hand it on."""
    headers = (("authorization", f"Bearer {key}"),) if key is not None else ()
    data = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
    return Received(head=RequestHead(method=method, target=path, headers=headers), body=data, at=1.0)


def answer(received: Received, *, marker: str = "m1", persona: Persona = PERSONA, attempt: int = 0) -> Answer:
    """Return the OpenAI dialect's answer."""
    return OPENAI.answer(Call(request=received, marker=marker, attempt=attempt, created=1_700_000_000), persona)


def body_of(script: Script) -> bytes:
    """Return all bytes of the body."""
    return b"".join(op.data for op in script if isinstance(op, Send))


def tree_of(script: Script) -> dict[str, Any]:
    """Return the body of a whole answer."""
    return msgspec.json.decode(body_of(script), type=dict[str, Any])


def chunks_of(body: bytes) -> list[dict[str, Any]]:
    """Return the events of a stream, which must end with `[DONE]`."""
    decoder = SSEDecoder()
    events = [event.data for event in decoder.feed(body)]
    assert decoder.is_clean
    assert events[-1] == "[DONE]"
    return [msgspec.json.decode(each, type=dict[str, Any]) for each in events[:-1]]


def situation(*, attempt: int = 0, draw: float = 0.5, tokens: int = 12) -> Situation:
    """Return the circumstances of an attempt."""
    return Situation(attempt=attempt, tokens=tokens, voice=OPENAI, draw=lambda: draw)


def raw(body: object, *, path: str = "/v1/chat/completions", headers: Mapping[str, str] | None = None) -> bytes:
    """Return a request as bytes."""
    data = msgspec.json.encode(body)
    told = {"host": "alpha", "authorization": f"Bearer {KEY}", "content-length": str(len(data)), **(headers or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + data


async def reset_memory(stream: trio.abc.HalfCloseableStream) -> None:
    """Break a connection in memory off."""
    assert isinstance(stream, MemoryStream)
    stream.close(reset=True)
    await trio.lowlevel.checkpoint()


@asynccontextmanager
async def connected(behaviour: Behaviour = ok) -> AsyncGenerator[tuple[MemoryStream, Journal]]:
    """Serve one connection to a provider in memory; yield the client's end and the journal."""
    journal = Journal()
    provider = Provider(PERSONA, journal=journal, now=trio.current_time, wall=lambda: 1.7e9, behaviour=behaviour)
    near, far = memory_connection()
    async with trio.open_nursery() as nursery:

        async def serve() -> None:
            await serve_connection(far, provider, now=trio.current_time, reset=reset_memory, connection=7)

        nursery.start_soon(serve)
        yield near, journal
        nursery.cancel_scope.cancel()


async def read_all(stream: MemoryStream) -> bytes:
    """Return what comes until the end of the connection; a reset raises."""
    data = b""
    while piece := await stream.receive_some():
        data += piece
    return data
