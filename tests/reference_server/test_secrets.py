"""Secrets are planted, everything that can be done is done, and all that came out anywhere is searched for them."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import httpx2
import msgspec
import pytest
import trio

import routeproof_reference_server
from routeproof_conformance.launch import free_port
from routeproof_reference_server import serve
from routeproof_reference_server.auth import KeyRing
from routeproof_reference_server.config import (
    GatewayConfig,
    KeyConfig,
    LedgerConfig,
    LogConfig,
    LogLevel,
    OperationsConfig,
)
from routeproof_reference_server.errors import GatewayError
from tests.reference_server.edge import CONFIG
from tests.reference_server.gateway import WALL, chat
from tests.reference_server.scripted import DONE, HI, ROLE, STOP, whole

CLIENT = "th-planted-client-Zq7yXw93"
STRANGER = "th-planted-stranger-Kd82Lm"
PROVIDER = "planted-provider-Vb31Rt66"  # of no shape that a pattern knows
TENANT = "planted-tenant-Hn45"
WHOLE = b"".join(each for each in whole().body if isinstance(each, bytes))


@dataclass(slots=True)
class Echo:
    """Answers with *statuses* in turn and says all that it was told, in its text and in its headers."""

    statuses: Sequence[int]
    seen: bytearray = field(default_factory=bytearray)
    asked: int = 0

    async def handle(self, stream: trio.SocketStream) -> None:
        request = await stream.receive_some()
        self.seen += request
        status = self.statuses[self.asked % len(self.statuses)]
        self.asked += 1
        said = request.partition(b"\r\n\r\n")[0].decode("latin-1")
        body = msgspec.json.encode({"error": {"message": f"Refused: {said}\r\nX-Injected: {PROVIDER}"}})
        kind = b"application/json"
        if status == 200 and b'"stream":true' in request:
            kind, body = b"text/event-stream", ROLE + HI + b"data: " + body + b"\n\n" + STOP + DONE
        elif status == 200:
            body = WHOLE
        head = b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nX-Echo: %b\r\n" % (
            status,
            PROVIDER.encode(),
            kind,
            PROVIDER.encode(),
        )
        await stream.send_all(head + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def planted(port: int, *, operations: int = 0, ledger: str = "") -> GatewayConfig:
    url = f"http://127.0.0.1:{port}/{TENANT}/v1"
    providers = [msgspec.structs.replace(each, base_url=url, api_key=PROVIDER) for each in CONFIG.providers]
    key = KeyConfig(name="somebody", sha256=hashlib.sha256(CLIENT.encode()).hexdigest())
    return msgspec.structs.replace(
        CONFIG,
        providers=tuple(providers),
        keys=(key,),
        log=LogConfig(level=LogLevel.DEBUG),
        operations=OperationsConfig(port=operations),
        ledger=LedgerConfig(path=ledger),
    )


async def everything(base_url: str) -> bytes:
    """Ask whatever can be asked; return every byte that came back."""
    told = bytearray()
    forms: list[dict[str, Any]] = [{}, {"stream": True}, {"model": "nobody"}, {"temperature": 9}, {"messages": CLIENT}]
    async with httpx2.AsyncClient(base_url=base_url, timeout=10.0) as client:
        for key in (CLIENT, STRANGER):
            headers = {"authorization": f"Bearer {key}"}
            for _ in range(8):
                for form in forms:
                    more = {"x-inferoute-fallback": "alpha/gpt-4o", "cookie": key}
                    response = await client.post("/chat/completions", json=chat(**form), headers={**headers, **more})
                    told += repr(response.headers.raw).encode() + response.content
            for path in ("/models", f"/models/{key}", f"/{key}"):
                response = await client.get(path, headers=headers)
                told += repr(response.headers.raw).encode() + response.content
            response = await client.post("/chat/completions", headers=headers, content=b'{"' + key.encode())
            told += response.content
    return bytes(told)


async def scraped(port: int) -> bytes:
    """Return the page of metrics."""
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10.0) as client:
        return (await client.get("/metrics")).content


@pytest.mark.end_to_end
def test_no_secret_comes_out_anywhere(tmp_path: Path) -> None:
    log = bytearray()
    provider = Echo(statuses=(200, 401, 400, 429, 500, 503, 302))

    async def main() -> tuple[bytes, bytes]:
        async with trio.open_nursery() as nursery:
            start = partial(trio.serve_tcp, provider.handle, 0, host="127.0.0.1")
            listeners: list[trio.SocketListener] = await nursery.start(start)
            operations = free_port()
            at = listeners[0].socket.getsockname()[1]
            config = planted(at, operations=operations, ledger=str(tmp_path / "ledger.db"))
            base_url: str = await nursery.start(partial(serve, config, port=0, sink=log.extend))
            told = await everything(base_url)
            metrics = await scraped(operations)
            nursery.cancel_scope.cancel()
        return told, metrics

    told, metrics = trio.run(main)
    written = b"".join(each.read_bytes() for each in sorted(tmp_path.iterdir()))
    assert b"Refused" in told  # the providers' texts were told,
    assert b"somebody" in log  # the log was written,
    assert b"somebody" in written  # the ledger too,
    assert b"routeproof_gateway_requests" in metrics  # and all of it was counted
    for secret in (PROVIDER, TENANT, STRANGER, CLIENT):
        assert secret.encode() not in written + metrics, secret
    own = told.replace(f"'{CLIENT}'".encode(), b"")  # but for what a client is told of its own model's name
    for secret in (PROVIDER, TENANT, STRANGER):
        assert secret.encode() not in own.replace(f"'{STRANGER}'".encode(), b""), secret
        assert secret.encode() not in log, secret
    assert CLIENT.encode() not in log
    assert b"x-injected" not in told.lower().replace(b"x-injected: [removed]", b"")
    assert b"Bearer " + PROVIDER.encode() in provider.seen
    for secret in (STRANGER, CLIENT):
        assert f"Bearer {secret}".encode() not in provider.seen
        assert b"ookie" not in provider.seen


def test_a_configuration_does_not_show_its_keys() -> None:
    assert PROVIDER not in repr(planted(1))


# Which key was near


KEYS = [KeyConfig(name=f"k{n}", sha256=hashlib.sha256(f"th-known-{n}".encode()).hexdigest()) for n in range(20)]


GATEWAY = str(Path(routeproof_reference_server.__file__).parent)


def lines_of(ring: KeyRing, key: str) -> list[tuple[CodeType, int]]:
    """The gateway's lines that are run, in their order, to find out whose *key* is."""
    run: list[tuple[CodeType, int]] = []

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if not frame.f_code.co_filename.startswith(GATEWAY):
            return None  # pytest's, or what the garbage collector calls in between
        if event == "line":
            run.append((frame.f_code, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with pytest.raises(GatewayError):
            ring.caller([f"Bearer {key}"], WALL)
    finally:
        sys.settrace(before)
    return run


@pytest.mark.parametrize("near", ["th-known-1x", "th-known-", "th-known-2", "th-nnown-19", "x"])
def test_a_key_that_is_nearly_right_is_refused_by_the_same_steps_as_any_other(near: str) -> None:
    ring = KeyRing([msgspec.structs.replace(each) for each in KEYS if each.name != "k2"])
    steps = lines_of(ring, near)
    assert len(steps) > len(KEYS)  # each of them was compared
    assert steps == lines_of(ring, "th-of-somebody-else")
