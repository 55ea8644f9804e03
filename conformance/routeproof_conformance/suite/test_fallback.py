"""Who is asked next, when, and what the caller is told when nobody helps."""

from __future__ import annotations

import pytest

from routeproof_conformance.api import FORMS, Ask, Expect, Form, Gateway, Providers
from routeproof_simulator.behaviours import fail


@pytest.mark.requirement("fallback.on.server_error", "fallback.order.stops")
@pytest.mark.needs("fallback")
@pytest.mark.parametrize("form", FORMS, ids=str)
async def test_server_error_leads_to_the_next_attempt(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form
) -> None:
    """With a fallback list, a provider's 5xx leads to the next attempt; the first that succeeds is the last."""
    chain = gateway.chain(3, form=form)
    await providers.behave(chain[0].provider, fail(503))
    seen = await gateway.send(Ask(form=form, chain=chain))
    expect.attempts(seen, *chain.providers[:2])
    expect.success(seen)
