"""The error envelope, the table of statuses, and what a provider's error becomes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest

from routeproof_conformance.api import (
    FORMS,
    STREAMS,
    Ask,
    Expect,
    Form,
    Gateway,
    NotApplicable,
    Providers,
    Raw,
    Target,
    dig,
    fields_of,
)
from routeproof_conformance.vocabulary.faults import (
    BREATH_IN_TEXT,
    BROKEN_BODIES,
    EMPTY_STREAMS,
    ERROR_OBJECTS,
    FAILURES,
    IN_TEXT,
    OTHER_STATUSES,
    REFUSED,
    RESET,
    SERVER_ERRORS,
    STREAM_ERRORS,
    Fault,
    cases,
)
from routeproof_conformance.vocabulary.provider_errors import ADDRESSES, HIDDEN, SHAPES, TEXT, visible
from routeproof_conformance.vocabulary.refusals import JSON_TYPE, NOT_JSON, RANGED, REQUIRED, refusals, refused
from routeproof_conformance.vocabulary.shape import conform, operation_of
from routeproof_simulator.behaviours import fail, stall, stream_error
from routeproof_spec.contract import load_contract

forms = pytest.mark.parametrize("form", FORMS, ids=str)
relayed = pytest.mark.parametrize("status", sorted(load_contract().relayed_statuses))

#: Every way of failing that could be mistaken for the gateway's own fault.
PROVIDER_FAULTS: Final = cases(
    (
        *FAILURES,
        *SERVER_ERRORS[1:],
        *OTHER_STATUSES[:2],
        *BROKEN_BODIES,
        *ERROR_OBJECTS,
        *EMPTY_STREAMS,
        *STREAM_ERRORS,
    )
)


@pytest.mark.requirement("errors.body.members")
@forms
async def test_refusal_has_the_envelope(gateway: Gateway, target: Target, expect: Expect, form: Form) -> None:
    """Every error response is a JSON object whose `error` holds `type`, `message` and `code`."""
    for refusal, seen in await refused(gateway, form, target):
        conform(expect, seen.json, "ErrorEnvelope", f"an error for {refusal.flaw}")


@pytest.mark.requirement("errors.body.members")
@forms
async def test_provider_failure_has_the_envelope(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form
) -> None:
    """The error of a request that failed at its provider has the same members."""
    link = gateway.chain(1, form=form)[0]
    for status in (400, 429, 503):
        await providers.behave(link.provider, fail(status))
        seen = await gateway.send(Ask(form=form, model=link.model))
        expect(seen.status not in (None, 200), expected=f"an error after a provider's {status}", actual=seen.said)
        conform(expect, seen.json, "ErrorEnvelope", f"an error for a provider's {status}")


@pytest.mark.requirement("errors.body.media_type")
@forms
async def test_refusal_is_labelled_as_json(gateway: Gateway, target: Target, expect: Expect, form: Form) -> None:
    """Every error response has the content type `application/json`, that of a stream's request too."""
    for refusal, seen in await refused(gateway, form, target):
        kind = seen.header("content-type") or "none"
        is_json = kind.partition(";")[0].strip().lower() == "application/json"
        expect(is_json, expected=f"content-type application/json for {refusal.flaw}", actual=kind)


@pytest.mark.requirement("errors.json.malformed")
@pytest.mark.parametrize("flaw", NOT_JSON)
@forms
async def test_body_that_is_not_json_is_refused(gateway: Gateway, expect: Expect, form: Form, flaw: str) -> None:
    """A request body that is not JSON is answered with 400 `invalid_request_error`; one that is JSON is served."""
    expect.success(await gateway.send(Ask(form=form)))
    seen = await gateway.send(Raw(method="POST", path=form.path, headers=JSON_TYPE, body=NOT_JSON[flaw]))
    expect.error(seen, 400, "invalid_request_error")


@pytest.mark.requirement("errors.field.missing")
@forms
async def test_missing_field_is_refused(gateway: Gateway, expect: Expect, form: Form) -> None:
    """A request that lacks `messages`, `prompt` or `input` is answered with 400; with the field it is served."""
    ask = Ask(form=form)
    expect.success(await gateway.send(ask))
    seen = await gateway.send(replace(ask, without=(REQUIRED[form.operation],)))
    expect.error(seen, 400, "invalid_request_error")


