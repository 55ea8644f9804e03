"""Providers that quote the gateway's key in what they answer, at every place where a gateway may hand it on."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Final, TypeAlias

from routeproof_conformance.ask import Ask
from routeproof_conformance.expect import Expect
from routeproof_conformance.forms import Form
from routeproof_conformance.gateway import Gateway
from routeproof_conformance.judge.outcome import Fact
from routeproof_conformance.providers import Providers
from routeproof_conformance.vocabulary.faults import BREATH_IN_TEXT, IN_TEXT
from routeproof_conformance.vocabulary.provider_errors import visible
from routeproof_simulator.behaviours import Behaviour, answer, error_in_200, fail, insert, stream_error

Quoting: TypeAlias = Callable[[str], Behaviour]


def _words(secret: str) -> str:
    return f"Incorrect API key provided: {secret}. Authorization was 'Bearer {secret}'."


#: Of whole answers and streams alike, before the first byte.
LEAKS: Final = MappingProxyType[str, Quoting](
    {
        "401": lambda secret: fail(401, message=_words(secret)),
        "400": lambda secret: fail(400, message=_words(secret)),
        "429": lambda secret: fail(429, message=_words(secret)),
        "503-words": lambda secret: fail(503, body=_words(secret), content_type="text/plain"),
        "error-in-200": lambda secret: error_in_200(_words(secret)),
        "words-in-200": lambda secret: answer(_words(secret)),
    }
)

#: Of streams, after the first byte.
STREAM_LEAKS: Final = MappingProxyType[str, Quoting](
    {
        "error-event": lambda secret: BREATH_IN_TEXT | stream_error(IN_TEXT + 1, message=_words(secret)),
        "broken-event": lambda secret: BREATH_IN_TEXT | insert(frames=IN_TEXT + 1, text=f"data: {_words(secret)}\n\n"),
    }
)


async def expect_kept(gateway: Gateway, providers: Providers, expect: Expect, form: Form, leak: Quoting) -> None:
    """A provider that quotes the gateway's key is asked, and no byte that the client sees holds the key."""
    chain = gateway.chain(1, form=form)
    secret = providers.secret(chain[0].provider)
    await providers.behave(chain[0].provider, leak(secret))
    seen = await gateway.send(Ask(form=form, chain=chain))
    if not any(secret.encode() in attempt.body for attempt in seen.attempts):
        raise Fact(f"no provider was asked that quoted the key: {seen.said}")
    actual = visible(seen).replace(secret, "<the key>")
    expect(secret not in visible(seen), expected="nothing of the gateway's key", actual=actual)
