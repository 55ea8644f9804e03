"""The tokens that a provider said an answer took."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from routeproof_spec.errors import NOT_JSON

#: Beyond it no answer has tokens: who tells more, or fewer than none, has told nothing.
TOKENS_MAX: Final = 1_000_000_000

_Count = Annotated[int, msgspec.Meta(ge=0, le=TOKENS_MAX)]


class Tokens(msgspec.Struct, frozen=True):
    """What OpenAI's `usage` counts, as far as people are billed for it."""

    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None


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
