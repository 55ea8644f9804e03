"""Ways in which a provider fails a request before the first byte of its answer is of any use."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from routeproof_conformance.providers import Providers
from routeproof_simulator.behaviours import (
    Behaviour,
    bad_json,
    empty,
    error_in_200,
    fail,
    reset,
    wrong_content_type,
)

#: What the provider does, by what happens then.
FAILURES: Final = MappingProxyType(
    {
        "a provider's 500": fail(500),
        "a provider's 502 in HTML": fail(502, body="<html><h1>Bad gateway</h1></html>", content_type="text/html"),
        "a provider's 503": fail(503),
        "a provider's 401": fail(401),
        "a provider's 404": fail(404),
        "a provider's 429": fail(429),
        "a connection reset before the answer": reset(before="headers"),
        "an answer of broken JSON": bad_json(),
        "an answer of the wrong content type": wrong_content_type(),
        "an empty answer": empty(),
        "an error with status 200": error_in_200(),
    }
)

REFUSED: Final = "a connection refused"


async def inflict(providers: Providers, name: str, failure: Behaviour | str) -> None:
    """Let provider *name* fail so: a behaviour, or `REFUSED`."""
    if isinstance(failure, str):
        await providers.door(name, "refused")
    else:
        await providers.behave(name, failure)
