"""Chat completions, whole."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

import pytest

from routeproof_conformance.api import (
    CHAT,
    CHAT_STREAM,
    Ask,
    Expect,
    Form,
    Gateway,
    Providers,
    dig,
    items_of,
    parsed,
)
from routeproof_conformance.vocabulary.parameters import GROUPS
from routeproof_conformance.vocabulary.shape import conform
from routeproof_simulator.behaviours import answer

ID_PREFIX: Final = "chatcmpl-th-"
FINISH_REASONS: Final = ("stop", "length", "tool_calls", "content_filter")

#: Requests whose answers differ in shape, by what is special in them.
ASKS: Final[dict[str, Ask]] = {
    "plain": Ask(),
    "two choices": Ask(body={"n": 2}),
    "cut short": Ask(body={"max_tokens": 1}),
    "log probabilities": Ask(body={"logprobs": True, "top_logprobs": 2}),
    "a tool call": Ask(body=GROUPS["chat"]["tools"]),
    "structured": Ask(body=GROUPS["chat"]["structure"]),
}

asks = pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)


def choice(index: int, finish: str, **message: object) -> dict[str, object]:
    """Return a choice as a provider sends it."""
    return {"index": index, "message": {"role": "assistant", **message}, "finish_reason": finish, "logprobs": None}


def call(name: str, arguments: str) -> dict[str, object]:
    """Return a tool call as a provider sends it."""
    return {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": arguments}}


#: Answers that are rare and legal, by what is special in them.
RARE: Final[dict[str, list[dict[str, object]]]] = {
    "a refusal": [choice(0, "stop", content=None, refusal="I cannot help with that.")],
    "filtered": [choice(0, "content_filter", content="")],
    "several tool calls": [
        choice(0, "tool_calls", content=None, tool_calls=[call("one", '{ "a":1.0 }'), call("two", "{")])
    ],
    "text and a tool call": [choice(0, "tool_calls", content="Let me see.", tool_calls=[call("one", "{}")])],
    "odd characters": [choice(0, "stop", content="\u0000\u2028 <b>&amp;</b> \\u00e9 é 🏳️‍🌈 \ufeff \"'\r\n\t")],
    "choices in reverse": [choice(1, "length", content="One."), choice(0, "stop", content="Nought.")],
}


@pytest.mark.requirement("chat.response.shape")
@asks
async def test_answer_has_the_shape_of_a_chat_completion(gateway: Gateway, expect: Expect, ask: Ask) -> None:
    """A whole answer is a `chat.completion` with all that the contract lists, in the answer and in each choice."""
    seen = await gateway.send(ask)
    expect.success(seen)
    conform(expect, seen.json, "ChatCompletion", "an answer")
    for each in items_of(seen.at("choices")):
        reason = dig(each, "finish_reason")
        expect(reason in FINISH_REASONS, expected="finish_reason " + " or ".join(FINISH_REASONS), actual=reason)


@pytest.mark.requirement("chat.response.id")
@pytest.mark.parametrize("form", [CHAT, CHAT_STREAM], ids=str)
async def test_id_has_the_gateways_prefix(gateway: Gateway, expect: Expect, form: Form) -> None:
    """The answer's `id` begins with `chatcmpl-th-`, in every chunk of a stream too."""
    seen = await gateway.send(Ask(form=form))
    expect.success(seen)
    bodies = seen.chunks if form.stream else (seen.json,)
    expect(bodies, expected="at least one chunk before [DONE]", actual=seen.said)
    for body in bodies:
        found = dig(body, "id")
        expect(str(found).startswith(ID_PREFIX), expected=f"an id that begins with {ID_PREFIX}", actual=found)


@pytest.mark.requirement("chat.choices.count")
@pytest.mark.parametrize("n", [None, 1, 3], ids=lambda n: f"n={n}" if n else "no n")
async def test_as_many_choices_as_were_asked_for(gateway: Gateway, expect: Expect, n: int | None) -> None:
    """A whole answer holds as many choices as `n` says, one where it is left out, numbered from 0 without a gap."""
    seen = await gateway.send(Ask(body={} if n is None else {"n": n}))
    expect.success(seen)
    found = [dig(each, "index") for each in items_of(seen.at("choices"))]
    wanted = list(range(n or 1))
    expect(sorted(found, key=str) == wanted, expected=f"choices with the indices {wanted}", actual=found)


@pytest.mark.requirement("chat.choices.exact")
@asks
async def test_choices_are_the_providers(gateway: Gateway, expect: Expect, ask: Ask) -> None:
    """Every choice's message, finish reason and log probabilities are the provider's, unchanged."""
    seen = await gateway.send(ask)
    expect.success(seen)
    sent = said(parsed(seen.attempts[-1].body)) if seen.attempts else {}
    expect(sent and said(seen.json) == sent, expected=f"the provider's choices {sent}", actual=said(seen.json))


@pytest.mark.requirement("chat.choices.exact")
@pytest.mark.parametrize("choices", RARE.values(), ids=RARE)
async def test_rare_choices_are_the_providers_too(
    gateway: Gateway, providers: Providers, expect: Expect, choices: list[dict[str, object]]
) -> None:
    """What providers answer but seldom reaches the client unchanged too: refusals, several calls, odd characters."""
    link = gateway.chain(1)[0]
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "usage": usage}
    await providers.behave(link.provider, answer(json.dumps({**body, "choices": choices})))
    seen = await gateway.send(replace(Ask(), model=link.model))
    expect.success(seen)
    sent = said({"choices": choices})
    expect(said(seen.json) == sent, expected=f"the provider's choices {sent}", actual=said(seen.json))


def said(body: object) -> dict[object, object]:
    """Return what each choice says, by its index; what is null counts as absent, for it means the same."""
    return {
        dig(each, "index"): [
            dig(each, *path)
            for path in (
                ("message", "content"),
                ("message", "refusal"),
                ("message", "tool_calls"),
                ("finish_reason",),
                ("logprobs",),
            )
        ]
        for each in items_of(dig(body, "choices"))
    }
