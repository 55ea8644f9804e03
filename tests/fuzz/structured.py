"""Requests that Hypothesis makes up, of JSON that is nearly or wholly wrong, asked of the app in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any, Final, cast

import httpx2
import msgspec
import trio
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from routeproof_reference_server import create_app
from routeproof_simulator.world.asgi_transport import ASGIApp, ASGITransport, serving_app
from tests.fuzz.subject import NO_BREAKER
from tests.reference_server.gateway import CONFIG, KEY, PORTS, WALL, Tree
from tests.reference_server.scripted import DONE, HI, ROLE, STOP, Reply, ScriptedProviders, streamed, whole

SECONDS_MAX: Final = 10.0
PATHS: Final = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models", "/v1/models/{}", "/{}")
MODELS: Final = ("gpt-4o", "alpha/gpt-4o", "auto", "premium", "gpt-3.5-turbo-instruct", "text-embedding-3-small", "")
FIELDS: Final = (
    *("model", "messages", "prompt", "input", "stream", "stream_options", "tools", "tool_choice", "n", "user", "seed"),
    *(
        "temperature",
        "top_p",
        "max_tokens",
        "max_completion_tokens",
        "stop",
        "metadata",
        "response_format",
        "logit_bias",
    ),
    *("role", "content", "type", "function", "name", "parameters", "encoding_format", "dimensions", "include_usage"),
)
NAMES: Final = (
    "authorization",
    "x-inferoute-strategy",
    "x-inferoute-fallback",
    "content-type",
    "x-request-id",
    "accept",
)

#: What an operation cannot do without.
GOOD: Final[dict[str, dict[str, object]]] = {
    "/v1/chat/completions": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi."}]},
    "/v1/completions": {"model": "gpt-3.5-turbo-instruct", "prompt": "Hi."},
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": "Hi."},
}

_text = st.text(max_size=20) | st.sampled_from(
    ("a\r\nX-Injected: yes", "\0", "\u2028", "cost", "user", "[DONE]", *MODELS)
)
_leaf = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _text
_names = st.sampled_from(FIELDS) | _text
_json: st.SearchStrategy[Any] = st.recursive(
    _leaf, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_names, inner, max_size=4), max_leaves=12
)
_message = st.fixed_dictionaries(
    {"role": st.sampled_from(("user", "system", "assistant", "tool")) | _leaf, "content": _text | _json}
)
_near = st.fixed_dictionaries(
    {"model": st.sampled_from(MODELS) | _leaf},
    optional={
        "messages": st.lists(_message, max_size=3) | _json,
        "prompt": _json,
        "input": _json,
        "stream": st.booleans() | _leaf,
        "n": st.integers(-2, 200) | _leaf,
        "temperature": st.floats(-1, 3) | _leaf,
        "tools": _json,
        "stop": _json,
        "user": _text,
        "metadata": _json,
        "stream_options": _json,
        "response_format": _json,
        "max_tokens": _leaf,
    },
)
#: Sound as far as the contract knows it: whatever else is in it is the provider's to judge.
_good = st.fixed_dictionaries(
    {},
    optional={
        "stream": st.booleans(),
        "n": st.integers(1, 4),
        "temperature": st.floats(0, 2),
        "user": _text,
        "stream_options": st.fixed_dictionaries({"include_usage": st.booleans()}),
        "unknown": _json,
        "\r\nX-Injected": _json,
    },
)
_value = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, blacklist_characters="\x7f"), max_size=40)
_headers = st.dictionaries(st.sampled_from(NAMES), _value | st.sampled_from((KEY["authorization"], "cost")), max_size=3)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, dict[str, str], Any]:
    """A method, a path, headers and a body."""
    path = draw(st.sampled_from(PATHS[:3]) | st.sampled_from(PATHS))
    segment = draw(_text).encode("utf-8", "replace")
    path = path.format("".join(f"%{byte:02x}" for byte in segment))
    method: str = "GET" if "models" in path else "POST"
    if not draw(st.integers(0, 15)):
        method = draw(st.sampled_from(("POST", "GET", "PUT", "OPTIONS", "HEAD")))
    headers: dict[str, str] = {**draw(_headers)}
    if draw(st.integers(0, 9)):
        headers |= KEY
    body = draw(st.sampled_from((_good, _near, _json | st.binary(max_size=40))).flatmap(lambda kind: kind))
    if draw(st.integers(0, 3)) and isinstance(body, dict):
        body = {**cast("Tree", body), **GOOD.get(path, {})}
    return method, path, headers, body


def run_structured(*, number: int, of_seed: int) -> Counter[int]:
    """Ask *number* requests; return how often each status was answered. Raises what Hypothesis found, made small."""
    return trio.run(_main, number, of_seed)


async def _main(number: int, of_seed: int) -> Counter[int]:
    statuses: Counter[int] = Counter()
    answers: dict[str, Sequence[Reply]] = {
        name: [whole(), streamed(ROLE, HI, STOP, DONE)] * (number + 1) for name in PORTS.values()
    }
    providers = ScriptedProviders(answers, ports=PORTS)
    app = create_app(
        msgspec.structs.replace(CONFIG, breaker=NO_BREAKER), network=providers, rng=Random(of_seed), wall=lambda: WALL
    )
    async with (
        serving_app(cast("ASGIApp", app)) as transport,
        httpx2.AsyncClient(transport=transport, base_url="http://gateway.test", timeout=None) as client,
    ):
        before = trio.lowlevel.current_statistics().tasks_living
        await trio.to_thread.run_sync(_search, number, of_seed, client, transport, statuses)
        providers.seen.clear()
        assert trio.lowlevel.current_statistics().tasks_living == before
    return statuses


def _search(
    number: int, of_seed: int, client: httpx2.AsyncClient, transport: ASGITransport, statuses: Counter[int]
) -> None:
    @seed(of_seed)
    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large),
    )
    @given(requests())
    def search(request: tuple[str, str, dict[str, str], Any]) -> None:
        response = trio.from_thread.run(_asked, client, *request)
        statuses[response.status_code] += 1
        assert response.status_code != 500
        assert not any("injected" in name for name in response.headers)
        assert transport.crashes == []

    search()


async def _asked(
    client: httpx2.AsyncClient, method: str, path: str, headers: dict[str, str], body: Any
) -> httpx2.Response:
    raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    content = body if isinstance(body, bytes) else None
    with trio.fail_after(SECONDS_MAX):
        if content is not None:
            return await client.request(method, path, headers=raw, content=content)
        return await client.request(method, path, headers=raw, json=body)
