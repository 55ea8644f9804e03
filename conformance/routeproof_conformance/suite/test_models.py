"""How a model is named, listed, and told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Final
from urllib.parse import quote

import pytest

from routeproof_conformance.api import (
    CHAT,
    CHAT_STREAM,
    FORMS,
    Ask,
    Expect,
    Form,
    Gateway,
    NotApplicable,
    NotDeclared,
    NotTestable,
    Observed,
    Pools,
    Providers,
    Raw,
    Target,
    dig,
    fields_of,
    items_of,
    request_json,
)
from routeproof_conformance.vocabulary.shape import conform
from routeproof_simulator.behaviours import fail
from routeproof_spec.contract import load_contract

MODELS: Final = Raw(method="GET", path="/models")
CAPABILITIES: Final = ("chat", "completions", "embeddings")
RETRIEVED_MAX: Final = 5  # of a list that may be long

forms = pytest.mark.parametrize("form", FORMS, ids=str)
chats = pytest.mark.parametrize("form", [CHAT, CHAT_STREAM], ids=str)


async def listed(gateway: Gateway, expect: Expect) -> dict[str, object]:
    """Return the entries of the model list, by id."""
    seen = await gateway.send(MODELS)
    expect.success(seen)
    entries = items_of(seen.at("data"))
    expect(entries, expected="at least one model in data", actual=seen.said)
    return {str(dig(entry, "id")): entry for entry in entries}


def retrieving(model: str, *, safe: str = "") -> Raw:
    """Return the request for *model*, whose characters but for *safe* are escaped."""
    return Raw(method="GET", path="/models/" + quote(model, safe=safe))


# The list


@pytest.mark.requirement("models.list.envelope")
async def test_list_has_its_envelope(gateway: Gateway, expect: Expect) -> None:
    """`GET /models` answers with `object` `list` and an array `data`."""
    seen = await gateway.send(MODELS)
    expect.success(seen)
    expect(seen.at("object") == "list", expected="object: list", actual=seen.said)
    expect(isinstance(seen.at("data"), list), expected="an array data", actual=seen.said)


@pytest.mark.requirement("models.list.entry")
async def test_entry_tells_whose_model_it_is(gateway: Gateway, expect: Expect) -> None:
    """An entry of the model list holds `id`, `object` `model`, `owned_by` and `context_window`."""
    kinds = {"id": str, "object": str, "owned_by": str, "context_window": int}
    for id_, entry in (await listed(gateway, expect)).items():
        for name, kind in kinds.items():
            found = dig(entry, name)
            expect(type(found) is kind, expected=f"a {kind.__name__} {name} of {id_}", actual=entry)
        expect(dig(entry, "object") == "model", expected=f"object: model of {id_}", actual=entry)


@pytest.mark.requirement("models.list.capabilities")
async def test_entry_tells_its_capabilities(gateway: Gateway, expect: Expect) -> None:
    """An entry of the model list holds `capabilities` with the booleans `chat`, `completions` and `embeddings`."""
    for id_, entry in (await listed(gateway, expect)).items():
        for name in CAPABILITIES:
            found = dig(entry, "capabilities", name)
            expect(isinstance(found, bool), expected=f"a boolean capabilities.{name} of {id_}", actual=entry)


@pytest.mark.requirement("models.retrieve.known")
async def test_listed_model_can_be_retrieved(gateway: Gateway, expect: Expect, rng: Random) -> None:
    """`GET /models/{id}` answers with the entry that the model list holds under that id."""
    entries = await listed(gateway, expect)
    names = [id_ for id_ in entries if "/" not in id_] or list(entries)
    for id_ in rng.sample(names, min(len(names), RETRIEVED_MAX)):
        seen = await gateway.send(retrieving(id_))
        expect.success(seen)
        entry = fields_of(entries[id_])
        found = {name: seen.json.get(name) for name in entry}
        expect(found == entry, expected=f"the entry of the list, {entry}", actual=found)
        conform(expect, seen.json, "Model", f"the entry of {id_}")


@pytest.mark.requirement("models.retrieve.slash")
@pytest.mark.parametrize("safe", ["/", ""], ids=["as it is", "escaped"])
async def test_id_with_a_slash_is_found(gateway: Gateway, expect: Expect, safe: str) -> None:
    """`GET /models/{id}` finds an id that contains a slash, be it escaped or not."""
    names = [id_ for id_ in await listed(gateway, expect) if "/" in id_]
    if not names:
        raise NotDeclared("a model whose id contains a slash: the model list has none")
    seen = await gateway.send(retrieving(names[0], safe=safe))
    expect.success(seen)
    expect(seen.at("id") == names[0], expected=f"the entry of {names[0]}", actual=seen.said)


@pytest.mark.requirement("models.retrieve.unknown")
async def test_unlisted_model_is_not_found(gateway: Gateway, target: Target, expect: Expect) -> None:
    """`GET /models/{id}` with an id that is not listed is answered with 404 `not_found_error`."""
    known = next(iter(await listed(gateway, expect)))
    expect.success(await gateway.send(retrieving(known)))
    expect.error(await gateway.send(retrieving(target.models.unknown)), 404, "not_found_error")


# What a name stands for


@pytest.mark.requirement("models.name.pinned")
@forms
async def test_prefixed_name_is_served_by_its_provider_alone(
    gateway: Gateway, providers: Providers, target: Target, expect: Expect, form: Form
) -> None:
    """A provider-prefixed name is served by that provider and by no other, even while it fails."""
    for link in target.need(target.pinned(form.operation) or None, "models.pinned"):
        seen = await gateway.send(Ask(form=form, model=link.model))
        expect.attempts(seen, link.provider)
        expect.success(seen)
        await providers.behave(link.provider, fail(503))
        seen = await gateway.send(Ask(form=form, model=link.model))
        expect.attempts(seen, link.provider)
        expect(not seen.ok, expected=f"the failure of {link.provider}", actual=seen.said)


@pytest.mark.requirement("models.name.short")
@forms
async def test_short_name_is_served_by_who_offers_it(
    gateway: Gateway, providers: Providers, pools: Pools, expect: Expect, form: Form
) -> None:
    """A short name is served by one of the providers that offer the model, and by no other, even while they fail."""
    pool = pools.take(operation=form.operation)
    ask = Ask(form=form, model=pool.model)
    wanted = "one of " + ", ".join(pool.providers)
    for _ in range(2 * len(pool.providers)):
        seen = await gateway.send(ask)
        expect.success(seen)
        expect(seen.served_by in pool.providers, expected=wanted, actual=seen.served_by)
    for name in pool.providers:
        await providers.behave(name, fail(503))
    seen = await gateway.send(ask)
    expect(not set(seen.providers) - set(pool.providers), expected=wanted, actual=", ".join(seen.providers))


@pytest.mark.requirement("models.name.tier")
@chats
async def test_tier_is_served_by_its_best_model(gateway: Gateway, target: Target, expect: Expect, form: Form) -> None:
    """A tier alias is served by the best available model of its tier."""
    tier = target.need(target.models.tier, "models.tier")
    best = target.need(target.models.tier_best, "models.tier_best")
    for _ in range(3):
        seen = await gateway.send(Ask(form=form, model=tier))
        expect.success(seen)
        known = (best, f"{seen.header('provider')}/{best}")
        expect(seen.model in known, expected=f"{best}, the best of {tier}", actual=seen.model)


@pytest.mark.requirement("models.name.auto")
@forms
async def test_auto_lets_the_gateway_choose(gateway: Gateway, target: Target, expect: Expect, form: Form) -> None:
    """The name `auto` lets the gateway choose the model: the request is served."""
    auto = target.need(target.models.auto, "models.auto")
    expect.success(await gateway.send(Ask(form=form, model=auto)))


@pytest.mark.requirement("models.name.omitted")
@forms
async def test_strategy_without_a_model_is_served(gateway: Gateway, target: Target, expect: Expect, form: Form) -> None:
    """A request that names a strategy and leaves `model` out is served as if it named `auto`."""
    for strategy in strategies(target):
        expect.success(await gateway.send(Ask(form=form, strategy=strategy, without=("model",))))


def strategies(target: Target) -> Sequence[str]:
    """Return the strategies that a client can ask for; raise `NotApplicable` where there are none."""
    if target.dialect.strategy.by not in ("header", "body"):
        raise NotApplicable(f"a client asks for a strategy by {target.dialect.strategy.by}, so not beside the model")
    found = [each for each in load_contract().strategies if not target.lacks(f"strategy.{each}")]
    if not found:
        raise NotApplicable("the target declares none of the strategies")
    return found


@pytest.mark.requirement("models.name.required")
@forms
async def test_neither_model_nor_strategy_is_refused(gateway: Gateway, expect: Expect, form: Form) -> None:
    """A request that names neither a model nor a strategy is answered with 400; with a model it is served."""
    ask = Ask(form=form)
    expect.success(await gateway.send(ask))
    expect.error(await gateway.send(replace(ask, without=("model",))), 400, "invalid_request_error")


@pytest.mark.requirement("models.name.unknown")
@forms
async def test_unknown_model_is_not_found(gateway: Gateway, target: Target, expect: Expect, form: Form) -> None:
    """A model that the gateway does not offer is answered with 404 `not_found_error`; one that it offers is served."""
    ask = Ask(form=form)
    expect.success(await gateway.send(ask))
    expect.error(await gateway.send(replace(ask, model=target.models.unknown)), 404, "not_found_error")


@pytest.mark.requirement("models.name.case")
@forms
async def test_name_in_another_case_is_unknown(gateway: Gateway, target: Target, expect: Expect, form: Form) -> None:
    """A listed model's name in another letter case is answered as an unknown model."""
    model = target.default_model(form.operation)
    if model.swapcase() == model:
        raise NotTestable(f"the name {model} has no letters")
    expect.success(await gateway.send(Ask(form=form, model=model)))
    expect.error(await gateway.send(Ask(form=form, model=model.swapcase())), 404, "not_found_error")


