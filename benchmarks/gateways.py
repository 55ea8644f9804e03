"""The gateways that `gateway.py` measures, each a process of its own, and the fake providers behind all of them."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
import msgspec
import trio
from hypercorn.config import Config
from hypercorn.trio import serve as hypercorn_serve  # pyright: ignore[reportUnknownVariableType]  # its WSGI half
from providers import served
from quart import Response, request
from quart_trio import QuartTrio

from routeproof_reference_server import load_config, serve
from routeproof_reference_server.config import ProviderConfig as Upstream
from routeproof_reference_server.operations.log import to_descriptor
from routeproof_simulator import FleetConfig, ProviderConfig, RunningFleet, serving_fleet
from routeproof_simulator.collector import collect_seldom

KEY = "sk-bench"  # of the providers
CLIENT_KEY = "th-local"  # of the reference, and of LiteLLM: of our own clients
TOKENS = 48  # with the role and the finish: 50 chunks of a stream
#: What each provider is called, and its pace in tokens a second; None: all at once.
PACES: dict[str, float | None] = {"fast": None, "paced": 20.0, "slow": 0.3}
#: A slow stream lasts for forty seconds, so that a thousand can be begun before the first has ended.
SLOW_TOKENS = 13
#: The model of the reference's default configuration that stands for each; it is served by that provider alone.
MODELS = {"fast": "gpt-4o", "paced": "claude-sonnet-4.5", "slow": "gpt-4o-mini"}
START = 90.0  #: seconds that LiteLLM may take to start; 15 to 25 are usual

Urls = dict[str, str]
Subject = tuple[int, int]  # process id and port


def serve_providers(tell: Connection) -> None:
    def behaviour(pace: float | None) -> list[dict[str, dict[str, Any]]]:
        return [] if pace is None else [{"pace": {"tokens_per_second": pace}}]

    async def main() -> None:
        providers = tuple(
            ProviderConfig(
                name=name, key=KEY, tokens=SLOW_TOKENS if name == "slow" else TOKENS, behaviour=behaviour(pace)
            )
            for name, pace in PACES.items()
        )
        async with serving_fleet(FleetConfig(providers=providers)) as fleet:
            collect_seldom()  # as `routeproof providers` does
            tell.send(_urls(fleet))
            await trio.sleep_forever()

    trio.run(main)


def _urls(fleet: RunningFleet) -> Urls:
    return {name: fleet.base_urls[name] for name in PACES}


def serve_reference(urls: Urls, tell: Connection) -> None:
    config = load_config(environ={})
    models = {each.name: each for each in config.models}
    config = msgspec.structs.replace(
        config,
        keys=tuple(each for each in config.keys if each.models is None and each.providers is None),
        providers=tuple(Upstream(name=name, base_url=url, api_key=KEY) for name, url in urls.items()),
        models=tuple(
            msgspec.structs.replace(
                models[model], deployments=(msgspec.structs.replace(models[model].deployments[0], provider=name),)
            )
            for name, model in MODELS.items()
        ),
    )

    class Ready:
        def started(self, value: str | None = None) -> None:
            assert value is not None
            collect_seldom()
            tell.send(httpx2.URL(value).port)

    # As `routeproof serve` does, with a log line for every request; they are written to nowhere.
    nowhere = to_descriptor(os.open(os.devnull, os.O_WRONLY))
    trio.run(partial(serve, config, port=0, sink=nowhere, task_status=Ready()))


def serve_relay(urls: Urls, tell: Connection) -> None:
    """Serve the least that the reference's libraries can do: read a request, hand it on, hand its answer back."""
    targets = {MODELS[name].encode(): f"{url}/chat/completions" for name, url in urls.items()}
    head = {"authorization": f"Bearer {KEY}", "content-type": "application/json", "accept-encoding": "identity"}
    limits = httpx2.Limits(max_connections=2000, max_keepalive_connections=2000)
    client = httpx2.AsyncClient(timeout=None, limits=limits, trust_env=False)
    app = QuartTrio("bare_relay")
    app.config["RESPONSE_TIMEOUT"] = None

    @app.post("/v1/chat/completions")
    async def relay() -> Response:  # pyright: ignore[reportUnusedFunction]  # Quart uses it
        body = await request.get_data(cache=False, as_text=False, parse_form_data=False)
        target = next(url for model, url in targets.items() if b'"%b"' % model in body)
        answer = await client.send(client.build_request("POST", target, content=body, headers=head), stream=True)
        kind = answer.headers["content-type"]
        if kind == "application/json":
            return Response(await answer.aread(), answer.status_code, content_type=kind)

        async def pieces() -> AsyncGenerator[bytes, None]:
            try:
                async for piece in answer.aiter_raw():
                    yield piece
            finally:
                await answer.aclose()

        return Response(pieces(), answer.status_code, content_type=kind)

    serve_app(app, tell)


