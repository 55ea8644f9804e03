"""What a client can make a gateway hold, and where what it says may end up."""

from __future__ import annotations

from typing import Final

import pytest

from routeproof_conformance.api import (
    CHAT,
    FORMS,
    MARK,
    Ask,
    Expect,
    Form,
    Gateway,
    Leave,
    Observed,
    Providers,
    Raw,
    Target,
)
from routeproof_conformance.vocabulary.faults import UNANSWERED
from routeproof_simulator.behaviours import fail
from routeproof_spec.contract import load_contract

LIMITS: Final = load_contract().limits

forms = pytest.mark.parametrize("form", FORMS, ids=str)

#: A name of no header that anybody sends.
INJECTED: Final = "x-routeproof-injected"
BREAKS: Final = {"CRLF": "\r\n", "LF": "\n", "CR": "\r", "NEL": "\x85", "NUL": "\0\r\n"}

#: Seconds for which requests are under way at once, and how many more there are than may be.
WAIT: Final = 0.6
SURPLUS: Final = 8
DEPTH: Final = 100_000


@pytest.mark.requirement("bounds.body.refused")
@forms
async def test_body_that_is_too_large_is_refused(gateway: Gateway, expect: Expect, form: Form) -> None:
    """A body larger than the contract allows is refused with 413; an ordinary one is served."""
    expect.success(await gateway.send(Ask(form=form)))
    filler = b'{"filler": "%b", "text": "%b"}' % (b"x" * LIMITS.body_bytes_max, MARK.encode())
    kind = (("content-type", "application/json"),)
    refused = await gateway.send(Raw(method="POST", path=form.path, headers=kind, body=filler))
    expect.error(refused, 413, "invalid_request_error")


@pytest.mark.requirement("bounds.head.refused")
@pytest.mark.parametrize("times", [1, 3], ids=["just", "far"])
@forms
async def test_head_that_is_too_large_is_refused(gateway: Gateway, expect: Expect, form: Form, times: int) -> None:
    """A head larger than the contract allows is refused with 431; one that is half as large is served."""
    half = LIMITS.header_bytes_max // 2
    expect.success(await gateway.send(Ask(form=form, headers=(("x-filler", "x" * half),))))
    large = (("x-filler", "x" * LIMITS.header_bytes_max * times),)
    expect.error(await gateway.send(Ask(form=form, headers=large)), 431, "invalid_request_error")


@pytest.mark.requirement("bounds.messages.refused")
async def test_conversation_that_is_too_long_is_refused(gateway: Gateway, expect: Expect) -> None:
    """More messages than the contract allows are refused with 422; as many as it allows are served."""
    message = {"role": "user", "content": "Hi."}
    last = {"role": "user", "content": f"Hi. {MARK}"}
    most = [message] * (LIMITS.messages_max - 1) + [last]
    expect.success(await gateway.send(Ask(form=CHAT, body={"messages": most})))
    refused = await gateway.send(Ask(form=CHAT, body={"messages": [message, *most]}))
    expect.error(refused, 422, "invalid_request_error")


@pytest.mark.requirement("bounds.fallback.refused")
@pytest.mark.needs("fallback")
@forms
async def test_fallback_list_that_is_too_long_is_refused(
    gateway: Gateway, target: Target, expect: Expect, form: Form
) -> None:
    """More models in the fallback list than the contract allows are refused with 400, and nothing is sent on."""
    name = target.default_model(form.operation)
    names = tuple(f"{name}-{number}" for number in range(LIMITS.fallback_items_max + 1))
    refused = await gateway.send(Ask(form=form, fallback=names))
    expect.error(refused, 400, "invalid_request_error")


@pytest.mark.requirement("bounds.depth.refused")
@pytest.mark.parametrize("brackets", ["[]", "{}"], ids=["lists", "objects"])
@forms
async def test_body_that_is_nested_too_deep_is_refused(
    gateway: Gateway, expect: Expect, form: Form, brackets: str
) -> None:
    """A body that is nested a hundred thousand levels deep is refused with 400, and the gateway lives on."""
    begin, end = (b"[", b"]") if brackets == "[]" else (b'{"a":', b"}")
    body = b'{"text": "%b", "deep": %b1%b}' % (MARK.encode(), begin * DEPTH, end * DEPTH)
    kind = (("content-type", "application/json"),)
    refused = await gateway.send(Raw(method="POST", path=form.path, headers=kind, body=body))
    expect.error(refused, 400, "invalid_request_error")
    expect.success(await gateway.send(Ask(form=form)))


@pytest.mark.requirement("bounds.requests.refused")
async def test_one_request_too_many_is_told_when_to_come_again(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect
) -> None:
    """A request beyond the declared number is refused with 503 and `Retry-After`, and never sent on."""
    most = target.need(target.bounds.requests_max, "bounds.requests_max")
    await UNANSWERED.at(providers, providers.some(1)[0])
    ask = Ask(model=gateway.pinned(providers.some(1)[0]), leave=Leave.waiting(WAIT))
    seen = await gateway.together([ask] * (most + SURPLUS))
    refused = [each for each in seen if not each.attempts]
    expect(
        len(seen) - len(refused) <= most,
        expected=f"at most {most} requests under way",
        actual=len(seen) - len(refused),
    )
    for each in refused:
        expect.status(each, 503)
        expect((each.header("retry-after") or "").isdecimal(), expected="Retry-After in seconds", actual=each.said)
    expect.success(await gateway.send(Ask(model=gateway.pinned(providers.some(2)[1]))))


def injected(seen: Observed) -> list[str]:
    """Return the heads in which the planted header is found."""
    heads = {"the response": seen.exchange.headers}
    heads |= {f"the attempt at {each.provider}": each.request_headers for each in seen.attempts}
    return [place for place, head in heads.items() if any(INJECTED in name.lower() for name, _ in head)]


@pytest.mark.requirement("bounds.text.contained")
@pytest.mark.parametrize("line_break", BREAKS.values(), ids=BREAKS)
@forms
async def test_line_break_of_the_clients_becomes_no_header(
    gateway: Gateway, target: Target, expect: Expect, form: Form, line_break: str
) -> None:
    """A line break in a model's name, the user or the metadata becomes no header of the response or of an attempt."""
    planted = f"{line_break}{INJECTED}: yes"
    name = target.default_model(form.operation)
    for body in ({"model": name + planted}, {"user": "u" + planted}, {"field_of_tomorrow" + planted: planted}):
        seen = await gateway.send(Ask(form=form, body=body))
        expect(seen.status != 500, expected="no fault of the gateway's own", actual=seen.said)
        expect(not injected(seen), expected="no header of the client's making", actual=", ".join(injected(seen)))


@pytest.mark.requirement("bounds.text.contained")
@pytest.mark.parametrize("status", [400, 503])
@pytest.mark.parametrize("line_break", BREAKS.values(), ids=BREAKS)
@forms
async def test_line_break_of_a_providers_becomes_no_header(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, line_break: str, status: int
) -> None:
    """A line break in a provider's error text becomes no header of the response."""
    link = gateway.chain(1, form=form)[0]
    await providers.behave(link.provider, fail(status, message=f"No.{line_break}{INJECTED}: yes"))
    seen = await gateway.send(Ask(form=form, model=link.model))
    expect(seen.status not in (None, 200, 500), expected="the provider's failure, told", actual=seen.said)
    expect(not injected(seen), expected="no header of the provider's making", actual=", ".join(injected(seen)))
