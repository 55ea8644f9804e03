"""What a request will cost, before it is answered: read from its body, never too exact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

import msgspec

from routeproof_reference_server.limits.month import Amount
from routeproof_reference_server.limits.rules import cost
from routeproof_reference_server.routing.catalogue import Deployment
from routeproof_spec.errors import NOT_JSON

BYTES_PER_TOKEN: Final = 4  # OpenAI's rule of thumb for English text; JSON around it makes it an upper bound for most
ASKED: Final = ("messages", "prompt", "input", "tools", "functions", "response_format")
PROMPT: Final = "prompt"
ANSWER_LIMITS: Final = ("max_completion_tokens", "max_tokens")  # by what clients bound an answer

_Value = TypeVar("_Value")

_PROMPTS: Final = msgspec.json.Decoder(str | list[str | int | list[int]] | None)
_NUMBER: Final = msgspec.json.Decoder(int | float | None)


def max_tokens(fields: Mapping[str, msgspec.Raw]) -> tuple[str, int] | None:
    """Return the field that bounds one answer, and its number: the larger one of two; None where there is none."""
    named = [(name, _number(fields, name)) for name in ANSWER_LIMITS]
    given = [(name, number) for name, number in named if number is not None]
    return max(given, key=lambda each: each[1], default=None)


def prompt_tokens(fields: Mapping[str, msgspec.Raw]) -> int:
    """Return how many tokens are asked with, roughly."""
    asked = sum(len(bytes(fields[name])) for name in ASKED if name in fields)
    return -(-asked // BYTES_PER_TOKEN)


def estimate(
    fields: Mapping[str, msgspec.Raw], deployments: Iterable[Deployment], *, answers: bool, completion: int
) -> Amount:
    """Return what a request with *fields* may cost at the dearest of *deployments*.

    An answer, where there is one (*answers*), counts for what its request allows, else for *completion* tokens.
    """
    prompt = prompt_tokens(fields)
    bound = max_tokens(fields)
    each = completion if bound is None else bound[1]
    answered = each * _answers(fields) if answers else 0
    spend = max((cost(deployment, prompt, answered) for deployment in deployments), default=0)
    return Amount(prompt + answered, spend)


def _answers(fields: Mapping[str, msgspec.Raw]) -> int:
    """Return how many answers are made: `n` or `best_of`, the larger one, for each prompt of a list."""
    each = max(_number(fields, "n") or 1, _number(fields, "best_of") or 1)
    match _read(_PROMPTS, fields, PROMPT):
        case [str() | list(), *_] as prompts:
            return each * len(prompts)
        case _:  # one, as a text or as tokens
            return each


def _number(fields: Mapping[str, msgspec.Raw], name: str) -> int | None:
    number = _read(_NUMBER, fields, name)
    return None if number is None else int(number)


def _read(decoder: msgspec.json.Decoder[_Value], fields: Mapping[str, msgspec.Raw], name: str) -> _Value | None:
    """Return what the field holds; None where it is not there, or is a field of that name of somebody else's.

    The contract's schema has seen the fields that it knows; `prompt` in a chat is none of them, and passes through.
    """
    try:
        return decoder.decode(fields[name]) if name in fields else None
    except NOT_JSON:
        return None
