"""What a key may do, and what becomes of it.

The target file names two restricted keys: `one_model` may use the model of `models.chat` alone, `one_provider` the
first provider of `models.pinned` alone.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from routeproof_conformance.api import (
    FORMS,
    Ask,
    Expect,
    Form,
    Gateway,
    NotApplicable,
    Pools,
    Providers,
    Target,
)
from routeproof_conformance.vocabulary.falling_back import require_list
from routeproof_simulator.behaviours import fail, first

ONE_MODEL = "one_model"
ONE_PROVIDER = "one_provider"

forms = pytest.mark.parametrize("form", FORMS, ids=str)


def allowed_model(target: Target, form: Form) -> str:
    """Return the one model that the key `one_model` may use; raise `NotApplicable` where it does not serve *form*."""
    model = target.need(target.models.chat, "models.chat")
    if target.default_model(form.operation) != model:
        raise NotApplicable(f"{model}, the one model of the key {ONE_MODEL}, is not asked for {form.operation}")
    return model


@pytest.mark.requirement("keys.restriction.model")
@forms
async def test_model_out_of_bounds_is_unknown(
    gateway: Gateway, target: Target, pools: Pools, expect: Expect, form: Form
) -> None:
    """A model that the key may not use is answered as an unknown one, with 404, and nothing is sent to a provider."""
    other = pools.shared(operation=form.operation).model
    expect.success(await gateway.send(Ask(form=form, model=other)))
    expect.success(await gateway.send(Ask(form=form, model=allowed_model(target, form), key=ONE_MODEL)))
    refused = await gateway.send(Ask(form=form, model=other, key=ONE_MODEL))
    expect.error(refused, 404, "not_found_error")
    expect.unsent(refused)
    unknown = await gateway.send(Ask(form=form, model=target.models.unknown, key=ONE_MODEL))
    same = (refused.error.type, refused.error.code) == (unknown.error.type, unknown.error.code)
    expect(same, expected=f"the error of an unknown model, {unknown.error}", actual=refused.error)


@pytest.mark.requirement("keys.restriction.provider")
@forms
async def test_provider_out_of_bounds_is_not_reached(
    gateway: Gateway, target: Target, expect: Expect, form: Form
) -> None:
    """A request whose key is restricted to a provider does not reach any other, though it asks for that one by name."""
    own, *others = target.need(target.pinned(form.operation) or None, "models.pinned")
    expect.success(await gateway.send(Ask(form=form, model=own.model, key=ONE_PROVIDER)))
    for link in others:
        ask = Ask(form=form, model=link.model)
        expect.attempts(await gateway.send(ask), link.provider)
        seen = await gateway.send(replace(ask, key=ONE_PROVIDER))
        expect.unsent(seen)
        expect(not seen.ok, expected=f"a refusal of {link.model}", actual=seen.said)


@pytest.mark.requirement("keys.restriction.provider")
@forms
async def test_model_of_several_providers_stays_in_bounds(
    gateway: Gateway, providers: Providers, pools: Pools, expect: Expect, form: Form
) -> None:
    """A model that others offer too is served by the key's provider alone, even while that one fails."""
    own = gateway.chain(1, form=form)[0]
    pool = pools.shared(operation=form.operation)
    if own.provider not in pool.providers:
        raise NotApplicable(f"{pool.model} is not offered by {own.provider}, the provider of the key {ONE_PROVIDER}")
    ask = Ask(form=form, model=pool.model, key=ONE_PROVIDER)
    for _ in range(2 * len(pool.providers)):
        seen = await gateway.send(ask)
        expect.served_by(seen, own.provider)
        expect.attempts(seen, own.provider)
    await providers.behave(own.provider, fail(503))
    seen = await gateway.send(ask)
    strangers = set(seen.providers) - {own.provider}
    expect(not strangers, expected=f"no attempt but at {own.provider}", actual=", ".join(sorted(strangers)))


@pytest.mark.requirement("keys.restriction.fallback")
@pytest.mark.needs("fallback")
@forms
async def test_fallback_stays_with_the_keys_provider(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form
) -> None:
    """A fallback does not reach a provider that the key is restricted from; with an unrestricted key it does."""
    chain = gateway.chain(2, form=form)
    await providers.behave(chain[0].provider, fail(503))
    ask = Ask(form=form, chain=chain)
    expect.served_by(await gateway.send(ask), chain[1].provider)
    seen = await gateway.send(replace(ask, key=ONE_PROVIDER))
    strangers = set(seen.providers) - {chain[0].provider}
    expect(not strangers, expected=f"no attempt but at {chain[0].provider}", actual=", ".join(sorted(strangers)))


@pytest.mark.requirement("keys.restriction.fallback")
@pytest.mark.needs("fallback")
@forms
async def test_fallback_stays_with_the_keys_model(
    gateway: Gateway, providers: Providers, target: Target, pools: Pools, expect: Expect, form: Form
) -> None:
    """A fallback does not reach a model that the key is restricted from; with an unrestricted key it does."""
    require_list(target, "header", "body")
    other = pools.shared(operation=form.operation).model
    ask = Ask(form=form, model=allowed_model(target, form), fallback=(other,))
    # Each provider fails a request until it is asked for another model, so only the fallback can succeed.
    await providers.behave_all(first(target.routing.retries + 1, fail(503)))
    expect.success(await gateway.send(ask))
    seen = await gateway.send(replace(ask, key=ONE_MODEL))
    expect(not seen.ok, expected=f"no attempt at {other}", actual=f"{other} served: {seen.said}")
