"""How the official clients are told of another provider than the one that they were made for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class _Client:
    """What one official client reads from the environment, and whether it adds the version to the URL by itself."""

    url: str
    key: str
    adds_version: bool


_OPENAI: Final = _Client(url="OPENAI_BASE_URL", key="OPENAI_API_KEY", adds_version=False)

_CLIENTS: Final[Mapping[str, _Client]] = {
    "azure": _Client(url="AZURE_OPENAI_ENDPOINT", key="AZURE_OPENAI_API_KEY", adds_version=True),
    "anthropic": _Client(url="ANTHROPIC_BASE_URL", key="ANTHROPIC_API_KEY", adds_version=True),
    "gemini": _Client(url="GOOGLE_GEMINI_BASE_URL", key="GOOGLE_API_KEY", adds_version=True),
}


def root_url(base_url: str) -> str:
    """Return *base_url* without its /v1."""
    return base_url.removesuffix("/v1")


def base_url(dialect: str, origin: str) -> str:
    """Return what a client of *dialect* is given as the address of the provider at *origin*: with /v1 for most."""
    return origin if _client(dialect).adds_version else f"{origin}/v1"


def environ(dialect: str, *, base_url: str, key: str) -> dict[str, str]:
    """Return the variables by which the official client of *dialect* finds the provider; OpenAI's for most."""
    client = _client(dialect)
    return {client.url: base_url, client.key: key}


def _client(dialect: str) -> _Client:
    return _CLIENTS.get(dialect, _OPENAI)