# What is told of the choice


@pytest.mark.requirement("models.choice.capable")
@forms
async def test_chosen_model_can_do_what_was_asked(gateway: Gateway, target: Target, expect: Expect, form: Form) -> None:
    """A model that the gateway chooses has the capability that the operation needs."""
    entries = await listed(gateway, expect)
    asks = [Ask(form=form, model=target.need(target.models.auto, "models.auto"))]
    if target.dialect.strategy.by in ("header", "body"):
        asks += [replace(asks[0], strategy=each) for each in strategies(target)]
    for ask in asks:
        seen = await gateway.send(ask)
        expect.success(seen)
        found = [entry for id_, entry in entries.items() if id_ in names_of(seen)]
        if not found:
            raise NotTestable(f"the model list does not tell what {seen.model} can do")
        able = any(dig(entry, "capabilities", form.operation) is True for entry in found)
        expect(able, expected=f"a model that can do {form.operation}", actual=found[0])


@pytest.mark.requirement("models.served.named")
@forms
async def test_answer_names_no_alias(gateway: Gateway, target: Target, expect: Expect, form: Form) -> None:
    """The response's `model` is the exact model that served it, not the alias that was asked for."""
    named = [target.models.auto, *([target.models.tier] if form.operation == "chat" else [])]
    aliases = [alias for alias in named if alias]
    if not aliases:
        raise NotApplicable("the target declares no alias, neither a tier nor auto")
    entries = await listed(gateway, expect)
    for alias in aliases:
        seen = await gateway.send(Ask(form=form, model=alias))
        expect.success(seen)
        is_exact = seen.model != alias and (seen.model in names_of(seen) or str(seen.model) in entries)
        wanted = "the name of the model that served, " + " or ".join(names_of(seen))
        expect(is_exact, expected=wanted, actual=seen.model)


@pytest.mark.requirement("models.served.named")
@pytest.mark.needs("fallback")
@forms
async def test_answer_names_the_model_that_took_over(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form
) -> None:
    """After a fallback the response's `model` is that of the provider that served, in every chunk of a stream."""
    chain = gateway.chain(2, form=form)
    await providers.behave(chain[0].provider, fail(503))
    seen = await gateway.send(Ask(form=form, chain=chain))
    expect.served_by(seen, chain[1].provider)
    known = {*names_of(seen), chain[1].model, chain[1].model.rpartition("/")[2]}
    for body in seen.chunks if form.stream else (seen.json,):
        model = dig(body, "model")
        expect(model in known, expected=f"the model of {chain[1].provider}: {' or '.join(sorted(known))}", actual=model)


def names_of(seen: Observed) -> tuple[str, ...]:
    """Return the names that the model which served may bear: its provider's own one, alone or after the provider's."""
    if not seen.attempts:
        return ()
    attempt = seen.attempts[-1]
    model = str(request_json(attempt).get("model"))
    told = seen.header("provider")
    return tuple(dict.fromkeys((model, f"{attempt.provider}/{model}", f"{told}/{model}")))