@pytest.mark.requirement("errors.value.range")
@pytest.mark.parametrize("form", RANGED, ids=str)
async def test_value_out_of_range_is_refused(gateway: Gateway, expect: Expect, form: Form) -> None:
    """A parameter outside its range is answered with 422 `invalid_request_error`; at the range's end it is served."""
    for name, value, last in beyond(form):
        expect.success(await gateway.send(Ask(form=form, body={name: last})))
        seen = await gateway.send(Ask(form=form, body={name: value}))
        expect(seen.status == 422, expected=f"422 for a {name} of {value}", actual=seen.said)
        expect.error(seen, 422, "invalid_request_error")


def beyond(form: Form) -> Iterator[tuple[str, float, float]]:
    """Yield each parameter that the contract's pages give a range, a value outside of it, and the last one inside."""
    fields = fields_of(dig(operation_of(form).request, "properties"))
    for name in ("temperature", "top_p"):
        low, high = dig(fields[name], "minimum"), dig(fields[name], "maximum")
        assert isinstance(low, int), f"the contract gives {name} no range"
        assert isinstance(high, int), f"the contract gives {name} no range"
        yield name, low - 0.5, low
        yield name, high + 0.5, high


@pytest.mark.requirement("errors.refusal.unsent")
@forms
async def test_refused_request_reaches_no_provider(
    gateway: Gateway, target: Target, expect: Expect, form: Form
) -> None:
    """A request that the gateway itself refuses is not sent to any provider; without its flaw it is."""
    served = await gateway.send(Ask(form=form))
    expect(served.attempts, expected="a good request that reaches a provider", actual=served.said)
    for refusal in refusals(form, target):
        seen = await gateway.send(refusal.request)
        expect.status(seen, refusal.status)
        expect.unsent(seen)


@pytest.mark.requirement("errors.internal.reserved")
@pytest.mark.parametrize(("form", "fault"), PROVIDER_FAULTS, ids=str)
async def test_provider_failure_is_not_told_as_500(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, fault: Fault
) -> None:
    """A provider's failure is not told as 500, which stands for the gateway's own fault alone."""
    link = gateway.chain(1, form=form)[0]
    await fault.at(providers, link.provider)
    seen = await gateway.send(Ask(form=form, model=link.model))
    expect(seen.status not in (None, 200, 500), expected=f"an error after {fault}, not 500", actual=seen.said)


@pytest.mark.requirement("errors.timeout.status")
async def test_timeout_is_not_told_as_504(
    gateway: Gateway, providers: Providers, target: Target, expect: Expect
) -> None:
    """A provider that does not answer in time is not told as 504."""
    target.need(target.timing.headers, "timing.headers")
    asks = [Ask(form=form, model=gateway.chain(1, form=form)[0].model) for form in offered(target)]
    await providers.behave_all(stall(before="headers"))
    for seen in await gateway.together(asks):
        expect(seen.status not in (None, 200, 504), expected="an error after a timeout, not 504", actual=seen.said)


def offered(target: Target) -> list[Form]:
    """Return the forms that the target has; raise `NotApplicable` where it has none."""
    found = [each for each in FORMS if not (target.lacks(each.operation) or (each.stream and target.lacks("stream")))]
    if not found:
        raise NotApplicable("the target declares none of the operations")
    return found


@pytest.mark.requirement("errors.provider.status")
@relayed
@forms
async def test_providers_verdict_keeps_its_status(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, status: int
) -> None:
    """A provider's 400, 413 or 422 reaches the client with the same status."""
    link = gateway.chain(1, form=form)[0]
    await providers.behave(link.provider, fail(status))
    seen = await gateway.send(Ask(form=form, model=link.model))
    expect(seen.attempts, expected="a request that reaches the provider", actual=seen.said)
    expect.status(seen, status)


