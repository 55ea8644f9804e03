"""The tokens that a provider said an answer took."""

from __future__ import annotations

from typing import Final

import msgspec

from routeproof_spec.errors import NOT_JSON


class Tokens(msgspec.Struct, frozen=True):
    """What OpenAI's `usage` counts, as far as people are billed for it."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


_DECODER: Final = msgspec.json.Decoder(Tokens | None)
_NONE: Final = Tokens()


def tokens(usage: msgspec.Raw | None) -> Tokens:
    """Return what *usage* counts; nothing where the provider told none, or told it in words of its own."""
    if usage is None:
        return _NONE
    try:
        return _DECODER.decode(usage) or _NONE
    except NOT_JSON:
        return _NONE