def serve_floor(answer: bytes, tell: Connection) -> None:
    """Serve *answer*, whatever is asked: hypercorn alone, without a framework and without a provider."""
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                kind = (await receive())["type"]
                await send({"type": f"{kind}.complete"})
                if kind == "lifespan.shutdown":
                    return
        while (await receive()).get("more_body", False):
            pass
        await send(start)
        await send({"type": "http.response.body", "body": answer, "more_body": False})

    serve_app(app, tell)


def serve_app(app: Any, tell: Connection) -> None:
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    port = listening.getsockname()[1]
    settings = Config()
    settings.bind = [f"fd://{listening.detach()}"]
    settings.accesslog = None
    settings.errorlog = None
    settings.include_server_header = False

    class Ready:
        def started(self, value: object = None) -> None:
            del value
            collect_seldom()
            tell.send(port)

    trio.run(partial(hypercorn_serve, app, settings, task_status=Ready(), mode="asgi"))


@contextmanager
def litellm(command: Path, urls: Urls) -> Generator[Subject]:
    """Yield the process id and the port of a LiteLLM proxy, held still: no retries, no cooldowns, nothing fetched."""
    with TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
        config = Path(folder, "litellm.yaml")
        config.write_bytes(msgspec.yaml.encode(_litellm_config(urls)))
        probe.close()
        still = {
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_TELEMETRY": "False",
            "DISABLE_ADMIN_UI": "True",
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
            "LITELLM_LOG": "ERROR",
        }
        arguments = ["--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
        with subprocess.Popen(
            [str(command), *arguments],
            env={**os.environ, **still, "PYTHONPATH": ""},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                _await_health(f"http://127.0.0.1:{port}/health/liveliness", lambda: process.poll() is None)
                yield process.pid, port
            finally:
                process.terminate()


def _litellm_config(urls: Urls) -> dict[str, Any]:
    return {
        "model_list": [
            {
                "model_name": MODELS[name],
                "litellm_params": {
                    "model": f"openai/{MODELS[name]}",
                    "api_base": url,
                    "api_key": KEY,
                    "max_retries": 0,
                },
            }
            for name, url in urls.items()
        ],
        "router_settings": {"disable_cooldowns": True, "num_retries": 0},
        "litellm_settings": {"num_retries": 0, "telemetry": False},
        "general_settings": {"master_key": CLIENT_KEY},
    }


def _await_health(url: str, lives: Callable[[], bool]) -> None:
    until = time.monotonic() + START
    with httpx2.Client(trust_env=False, timeout=2) as client:
        while lives() and time.monotonic() < until:
            with suppress(httpx2.TransportError):
                if client.get(url).status_code == 200:
                    return
            time.sleep(0.2)
    raise RuntimeError(f"LiteLLM did not start within {START:.0f} s")


@contextmanager
def gateways(urls: Urls, command: Path | None) -> Generator[dict[str, Subject]]:
    """Yield every gateway that can be measured, by name, all in front of the same providers."""
    with served(partial(serve_reference, urls)) as reference, served(partial(serve_relay, urls)) as relay:
        ours = {"reference": reference, "bare relay": relay}
        if command is None:
            yield ours
        else:
            with litellm(command, urls) as peer:
                yield {**ours, "LiteLLM": peer}
