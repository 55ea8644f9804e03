"""Who may ask: the Bearer key, and the one answer to every key that is no good."""

from __future__ import annotations

from dataclasses import replace

import pytest

from routeproof_conformance.api import Ask, Expect, Gateway


@pytest.mark.requirement("auth.key.missing", "auth.key.accepted")
async def test_request_without_a_key_is_refused(gateway: Gateway, expect: Expect) -> None:
    """A request without an `Authorization` header is refused with 401; the same with the right key is served."""
    ask = Ask()
    expect.of("auth.key.accepted").success(await gateway.send(ask))
    expect.status(await gateway.send(replace(ask, key=None)), 401)
