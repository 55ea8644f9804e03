"""The gateway in memory, in front of scripted providers, on a virtual clock."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, TypeAlias, cast

import httpx2
import msgspec

from routeproof_reference_server import create_app, load_config
from routeproof_reference_server.config import GatewayConfig
from routeproof_reference_server.routing import RoutingConfig
from routeproof_simulator.world.asgi_transport import ASGIApp, serving_app
from routeproof_spec.sse import Event, SSEDecoder
from tests.reference_server.scripted import Reply, ScriptedProviders, whole

CONFIG = load_config(environ={})
KEY = {"authorization": "Bearer th-local"}
PORTS = {8701: "alpha", 8702: "beta", 8703: "gamma"}
WALL = 1_800_000_000.0

Tree: TypeAlias = dict[str, Any]  # JSON, as a test looks into it


def chat(model: str | None = "gpt-4o", **fields: object) -> Tree:
    """A chat request."""
    named = {} if model is None else {"model": model}
    return {**named, "messages": [{"role": "user", "content": "Say hi."}], **fields}


def routed(**routing: Any) -> GatewayConfig:
    """The default configuration with other settings of routing."""
    return msgspec.structs.replace(CONFIG, routing=msgspec.structs.replace(RoutingConfig(), **routing))


@asynccontextmanager
async def gateway(
    replies: dict[str, Sequence[Reply]] | None = None, *, config: GatewayConfig = CONFIG, **seams: Any
) -> AsyncGenerator[tuple[httpx2.AsyncClient, ScriptedProviders]]:
    """Yield a client of the gateway and its providers, which answer well unless *replies* says otherwise."""
    providers = ScriptedProviders({name: (replies or {}).get(name, [whole()]) for name in PORTS.values()}, ports=PORTS)
    usual: Tree = {"network": providers, "rng": Random(1), "wall": lambda: WALL}
    app = create_app(config, **usual | seams)
    async with (
        serving_app(cast("ASGIApp", app)) as transport,
        httpx2.AsyncClient(transport=transport, base_url="http://gateway.test/v1", headers=KEY, timeout=None) as client,
    ):
        yield client, providers
        assert transport.crashes == []


def events(body: bytes) -> list[Event]:
    """The events of a stream that is over."""
    decoder = SSEDecoder()
    found = list(decoder.feed(body))
    assert decoder.is_clean
    return found


def failure(response: httpx2.Response) -> tuple[int, str, str]:
    """The status, type and code of an error."""
    error = response.json()["error"]
    assert error["message"]
    return response.status_code, error["type"], error["code"]