@pytest.mark.requirement("errors.provider.envelope")
@pytest.mark.parametrize("shape", SHAPES)
@forms
async def test_only_the_text_of_a_providers_error_is_handed_on(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, shape: str
) -> None:
    """Of a provider's error nothing but its text reaches the client, and that as the message of the gateway's own."""
    link = gateway.chain(1, form=form)[0]
    await providers.behave(link.provider, SHAPES[shape].behaviour(400))
    seen = await gateway.send(Ask(form=form, model=link.model))
    conform(expect, seen.json, "ErrorEnvelope", "an error")
    shown = visible(seen)
    is_hidden = HIDDEN.lower() not in shown.lower() and "<h1>" not in shown
    expect(is_hidden, expected=f"nothing of the provider's error but its text (here {HIDDEN!r})", actual=shown[:600])
    is_message_alone = shown.count(TEXT) <= seen.error.message.count(TEXT)
    expect(is_message_alone, expected=f"the text {TEXT!r} in error.message alone", actual=shown[:600])


@pytest.mark.requirement("errors.provider.text")
@pytest.mark.parametrize("shape", [name for name, each in SHAPES.items() if each.speaks])
@forms
async def test_text_of_a_providers_error_is_handed_on(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, shape: str
) -> None:
    """The text of a provider's error is handed on as the message, whatever the shape of its body."""
    link = gateway.chain(1, form=form)[0]
    await providers.behave(link.provider, SHAPES[shape].behaviour(400))
    seen = await gateway.send(Ask(form=form, model=link.model))
    expect(TEXT in seen.error.message, expected=f"the provider's text {TEXT!r} as error.message", actual=seen.said)


@pytest.mark.requirement("errors.provider.key")
@pytest.mark.parametrize("status", [400, 401, 503])
@forms
async def test_providers_error_tells_no_key(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, status: int
) -> None:
    """A key of the gateway's at the provider is removed from the provider's error text."""
    link = gateway.chain(1, form=form)[0]
    secret = providers.secret(link.provider)
    await providers.behave(link.provider, fail(status, message=f"Incorrect API key provided: {secret}."))
    seen = await gateway.send(Ask(form=form, model=link.model))
    expect(seen.status not in (None, 200), expected="an error", actual=seen.said)
    expect(secret not in visible(seen), expected="an error without the gateway's key", actual=told(seen.said, secret))


@pytest.mark.requirement("errors.provider.key")
@pytest.mark.parametrize("form", STREAMS, ids=str)
async def test_error_within_a_stream_tells_no_key(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form
) -> None:
    """The gateway's key is removed from an error that a provider sends in the middle of a stream."""
    link = gateway.chain(1, form=form)[0]
    secret = providers.secret(link.provider)
    error = stream_error(IN_TEXT + 1, message=f"Incorrect API key provided: {secret}.")
    await providers.behave(link.provider, BREATH_IN_TEXT | error)
    seen = await gateway.send(Ask(form=form, model=link.model))
    expect(seen.attempts, expected="a request that reaches the provider", actual=seen.said)
    expect(secret not in visible(seen), expected="a stream without the gateway's key", actual=told(seen.said, secret))


def told(said: str, secret: str) -> str:
    """Return *said* without *secret*: a finding must not spread what it finds."""
    return said.replace(secret, "[the gateway's key]")


@pytest.mark.requirement("errors.provider.address")
@pytest.mark.parametrize("status", [400, 503])
@forms
async def test_providers_error_tells_no_internal_address(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, status: int
) -> None:
    """An internal address is removed from a provider's error text."""
    link = gateway.chain(1, form=form)[0]
    for address in ADDRESSES:
        await providers.behave(link.provider, fail(status, message=f"The upstream at {address} does not answer."))
        seen = await gateway.send(Ask(form=form, model=link.model))
        expect(seen.status not in (None, 200), expected="an error", actual=seen.said)
        expect(address not in visible(seen), expected=f"an error without {address}", actual=seen.said)


@pytest.mark.requirement("errors.provider.address")
@pytest.mark.parametrize("fault", [REFUSED, RESET], ids=str)
@pytest.mark.parametrize("links", [1, pytest.param(3, marks=pytest.mark.needs("fallback"))])
@forms
async def test_address_of_an_unreached_provider_is_not_told(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, links: int, fault: Fault
) -> None:
    """The error for providers that cannot be reached does not tell where they are."""
    chain = gateway.chain(links, form=form)
    for name in chain.providers:
        await fault.at(providers, name)
    seen = await gateway.send(Ask(form=form, chain=chain))
    expect(seen.status not in (None, 200), expected="an error", actual=seen.said)
    for name in chain.providers:
        address = await providers.address(name)
        expect(address not in visible(seen), expected=f"an error without {address}", actual=seen.said)
