"""What a model would have said: the completion, before any API gives it its form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec

from routeproof_simulator import text
from routeproof_simulator.dialects.sample import sample

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function that the model may call; *parameters* is a JSON Schema."""

    name: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the client wants said, whatever API it used to say so."""

    seeds: tuple[str, ...]
    provider: str
    tokens: int  # of an ordinary answer
    tokens_max: int | None = None
    stop: tuple[str, ...] = ()
    tool: Tool | None = None  # the one to call
    schema: dict[str, Any] | None = None  # answer in JSON that fits this schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of the answers asked for: pieces of text, or of a tool's arguments."""

    index: int
    tokens: tuple[str, ...]
    finish: FinishReason
    tool: str | None = None  # its name, where the pieces are its arguments

    @property
    def text(self) -> str:
        """All pieces joined."""
        return "".join(self.tokens)


def choose(wish: Wish, index: int) -> Choice:
    """Return the *index*-th answer to *wish*."""
    seeds = (*wish.seeds, str(index))
    if wish.tool is not None:
        arguments = sample(wish.tool.parameters, said=_phrase(wish, seeds))
        pieces = _spelled(arguments)
    elif wish.schema is not None:
        pieces = _stopped(_spelled(sample(wish.schema, said=_phrase(wish, seeds))), wish.stop)
    else:
        pieces = _stopped(text.tokens(wish.provider, wish.tokens, *seeds), wish.stop)
    cut = pieces[: wish.tokens_max]
    if len(cut) < len(pieces):
        return Choice(index=index, tokens=cut, finish="length", tool=None if wish.tool is None else wish.tool.name)
    if wish.tool is not None:
        return Choice(index=index, tokens=cut, finish="tool_calls", tool=wish.tool.name)
    return Choice(index=index, tokens=cut, finish="stop")


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
