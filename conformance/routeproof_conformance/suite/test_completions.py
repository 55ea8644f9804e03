"""Legacy completions."""

from __future__ import annotations

from typing import Final

import pytest

from routeproof_conformance.api import COMPLETION, MARK, Ask, Expect, Gateway, dig, items_of, parsed
from routeproof_conformance.vocabulary.shape import conform

#: Requests whose answers differ in shape, by what is special in them.
ASKS: Final[dict[str, Ask]] = {
    "plain": Ask(form=COMPLETION),
    "two choices": Ask(form=COMPLETION, body={"n": 2}),
    "two prompts": Ask(form=COMPLETION, body={"prompt": ["Zürich is", f"東京 is {MARK}"]}),
    "cut short": Ask(form=COMPLETION, body={"max_tokens": 1}),
    "log probabilities": Ask(form=COMPLETION, body={"logprobs": 2}),
}

asks = pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)


@pytest.mark.requirement("completions.response.shape")
@asks
async def test_answer_has_the_shape_of_a_completion(gateway: Gateway, expect: Expect, ask: Ask) -> None:
    """A whole answer is a `text_completion` with all that the contract lists, in the answer and in each choice."""
    seen = await gateway.send(ask)
    expect.success(seen)
    conform(expect, seen.json, "Completion", "an answer")


@pytest.mark.requirement("completions.choices.exact")
@asks
async def test_choices_are_the_providers(gateway: Gateway, expect: Expect, ask: Ask) -> None:
    """Every choice's text and finish reason are the provider's, unchanged."""
    seen = await gateway.send(ask)
    expect.success(seen)
    sent = said(parsed(seen.attempts[-1].body)) if seen.attempts else []
    expect(sent and said(seen.json) == sent, expected=f"the provider's choices {sent}", actual=said(seen.json))


def said(answer: object) -> list[tuple[object, ...]]:
    """Return what each choice says, in order of its index."""
    choices = items_of(dig(answer, "choices"))
    return sorted(
        (tuple(dig(choice, name) for name in ("index", "text", "finish_reason")) for choice in choices), key=str
    )
