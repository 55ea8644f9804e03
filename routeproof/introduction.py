"""What `routeproof providers` tells a newcomer: who is there, a first request that works, and how to break things."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from routeproof_simulator.access import root_url
from routeproof_simulator.fleet import FleetConfig, ProviderConfig, RunningFleet

MODELS_SHOWN: Final = 4

_MESSAGES: Final = [{"role": "user", "content": "Say hello."}]


def introduction(config: FleetConfig, fleet: RunningFleet) -> str:
    """Return what to print once the *fleet* of *config* is served."""
    return "\n".join(_lines(config, fleet))


def _lines(config: FleetConfig, fleet: RunningFleet) -> Iterator[str]:
    count = len(config.providers)
    yield f"{count} fake provider{'' if count == 1 else 's'}, healthy until told otherwise.\n"
    yield from _table(config, fleet)
    first = config.providers[0]
    yield f"\n  Page  {fleet.control_url}/   break them by a click, and watch the traffic"
    yield f"  API   {fleet.control_url}/openapi.json   and {fleet.control_url}/metrics for Prometheus\n"
    if any(each.tls for each in config.providers):
        yield f"  CA    {fleet.control_url}/ca.pem   the authority that clients of https have to trust\n"
    yield "Ask one:\n"
    yield _curl(_question(first, fleet))
    yield "\nBreak it for a minute:\n"
    broken = json.dumps({"behaviour": {"fail": {"status": 503}}, "ttl": 60})
    yield _curl(
        [
            f"curl -X PUT {fleet.control_url}/providers/{first.name}/behaviour",
            "-H 'Content-Type: application/json'",
            f"-d '{broken}'",
        ]
    )
    yield "\nPoint your gateway at the addresses above. Stop with Ctrl-C."


def _table(config: FleetConfig, fleet: RunningFleet) -> Iterator[str]:
    rows = [("provider", "dialect", "base URL", "key", "models")]
    rows += [
        (each.name, each.dialect, fleet.base_urls[each.name], each.key, _models(each)) for each in config.providers
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  " + "  ".join((*cells, row[-1])).rstrip()


def _models(provider: ProviderConfig) -> str:
    shown = ", ".join(provider.models[:MODELS_SHOWN])
    more = len(provider.models) - MODELS_SHOWN
    return f"{shown}, {more} more" if more > 0 else shown or "any"


def _question(provider: ProviderConfig, fleet: RunningFleet) -> list[str]:
    """Return the parts of a command that asks *provider* as its dialect wants to be asked."""
    origin = root_url(fleet.base_urls[provider.name])
    model = provider.models[0] if provider.models else "any-model"
    body: dict[str, object] = {"model": model, "messages": _MESSAGES}
    match provider.dialect:
        case "anthropic":
            path, headers = "/v1/messages", [f"x-api-key: {provider.key}", "anthropic-version: 2023-06-01"]
            body["max_tokens"] = 64
        case "gemini":
            path, headers = f"/v1beta/models/{model}:generateContent", [f"x-goog-api-key: {provider.key}"]
            body = {"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}]}
        case "azure":
            path = f"/openai/deployments/{model}/chat/completions?api-version=2024-10-21"
            headers = [f"api-key: {provider.key}"]
        case _:
            path, headers = "/v1/chat/completions", [f"Authorization: Bearer {provider.key}"]
    told = " ".join(f"-H '{header}'" for header in (*headers, "Content-Type: application/json"))
    insecure = " --insecure" if provider.tls else ""  # its certificate is of this run alone
    return [f"curl{insecure} '{origin}{path}'", told, f"-d '{json.dumps(body)}'"]


def _curl(parts: list[str]) -> str:
    return "  " + " \\\n    ".join(parts)
