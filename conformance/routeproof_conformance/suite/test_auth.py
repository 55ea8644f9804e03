"""Who may ask: the Bearer key, and the one answer to every key that is no good."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from routeproof_conformance.api import FORMS, Ask, Expect, Form, Gateway, Raw

#: What may be asked: every form, and the list of models.
DOORS: Final = (*(Ask(form=form) for form in FORMS), Raw(method="GET", path="/models"))
DOOR_NAMES: Final = (*map(str, FORMS), "models")

doors = pytest.mark.parametrize("ask", DOORS, ids=DOOR_NAMES)

#: Authorization headers that are not `Bearer KEY`, by what is wrong with them; each holds the key that is good.
MALFORMED: Final[dict[str, Callable[[str], str]]] = {
    "another scheme": lambda key: "Basic " + base64.b64encode(f":{key}".encode()).decode(),
    "an unknown scheme": lambda key: f"Token {key}",
    "the bare key": lambda key: key,
    "no key after the scheme": lambda _: "Bearer",
    "no blank after the scheme": lambda key: f"Bearer{key}",
}

#: Keys that are no good, by role; None is no key at all.
BAD_KEYS: Final = (None, "unknown", "expired", "revoked")


def bearing(ask: Ask | Raw, *headers: tuple[str, str]) -> Ask | Raw:
    """Return *ask* with these headers instead of its key."""
    return replace(ask, key=None, headers=(*ask.headers, *headers))


async def refuse(gateway: Gateway, expect: Expect, ask: Ask | Raw, bad: Ask | Raw) -> None:
    """*bad* is refused with 401, and for its key alone: *ask*, the same with a good one, is served."""
    expect.success(await gateway.send(ask))
    expect.status(await gateway.send(bad), 401)


@pytest.mark.requirement("auth.key.accepted")
@doors
async def test_good_key_is_served(gateway: Gateway, expect: Expect, ask: Ask | Raw) -> None:
    """A request that bears a valid key as `Authorization: Bearer KEY` is served."""
    expect.success(await gateway.send(ask))


@pytest.mark.requirement("auth.key.missing")
@doors
async def test_request_without_a_key_is_refused(gateway: Gateway, expect: Expect, ask: Ask | Raw) -> None:
    """A request without an `Authorization` header is refused with 401."""
    await refuse(gateway, expect, ask, replace(ask, key=None))


@pytest.mark.requirement("auth.key.unknown")
@doors
async def test_unknown_key_is_refused(gateway: Gateway, expect: Expect, ask: Ask | Raw) -> None:
    """A well-formed key that the gateway never issued is refused with 401."""
    await refuse(gateway, expect, ask, replace(ask, key="unknown"))


@pytest.mark.requirement("auth.key.expired")
@doors
async def test_expired_key_is_refused(gateway: Gateway, expect: Expect, ask: Ask | Raw) -> None:
    """A key whose expiry date has passed is refused with 401."""
    await refuse(gateway, expect, ask, replace(ask, key="expired"))


@pytest.mark.requirement("auth.key.revoked")
@doors
async def test_revoked_key_is_refused(gateway: Gateway, expect: Expect, ask: Ask | Raw) -> None:
    """A revoked key is refused with 401."""
    await refuse(gateway, expect, ask, replace(ask, key="revoked"))


@pytest.mark.requirement("auth.scheme.malformed")
@pytest.mark.parametrize("flaw", MALFORMED)
async def test_malformed_authorization_is_refused(gateway: Gateway, expect: Expect, flaw: str) -> None:
    """An `Authorization` header that is not `Bearer KEY` is refused with 401, though the key in it is good."""
    ask = Ask()
    await refuse(gateway, expect, ask, bearing(ask, ("authorization", MALFORMED[flaw](gateway.key("main")))))


@pytest.mark.requirement("auth.scheme.case")
@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR"])
async def test_scheme_is_accepted_in_any_case(gateway: Gateway, expect: Expect, scheme: str) -> None:
    """The scheme name `Bearer` is accepted in any letter case; the key after it still counts."""
    ask = Ask()
    expect.success(await gateway.send(bearing(ask, ("authorization", f"{scheme} {gateway.key('main')}"))))
    expect.status(await gateway.send(bearing(ask, ("authorization", f"{scheme} {gateway.key('unknown')}"))), 401)


@pytest.mark.requirement("auth.header.substitute")
@doors
async def test_other_header_is_no_substitute(gateway: Gateway, expect: Expect, ask: Ask | Raw) -> None:
    """A valid key in `X-API-Key` alone is refused with 401."""
    await refuse(gateway, expect, ask, bearing(ask, ("x-api-key", gateway.key("main"))))


@pytest.mark.requirement("auth.error.body")
@pytest.mark.parametrize("role", BAD_KEYS, ids=lambda role: role or "missing")
@pytest.mark.parametrize("form", FORMS, ids=str)
async def test_every_bad_key_gets_the_same_error(
    gateway: Gateway, expect: Expect, form: Form, role: str | None
) -> None:
    """Every refusal of a key has the type `authentication_error`, its code, and the message that is promised."""
    seen = await gateway.send(Ask(form=form, key=role))
    expect.refused(seen, "invalid_api_key")
    wanted = "Invalid API key provided."
    expect(seen.error.message == wanted, expected=f"error.message {wanted!r}", actual=seen.said)


@pytest.mark.requirement("auth.error.challenge")
@pytest.mark.parametrize("role", BAD_KEYS, ids=lambda role: role or "missing")
async def test_refusal_names_the_bearer_scheme(gateway: Gateway, expect: Expect, role: str | None) -> None:
    """A 401 response bears a `WWW-Authenticate` header that names the `Bearer` scheme."""
    seen = await gateway.send(Ask(key=role))
    expect.status(seen, 401)
    challenges = [value for name, value in seen.exchange.headers if name == "www-authenticate"]
    schemes = [part.split()[0].lower() for value in challenges for part in value.split(",") if part.strip()]
    expect("bearer" in schemes, expected="WWW-Authenticate: Bearer …", actual=challenges or "no such header")
