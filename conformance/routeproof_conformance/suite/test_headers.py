"""What the response headers claim, and that it is true."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from routeproof_conformance.api import (
    FORMS,
    STREAMS,
    WHOLE,
    Ask,
    Expect,
    Form,
    Gateway,
    NotTestable,
    Observed,
    Providers,
    Raw,
    Target,
    latency_breach,
)
from routeproof_conformance.vocabulary.claims import claimed, claimed_latency, named
from routeproof_conformance.vocabulary.faults import FAILURES, Fault, cases
from routeproof_conformance.vocabulary.refusals import refusals
from routeproof_simulator.behaviours import Behaviour, fail, latency, stall

SLOW = 0.08  #: seconds; far more than a millisecond, by which a claim may be off

forms = pytest.mark.parametrize("form", FORMS, ids=str)


@pytest.mark.requirement("headers.provider.present")
@forms
async def test_answer_names_its_provider(gateway: Gateway, expect: Expect, form: Form) -> None:
    """Every answer that a provider served, whole or stream, bears `X-Inferoute-Provider`."""
    seen = await gateway.send(Ask(form=form))
    expect.success(seen)
    expect(seen.header("provider"), expected="the provider's name in its header", actual=named(seen))


@pytest.mark.requirement("headers.provider.true")
@forms
async def test_provider_header_names_who_served(gateway: Gateway, target: Target, expect: Expect, form: Form) -> None:
    """`X-Inferoute-Provider` names the provider that served the answer, whichever it is."""
    for link in target.pinned(form.operation):
        seen = await gateway.send(Ask(form=form, model=link.model))
        expect.served_by(seen, link.provider)
        told, wanted = claimed(seen, "provider"), target.called(link.provider)
        expect(told == wanted, expected=f"the provider {wanted}", actual=told)


@pytest.mark.requirement("headers.provider.true")
@pytest.mark.needs("fallback")
@forms
async def test_provider_header_names_the_fallback_that_served(
    gateway: Gateway, providers: Providers, target: Target, expect: Expect, form: Form
) -> None:
    """After a fallback `X-Inferoute-Provider` names the provider that served, not the one that was asked for."""
    chain = gateway.chain(2, form=form)
    await providers.behave(chain[0].provider, fail(503))
    seen = await gateway.send(Ask(form=form, chain=chain))
    expect.served_by(seen, chain[1].provider)
    told, wanted = claimed(seen, "provider"), target.called(chain[1].provider)
    expect(told == wanted, expected=f"the provider {wanted}", actual=told)


@pytest.mark.requirement("headers.request_id.present")
@forms
async def test_every_response_has_an_id(gateway: Gateway, target: Target, expect: Expect, form: Form) -> None:
    """Every response, errors included, bears a non-empty `X-Inferoute-Request-Id`."""
    others = [Raw(method="GET", path="/models"), Raw(method="GET", path="/routeproof/no-such-path")]
    refused = [refusal.request for refusal in refusals(form, target)]
    for seen in await gateway.together([Ask(form=form), *others, *refused]):
        expect(seen.header("request_id"), expected="a request id in its header", actual=seen.said)


@pytest.mark.requirement("headers.request_id.unique")
async def test_no_two_responses_have_the_same_id(gateway: Gateway, target: Target, expect: Expect) -> None:
    """Every response bears a request id that no other response bears, though clients may send one of their own."""
    name = target.dialect.headers["request_id"]
    claims = Ask(headers=((name, "mine"), ("x-request-id", "mine")))
    refused = Raw(method="GET", path="/routeproof/no-such-path")
    seen = await gateway.together([Ask(), claims, refused, Raw(method="GET", path="/models")] * 5)
    ids = [value for each in seen if (value := each.header("request_id"))]
    if not ids:
        raise NotTestable(f"no response bears a request id ({named(seen[0])})")
    counted = Counter(ids)
    twice = {value: count for value, count in counted.items() if count > 1}
    expect(not twice, expected=f"{len(ids)} different request ids", actual=f"the same ones: {twice}")


@pytest.mark.requirement("headers.routed.error")
@pytest.mark.parametrize(("form", "fault"), cases((*FAILURES, Fault(name="400", behaviour=fail(400)))), ids=str)
async def test_error_after_routing_names_provider_and_latency(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, fault: Fault
) -> None:
    """An error that comes after routing bears `X-Inferoute-Provider` and `X-Inferoute-Latency-Ms` too."""
    link = gateway.chain(1, form=form)[0]
    await fault.at(providers, link.provider)
    seen = await gateway.send(Ask(form=form, model=link.model))
    expect(seen.status not in (None, 200), expected=f"an error after {fault}", actual=seen.said)
    expect(seen.header("provider"), expected="the provider's name in its header", actual=named(seen))
    breach = latency_breach(seen.header("latency_ms"), measured=math.inf)
    expect(breach is None, expected="the latency in its header", actual=breach)


@pytest.mark.requirement("headers.latency.integer")
@forms
async def test_latency_is_a_whole_number(gateway: Gateway, expect: Expect, form: Form) -> None:
    """Every answer that a provider served bears `X-Inferoute-Latency-Ms`, a non-negative integer."""
    seen = await gateway.send(Ask(form=form))
    expect.success(seen)
    breach = latency_breach(seen.header("latency_ms"), measured=math.inf)
    expect(breach is None, expected="the latency in its header, a non-negative integer", actual=breach)


@pytest.mark.requirement("headers.latency.bounded")
@forms
async def test_latency_is_no_more_than_was_measured(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form
) -> None:
    """`X-Inferoute-Latency-Ms` is not more than the time that the client measured, where the provider is slow."""
    await providers.behave_all(latency(SLOW))  # in a fast answer hardly a claim is large enough to be false
    await claims_no_more_than_measured(gateway, expect, form)


@pytest.mark.requirement("headers.latency.bounded")
@forms
async def test_latency_of_an_ordinary_answer_is_no_more_than_was_measured(
    gateway: Gateway, expect: Expect, form: Form
) -> None:
    """`X-Inferoute-Latency-Ms` is not more than the time that the client measured."""
    await claims_no_more_than_measured(gateway, expect, form)


async def claims_no_more_than_measured(gateway: Gateway, expect: Expect, form: Form) -> None:
    """The header of an answer claims no more than its client measured."""
    seen = await gateway.send(Ask(form=form))
    expect.success(seen)
    breach = latency_breach(claimed_latency(seen), measured=measured(seen))
    expect(breach is None, expected="no more than the client measured", actual=breach)


def measured(seen: Observed) -> float:
    """Return the seconds that the client waited: for all of a whole answer, for the first bytes of a stream."""
    frames = seen.exchange.frames
    ended = frames[0].at if seen.is_stream and frames else seen.exchange.ended_at
    return ended - seen.exchange.sent_at


@pytest.mark.requirement("headers.latency.whole")
@pytest.mark.parametrize("form", WHOLE, ids=str)
async def test_latency_of_a_whole_answer_holds_the_providers(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form
) -> None:
    """For a whole answer `X-Inferoute-Latency-Ms` is not less than the time that the provider took to complete it."""
    await claims_at_least(SLOW, gateway, providers, expect, form=form, behaviour=stall(bytes=20, seconds=SLOW))


@pytest.mark.requirement("headers.latency.first_byte")
@pytest.mark.parametrize("form", STREAMS, ids=str)
async def test_latency_of_a_stream_holds_the_first_event(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form
) -> None:
    """For a stream `X-Inferoute-Latency-Ms` is not less than the time that the provider took to its first event."""
    await claims_at_least(SLOW, gateway, providers, expect, form=form, behaviour=stall(frames=0, seconds=SLOW))


async def claims_at_least(
    seconds: float, gateway: Gateway, providers: Providers, expect: Expect, *, form: Form, behaviour: Behaviour
) -> None:
    """The provider sends its head at once and what counts after *seconds*: the header does not claim less."""
    link = gateway.chain(1, form=form)[0]
    await providers.behave(link.provider, behaviour)
    seen = await gateway.send(Ask(form=form, model=link.model))
    expect.success(seen)
    breach = latency_breach(claimed_latency(seen), measured=math.inf, at_least=seconds)
    expect(breach is None, expected="no less than the provider took", actual=breach)
