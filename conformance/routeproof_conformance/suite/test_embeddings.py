"""Embeddings."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from routeproof_conformance.api import EMBEDDING, MARK, Ask, Expect, Gateway, dig, items_of, parsed
from routeproof_conformance.vocabulary.shape import conform
from routeproof_conformance.vocabulary.vectors import FLOAT_BYTES, are_close, decoded, numbers

#: An input in each of its forms, and how many vectors it is due. The numbers are tokens of words.
INPUTS: Final[dict[str, tuple[object, int]]] = {
    "a text": (f"A river. {MARK}", 1),
    "texts": (["A river.", "漢字 🚀", f"A town. {MARK}"], 3),
    "tokens": ([9906, 1917, 0], 1),
    "lists of tokens": ([[9906, 1917], [0], [1917, 9906]], 3),
}

inputs = pytest.mark.parametrize(("given", "count"), INPUTS.values(), ids=INPUTS)
formats = pytest.mark.parametrize("encoding", ["float", "base64"])


@pytest.mark.requirement("embeddings.response.shape")
@inputs
async def test_answer_has_an_entry_for_each_input(gateway: Gateway, expect: Expect, given: object, count: int) -> None:
    """An answer holds `object` `list`, `model`, `usage`, and in `data` an entry for each input, in its order."""
    seen = await gateway.send(Ask(form=EMBEDDING, body={"input": given}))
    expect.success(seen)
    conform(expect, seen.json, "CreateEmbeddingResponse", "an answer")
    found = [dig(entry, "index") for entry in items_of(seen.at("data"))]
    expect(found == list(range(count)), expected=f"entries with the indices {list(range(count))}", actual=found)


@pytest.mark.requirement("embeddings.input.forms")
@inputs
async def test_input_is_taken_in_every_form(gateway: Gateway, expect: Expect, given: object, count: int) -> None:
    """`input` is taken as a string, a list of strings, a list of tokens and a list of token lists."""
    seen = await gateway.send(Ask(form=EMBEDDING, body={"input": given}))
    expect.success(seen)
    found = len(items_of(seen.at("data")))
    expect(found == count, expected=f"{count} vectors", actual=f"{found}: {seen.said}")


@pytest.mark.requirement("embeddings.vector.exact")
@formats
async def test_vectors_are_the_providers(gateway: Gateway, expect: Expect, encoding: str) -> None:
    """Every vector is the provider's, number for number, in whichever encoding it was asked for."""
    texts = ["A river.", f"A town. {MARK}"]
    seen = await gateway.send(Ask(form=EMBEDDING, body={"input": texts, "encoding_format": encoding}))
    expect.success(seen)
    sent = vectors(parsed(seen.attempts[-1].body)) if seen.attempts else []
    found = vectors(seen.json)
    expect(len(sent) == len(texts), expected="a request for all texts at one provider", actual=len(sent))
    for index, (mine, theirs) in enumerate(zip(found, sent, strict=False)):
        expect(mine == theirs, expected=f"vector {index} as {theirs[:3]}…", actual=f"{mine[:3]}…")
    expect(len(found) == len(sent), expected=f"{len(sent)} vectors", actual=len(found))


@pytest.mark.requirement("embeddings.base64.float32")
async def test_base64_is_little_endian_float32(gateway: Gateway, expect: Expect) -> None:
    """With `encoding_format` `base64` an embedding is the base64 text of little-endian 32-bit floats."""
    ask = Ask(form=EMBEDDING, body={"input": "The sea is salty."})
    plain, packed = await gateway.together([in_format(ask, "float"), in_format(ask, "base64")])
    expect.success(plain)
    expect.success(packed)
    floats, text = numbers(plain.at("data", 0, "embedding")), packed.at("data", 0, "embedding")
    expect(isinstance(text, str), expected="a base64 text", actual=packed.said)
    width = len(decoded(str(text)))
    wanted = f"{FLOAT_BYTES * len(floats)} bytes, {FLOAT_BYTES} for each of {len(floats)} numbers"
    expect(floats and width == FLOAT_BYTES * len(floats), expected=wanted, actual=f"{width} bytes")
    found = numbers(text)
    expect(are_close(found, floats), expected=f"the same numbers, {floats[:3]}…", actual=f"{found[:3]}…")


def in_format(ask: Ask, encoding: str) -> Ask:
    """Return *ask* for vectors in that encoding."""
    return replace(ask, body={**ask.body, "encoding_format": encoding})


def vectors(answer: object) -> list[tuple[float, ...]]:
    """Return the numbers of every vector, in the order of the answer."""
    return [numbers(dig(entry, "embedding")) for entry in items_of(dig(answer, "data"))]
