"""What a model would have said: the completion, before any API gives it its form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from routeproof_simulator import text
from routeproof_simulator.dialects.sample import sample

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls"]


class Tool(Struct, frozen=True, kw_only=True):
    """A function that the model may call; *parameters* is a JSON Schema."""

    name: str
    parameters: dict[str, Any]


class Wish(Struct, frozen=True, kw_only=True):
    """What the client wants said, whatever API it used to say so."""

    seeds: tuple[str, ...]
    provider: str
    tokens: int  # of an ordinary answer
    tokens_max: int | None = None
    stop: tuple[str, ...] = ()
    tool: Tool | None = None  # the one to call
    schema: dict[str, Any] | None = None  # answer in JSON that fits this schema


class Choice(Struct, frozen=True, kw_only=True, gc=False):
    """One of the answers asked for: pieces of text, or of a tool's arguments."""

    index: int
    tokens: tuple[str, ...]
    text: str  # all pieces joined
    finish: FinishReason
    tool: str | None = None  # its name, where the pieces are its arguments


def choose(wish: Wish, index: int) -> Choice:
    """Return the *index*-th answer to *wish*."""
    seeds = (*wish.seeds, str(index))
    if wish.tool is None and wish.schema is None:
        return _said(index, wish.provider, wish.tokens, wish.tokens_max, wish.stop, seeds)
    schema = wish.schema if wish.tool is None else wish.tool.parameters
    pieces = _spelled(sample(schema, said=_phrase(wish, seeds)))
    if wish.tool is None:
        return _ended(index, _stopped(pieces, wish.stop), wish.tokens_max)
    return _ended(index, pieces, wish.tokens_max, tool=wish.tool.name)


# Requests without a marker are answered alike, however many there are.
@lru_cache(maxsize=256)
def _said(
    index: int, provider: str, tokens: int, tokens_max: int | None, stop: tuple[str, ...], seeds: tuple[str, ...]
) -> Choice:
    return _ended(index, _stopped(text.tokens(provider, tokens, *seeds), stop), tokens_max)


def _ended(index: int, pieces: tuple[str, ...], tokens_max: int | None, *, tool: str | None = None) -> Choice:
    """Return the answer that says *pieces*, as many of them as it may."""
    finish: FinishReason = "stop" if tool is None else "tool_calls"
    if tokens_max is not None and len(pieces) > tokens_max:
        pieces, finish = pieces[:tokens_max], "length"
    return Choice(index=index, tokens=pieces, text="".join(pieces), finish=finish, tool=tool)


def by_turns(choices: Sequence[Choice]) -> Iterator[tuple[Choice, str]]:
    """Yield the tokens of *choices* as a stream tells them: one of each choice, then the next of each."""
    for turn in range(max((len(choice.tokens) for choice in choices), default=0)):
        for choice in choices:
            if turn < len(choice.tokens):
                yield choice, choice.tokens[turn]


def _phrase(wish: Wish, seeds: Sequence[str]) -> str:
    return "".join(text.tokens(wish.provider, 6, *seeds))


def _spelled(value: object) -> tuple[str, ...]:
    return text.split_into_tokens(msgspec.json.encode(value).decode())


def _stopped(pieces: tuple[str, ...], stop: Sequence[str]) -> tuple[str, ...]:
    """Return *pieces* up to where the first of *stop* begins in their joint text."""
    if not stop:
        return pieces
    whole = "".join(pieces)
    found = [at for word in stop if word and (at := whole.find(word)) >= 0]
    if not found:
        return pieces
    left = min(found)
    kept: list[str] = []
    for piece in pieces:
        if left <= 0:
            break
        kept.append(piece[:left])
        left -= len(piece)
    return tuple(kept)
