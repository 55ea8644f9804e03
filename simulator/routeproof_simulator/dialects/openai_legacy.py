"""`POST /v1/completions` and `POST /v1/embeddings` (OpenAI API reference)."""

from __future__ import annotations

import base64
import struct
from typing import Any, Final

import msgspec
from msgspec import structs

from routeproof_simulator import text
from routeproof_simulator.dialects.completion import Choice, Wish, by_turns, choose
from routeproof_simulator.dialects.openai_refusals import RefusedError
from routeproof_simulator.dialects.openai_requests import (
    CompletionRequest,
    EmbeddingRequest,
    TokenIds,
    inputs,
)
from routeproof_simulator.dialects.openai_said import Spoken, Tails, in_json, origin
from routeproof_simulator.dialects.persona import Persona
from routeproof_simulator.script import Kind

MAX_TOKENS_DEFAULT: Final = 16  # OpenAI's default for the legacy endpoint
DIMENSIONS_DEFAULT: Final = 1536
DIMENSIONS_OF_LARGE: Final = 3072
CHOICES_MAX: Final = 2048


def spoken(request: CompletionRequest, persona: Persona, marker: str) -> Spoken:
    """Return what *persona* writes on after each prompt, `n` times each."""
    choices = _say(request, persona, marker)
    tokens = sum(len(choice.tokens) for choice in choices)
    choices = echoed(request, choices)
    made_by = origin(persona.seed, persona.name, request.model)
    if not request.stream:
        whole = [_choice(choice, choice.text, choice.tokens, request, choice.finish) for choice in choices]
        return Spoken(tokens=tokens, origin=made_by, choices=in_json(whole))
    tails = Tails(includes_usage=request.includes_usage)
    for choice, piece in by_turns(choices):
        tails.add(Kind.CONTENT, _choice(choice, piece, (piece,), request, None))
    for choice in choices:
        tails.add(Kind.FINISH, _choice(choice, "", (), request, choice.finish))
    return Spoken(tokens=tokens, origin=made_by, tails=tails.added(), includes_usage=request.includes_usage)


def _say(request: CompletionRequest, persona: Persona, marker: str) -> tuple[Choice, ...]:
    prompts = inputs(request.prompt)
    count = request.n or 1
    if len(prompts) * count > CHOICES_MAX:
        raise RefusedError(400, f"At most {CHOICES_MAX} choices may be asked for.", param="n")
    wish = Wish(
        seeds=(persona.seed, request.model, marker),
        provider=persona.name,
        tokens=persona.tokens,
        tokens_max=MAX_TOKENS_DEFAULT if request.max_tokens is None else request.max_tokens,
        stop=request.stops,
    )
    return tuple(choose(wish, index) for index in range(len(prompts) * count))


def echoed(request: CompletionRequest, choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
    """Return *choices* with their prompts before them, where `echo` asks for it; tokens have no text to echo."""
    if not request.echo:
        return choices
    prompts = inputs(request.prompt)
    count = request.n or 1

    def before(choice: Choice) -> Choice:
        prompt = prompts[choice.index // count]
        if not isinstance(prompt, str):
            return choice
        return structs.replace(choice, tokens=(prompt, *choice.tokens), text=prompt + choice.text)

    return tuple(map(before, choices))


def prompt_tokens(given: list[str | TokenIds]) -> int:
    """Return how many tokens the prompts or inputs count for."""
    return sum(text.count_tokens(each) if isinstance(each, str) else len(each) for each in given)


def embeddings(request: EmbeddingRequest) -> bytes:
    """Return the body that holds the vector of each input."""
    if request.encoding_format not in ("float", "base64"):
        raise RefusedError(400, "Invalid value for 'encoding_format'.", param="encoding_format", code="invalid_value")
    given = inputs(request.input)
    if any(not each for each in given):
        raise RefusedError(400, "Invalid 'input': an input must not be empty.", param="input")
    size = request.dimensions or (DIMENSIONS_OF_LARGE if request.model.endswith("-large") else DIMENSIONS_DEFAULT)
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(each, size, request.encoding_format)}
        for index, each in enumerate(given)
    ]
    counted = prompt_tokens(given)
    tree = {
        "object": "list",
        "data": data,
        "model": request.model,
        "usage": {"prompt_tokens": counted, "total_tokens": counted},
    }
    return msgspec.json.encode(tree)


def _vector(given: str | TokenIds, size: int, encoding: str) -> object:
    vector = text.unit_vector(given if isinstance(given, str) else repr(given), size)
    return base64.b64encode(struct.pack(f"<{size}f", *vector)).decode() if encoding == "base64" else vector


def _choice(
    choice: Choice, piece: str, pieces: tuple[str, ...], request: CompletionRequest, finish: str | None
) -> dict[str, Any]:
    return {
        "text": piece,
        "index": choice.index,
        "logprobs": None if request.logprobs is None else _logprobs(pieces, request.logprobs),
        "finish_reason": finish,
    }


def _logprobs(pieces: tuple[str, ...], count: int) -> dict[str, Any]:
    offsets: list[int] = []
    at = 0
    for piece in pieces:
        offsets.append(at)
        at += len(piece)
    ranked = [{(each if rank == 0 else f"{each}{rank}"): -0.125 - rank for rank in range(count)} for each in pieces]
    return {"tokens": pieces, "token_logprobs": [-0.125] * len(pieces), "top_logprobs": ranked, "text_offset": offsets}
