"""Who is asked next, when, and what the caller is told when nobody helps."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from routeproof_conformance.api import (
    CHAT,
    CHAT_STREAM,
    COMPLETION,
    COMPLETION_STREAM,
    FORMS,
    WHOLE,
    Ask,
    Expect,
    Fact,
    Form,
    Gateway,
    Pools,
    Providers,
    Target,
    request_json,
)
from routeproof_conformance.judge.order import collapsed
from routeproof_conformance.vocabulary import faults
from routeproof_conformance.vocabulary.falling_back import (
    all_fall_back,
    expect_alike,
    failing,
    falls_back,
    outsider,
    require_attempts,
    require_list,
    require_retry_after,
    suffering,
    told,
)
from routeproof_conformance.vocabulary.faults import (
    OVERLOADED,
    RATE_LIMITED,
    REFUSED,
    RESET,
    UNANSWERED,
    UNCONTINUED,
    Fault,
    cases,
    joined,
    limited,
)
from routeproof_conformance.vocabulary.offered import offered
from routeproof_conformance.vocabulary.parameters import additions, changes, groups
from routeproof_simulator.behaviours import Behaviour, fail, ok, stall

each_form = pytest.mark.parametrize("form", FORMS, ids=str)


# When nobody asked for it


@pytest.mark.requirement("fallback.absent.single")
@pytest.mark.parametrize("behaviour", [ok, fail(503), fail(400), RESET.behaviour], ids=str)
@each_form
async def test_without_a_list_one_attempt_is_made(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, behaviour: Behaviour
) -> None:
    """Without a fallback list a request causes exactly one attempt, whatever becomes of it."""
    await providers.behave_all(behaviour)
    seen = await gateway.send(Ask(form=form))
    expect.attempts(seen, seen.first or "whoever is chosen")


@pytest.mark.requirement("fallback.absent.immediate")
@pytest.mark.parametrize("behaviour", [fail(503), fail(429, retry_after=2), RESET.behaviour], ids=str)
async def test_without_a_list_a_failure_comes_back_at_once(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect, behaviour: Behaviour
) -> None:
    """Without a fallback list a provider's failure comes back to the client at once, whatever its `Retry-After`."""
    await providers.behave_all(behaviour)
    asks = [Ask(form=form, chain=gateway.chain(1, form=form)) for form in offered(target)]
    for ask, seen in zip(asks, await gateway.together(asks), strict=True):
        expect(seen.status not in (None, 200), expected="the failure told as an error", actual=seen.said)
        expect.at_most(seen.exchange.duration, 0.0, f"a request for {ask.form} whose provider fails at once")


# What leads to the next attempt


@pytest.mark.requirement("fallback.on.server_error")
@pytest.mark.parametrize(("form", "fault"), cases(faults.SERVER_ERRORS), ids=str)
async def test_server_error_leads_to_the_next_attempt(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, fault: Fault
) -> None:
    """With a fallback list, a provider's 5xx leads to the next attempt."""
    await falls_back(gateway, providers, expect, form, fault)


@pytest.mark.requirement("fallback.on.refused")
@each_form
async def test_refused_connection_leads_to_the_next_attempt(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form
) -> None:
    """With a fallback list, a refused connection leads to the next attempt."""
    await falls_back(gateway, providers, expect, form, REFUSED)


@pytest.mark.requirement("fallback.on.reset")
@pytest.mark.parametrize(("form", "fault"), cases(faults.RESETS), ids=str)
async def test_reset_before_the_first_byte_leads_to_the_next_attempt(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, fault: Fault
) -> None:
    """With a fallback list, a connection reset before the answer's first byte leads to the next attempt."""
    seen = await failing(gateway, providers, form, fault, links=2)
    body = seen.exchange.body
    if body and any(each.body.startswith(body) for each in seen.attempts[:1]):
        raise Fact("the answer's first bytes had gone to the client before the reset, so that no attempt may follow")
    expect.attempts(seen, *gateway.chain(2, form=form).providers)
    expect.success(seen)


@pytest.mark.requirement("fallback.on.role_alone")
@pytest.mark.parametrize(
    "fault",
    [*faults.ROLE_ALONE, Fault(name="stall-after-role", behaviour=stall(before="content"), forms=(CHAT_STREAM,))],
    ids=str,
)
async def test_failure_before_the_first_text_leads_to_the_next_attempt(
    gateway: Gateway, providers: Providers, expect: Expect, fault: Fault
) -> None:
    """With a fallback list, a stream that fails when it has named its role alone leads to the next attempt."""
    await falls_back(gateway, providers, expect, CHAT_STREAM, fault)


@pytest.mark.requirement("fallback.on.timeout")
@pytest.mark.parametrize("fault", [UNANSWERED, UNCONTINUED], ids=str)
async def test_silence_leads_to_the_next_attempt(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect, fault: Fault
) -> None:
    """With a fallback list, a provider that does not answer in time leads to the next attempt, in every form."""
    await all_fall_back(gateway, providers, expect, offered(target), fault)


@pytest.mark.requirement("fallback.on.rate_limit")
@pytest.mark.parametrize("fault", faults.RATE_LIMITS, ids=str)
async def test_rate_limit_leads_to_the_next_attempt(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect, fault: Fault
) -> None:
    """With a fallback list, a provider's 429 leads to the next attempt, with and without a `Retry-After`."""
    await all_fall_back(gateway, providers, expect, offered(target), fault)


@pytest.mark.requirement("fallback.on.credentials")
@pytest.mark.parametrize(("form", "fault"), cases(faults.CREDENTIALS), ids=str)
async def test_refused_credentials_lead_to_the_next_attempt(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, fault: Fault
) -> None:
    """With a fallback list, a provider's 401, 402 or 403, which blames the gateway, leads to the next attempt."""
    await falls_back(gateway, providers, expect, form, fault)


@pytest.mark.requirement("fallback.on.other_status")
@pytest.mark.parametrize(("form", "fault"), cases(faults.OTHER_STATUSES), ids=str)
async def test_other_status_leads_to_the_next_attempt(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, fault: Fault
) -> None:
    """With a fallback list, any other status but 200, 400, 413 and 422 leads to the next attempt."""
    await falls_back(gateway, providers, expect, form, fault)


@pytest.mark.requirement("fallback.on.broken_body")
@pytest.mark.parametrize(("form", "fault"), cases(faults.BROKEN_BODIES), ids=str)
async def test_broken_answer_leads_to_the_next_attempt(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, fault: Fault
) -> None:
    """With a fallback list, a whole answer that breaks off or is not JSON leads to the next attempt."""
    await falls_back(gateway, providers, expect, form, fault)


@pytest.mark.requirement("fallback.on.media_type")
@pytest.mark.parametrize(("form", "fault"), cases(faults.MEDIA_TYPES), ids=str)
async def test_wrong_content_type_leads_to_the_next_attempt(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, fault: Fault
) -> None:
    """With a fallback list, a 200 with another content type than was promised leads to the next attempt."""
    await falls_back(gateway, providers, expect, form, fault)


@pytest.mark.requirement("fallback.on.error_object")
@pytest.mark.parametrize(("form", "fault"), cases(faults.ERROR_OBJECTS), ids=str)
async def test_error_in_a_200_leads_to_the_next_attempt(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, fault: Fault
) -> None:
    """With a fallback list, a 200 whose body is an error object leads to the next attempt."""
    await falls_back(gateway, providers, expect, form, fault)


@pytest.mark.requirement("fallback.on.empty_stream")
@pytest.mark.parametrize(("form", "fault"), cases(faults.EMPTY_STREAMS), ids=str)
async def test_stream_without_an_event_leads_to_the_next_attempt(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, fault: Fault
) -> None:
    """With a fallback list, a stream that ends before its first event leads to the next attempt."""
    await falls_back(gateway, providers, expect, form, fault)


@pytest.mark.requirement("fallback.on.stream_error")
@pytest.mark.parametrize(("form", "fault"), cases(faults.STREAM_ERRORS), ids=str)
async def test_error_as_the_first_event_leads_to_the_next_attempt(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, fault: Fault
) -> None:
    """With a fallback list, a stream whose first event is an error, in whosever words, leads to the next attempt."""
    await falls_back(gateway, providers, expect, form, fault)


# What does not


@pytest.mark.requirement("fallback.never.client_error")
@pytest.mark.parametrize(("form", "fault"), cases(faults.CLIENT_MISTAKES), ids=str)
async def test_client_mistake_is_tried_once(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, fault: Fault
) -> None:
    """A provider's 400, 413 or 422 does not lead to another attempt: there is one, and it answered so."""
    seen = await failing(gateway, providers, form, fault, links=2)
    expect.attempt_count(seen, 1)
    expect(str(seen.attempts[0].status) == fault.name, expected=f"an attempt that met {fault}", actual=seen.said)
    expect(not seen.ok, expected="an error", actual=seen.said)


@pytest.mark.requirement("fallback.first_byte.final")
@pytest.mark.parametrize(("form", "fault"), cases(faults.CUT_IN_TEXT), ids=str)
async def test_no_attempt_is_made_after_the_first_byte(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, fault: Fault
) -> None:
    """No other attempt is made once the first byte of the answer has gone to the client."""
    seen = await failing(gateway, providers, form, fault, links=2)
    began = seen.exchange.frames[0].at if seen.exchange.frames else seen.exchange.ended_at
    late = [
        f"{each.provider} {each.received_at - began:.3f} s later" for each in seen.attempts if each.received_at > began
    ]
    expect(not late, expected="no attempt after the client's first byte", actual=", ".join(late))


# The list


@pytest.mark.requirement("fallback.order.listed")
@pytest.mark.parametrize("is_backwards", [False, True], ids=["forwards", "backwards"])
@each_form
async def test_models_are_tried_in_the_order_of_the_list(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, is_backwards: bool
) -> None:
    """The models of the fallback list are tried in the order in which they are listed, after the primary."""
    chain = gateway.chain(3, form=form, is_backwards=is_backwards)
    for name in chain.providers[:2]:
        await providers.behave(name, fail(503))
    seen = await gateway.send(Ask(form=form, chain=chain))
    expect.attempts(seen, *chain.providers)
    expect.success(seen)


@pytest.mark.requirement("fallback.order.stops")
@each_form
async def test_first_success_is_the_last_attempt(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form
) -> None:
    """The first attempt that succeeds is the last, be it the primary's or another's."""
    chain = gateway.chain(3, form=form)
    for behaviour in (ok, fail(503)):
        await providers.behave(chain[0].provider, behaviour)
        seen = await gateway.send(Ask(form=form, chain=chain))
        early = [each.provider for each in seen.attempts[:-1] if each.status == 200]
        expect(not early, expected="no attempt after a success", actual=told(seen))


@pytest.mark.requirement("fallback.list.blanks")
@each_form
async def test_blanks_and_empty_items_mean_nothing(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect, form: Form
) -> None:
    """Blanks around the commas of the fallback list, and its empty items, are ignored."""
    require_list(target, "header")
    chain = gateway.chain(3, form=form)
    await providers.behave_all(fail(503))
    for spelling in ("{},{}", "{}  ,  {}", ",{},,{},", "{}\t,\t, {}"):
        listed = spelling.format(*chain.models[1:])
        seen = await gateway.send(Ask(form=form, model=chain[0].model, fallback=listed))
        expect(set(seen.providers) == set(chain.providers), expected=f"all tried of {listed!r}", actual=told(seen))


@pytest.mark.requirement("fallback.list.repeats")
@each_form
async def test_repeated_model_is_tried_once(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect, form: Form
) -> None:
    """A model that the fallback list repeats, or that was tried already, is tried only once."""
    require_list(target, "header", "body")
    chain = gateway.chain(3, form=form)
    await providers.behave_all(fail(503))
    first, second, third = chain.models
    seen = await gateway.send(Ask(form=form, model=first, fallback=(second, second, first, third, second)))
    asked = collapsed(seen.providers)
    expect(len(asked) == len(set(asked)), expected="each model once", actual=told(seen))
    require_attempts(seen, 3)


@pytest.mark.requirement("fallback.list.unknown")
@pytest.mark.parametrize("place", [0, 1], ids=["first", "last"])
@each_form
async def test_unknown_model_in_the_list_is_refused(
    gateway: Gateway, target: Target, expect: Expect, form: Form, place: int
) -> None:
    """An unknown model in the fallback list is answered with 404 `not_found_error`, and no provider is asked."""
    require_list(target, "header", "body")
    primary, known = gateway.chain(2, form=form).models
    expect.success(await gateway.send(Ask(form=form, model=primary, fallback=(known,))))
    listed = (target.models.unknown, known) if place == 0 else (known, target.models.unknown)
    seen = await gateway.send(Ask(form=form, model=primary, fallback=listed))
    expect.error(seen, 404, "not_found_error")
    expect.unsent(seen)


@pytest.mark.requirement("fallback.providers.first")
@each_form
async def test_every_provider_of_a_model_comes_before_the_next_model(
    gateway: Gateway, target: Target, providers: Providers, pools: Pools, expect: Expect, form: Form
) -> None:
    """With a fallback list, every provider of one model is tried before the next model."""
    require_list(target, "header", "body")
    pool = pools.shared(operation=form.operation)
    after = outsider(target, pool, form)
    for name in pool.providers:
        await providers.behave(name, fail(503))
    seen = await gateway.send(Ask(form=form, model=pool.model, fallback=(after.model,)))
    asked = collapsed(seen.providers)
    own = ", ".join(pool.providers)
    expect(sorted(asked[:-1]) == sorted(pool.providers), expected=f"{own} in any order, then another", actual=asked)
    expect.served_by(seen, after.provider)


@pytest.mark.requirement("fallback.providers.strategy")
@pytest.mark.needs("strategy.cost")
@each_form
async def test_providers_of_a_model_are_tried_in_the_order_of_the_strategy(
    gateway: Gateway, target: Target, providers: Providers, pools: Pools, expect: Expect, form: Form
) -> None:
    """With a fallback list, the providers of one model are tried in the order of the strategy: the cheapest first."""
    require_list(target, "header", "body")
    pool = pools.shared(strategy="cost", size=2, operation=form.operation, priced=True)
    after = outsider(target, pool, form)
    for name in pool.providers:
        await providers.behave(name, fail(503))
    seen = await gateway.send(Ask(form=form, model=pool.model, strategy="cost", fallback=(after.model,)))
    expect.attempts(seen, *pool.cheapest_first, after.provider)


@pytest.mark.requirement("fallback.payload.same")
@each_form
async def test_every_attempt_carries_the_same_payload(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form
) -> None:
    """Every attempt of a request carries the same payload, but for the model's name."""
    chain = gateway.chain(3, form=form)
    for name in chain.providers[:2]:
        await providers.behave(name, fail(503))
    for fields in groups(form).values():
        seen = await gateway.send(Ask(form=form, chain=chain, body=fields))
        require_attempts(seen, 2)
        first, *others = map(request_json, seen.attempts)
        strays = [stray for other in others for stray in (*changes(first, other), *additions(first, other))]
        expect(not strays, expected="the payload of the first attempt in every other", actual="; ".join(strays))


@pytest.mark.requirement("fallback.served.named")
@each_form
async def test_who_served_after_a_fallback_is_named(
    gateway: Gateway, target: Target, providers: Providers, pools: Pools, expect: Expect, form: Form
) -> None:
    """After a fallback the provider header and `model` name the provider and the model that served."""
    require_list(target, "header", "body")
    pool = pools.shared(operation=form.operation)
    after = outsider(target, pool, form)
    for name in pool.providers:
        await providers.behave(name, fail(503))
    seen = await gateway.send(Ask(form=form, model=pool.model, fallback=(after.model,)))
    require_attempts(seen, 3)
    expect.served_by(seen, after.provider)
    named = seen.header("provider")
    expect(named == target.called(after.provider), expected=f"the provider header {after.provider}", actual=named)
    # A gateway may call the model by the name that was listed, by its own short one, or by the provider's.
    names = {after.model, after.model.rpartition("/")[2], request_json(seen.attempts[-1]).get("model")}
    expect(seen.model in names, expected="model " + " or ".join(map(str, names)), actual=seen.model)


# Parity


@pytest.mark.requirement("fallback.parity.stream")
@pytest.mark.parametrize("fault", [*faults.FAILURES, *faults.CLIENT_MISTAKES], ids=str)
@pytest.mark.parametrize("forms", [(CHAT, CHAT_STREAM), (COMPLETION, COMPLETION_STREAM)], ids=["chat", "completions"])
async def test_stream_and_whole_answer_fall_back_alike(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect, forms: tuple[Form, ...], fault: Fault
) -> None:
    """A failure before the first byte leads to the same attempts for a stream as for a whole answer."""
    seen = [await failing(gateway, providers, form, fault, links=2) for form in offered(target, forms, at_least=2)]
    expect_alike(expect, seen)


@pytest.mark.requirement("fallback.parity.operations")
@pytest.mark.parametrize("fault", [*faults.FAILURES, *faults.CLIENT_MISTAKES], ids=str)
async def test_every_operation_falls_back_alike(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect, fault: Fault
) -> None:
    """A failure leads to the same attempts whichever operation was asked for."""
    seen = [await failing(gateway, providers, form, fault, links=2) for form in offered(target, WHOLE, at_least=2)]
    expect_alike(expect, seen)


# When nobody helps


@pytest.mark.requirement("fallback.exhausted.unavailable")
@pytest.mark.parametrize(
    "outage",
    [
        (OVERLOADED,),
        (REFUSED,),
        (OVERLOADED, OVERLOADED, OVERLOADED),
        (RATE_LIMITED, OVERLOADED),
        (faults.MEDIA_TYPES[0], faults.CREDENTIALS[0]),
    ],
    ids=joined,
)
@each_form
async def test_total_outage_is_told_as_503(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, outage: tuple[Fault, ...]
) -> None:
    """When every attempt failed at the provider, and not all with 429, the answer is 503 `provider_error`."""
    seen = await suffering(gateway, providers, form, outage)
    if seen.attempts and {each.status for each in seen.attempts} == {429}:
        raise Fact(f"nothing but 429 was met, so that another answer is due: {told(seen)}")
    expect.error(seen, 503, "provider_error")


@pytest.mark.requirement("fallback.exhausted.rate_limited")
@pytest.mark.parametrize("links", [1, 3])
@each_form
async def test_rate_limit_everywhere_is_told_as_429(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, links: int
) -> None:
    """When every attempt that was made met a provider's 429, the answer is 429 `rate_limit_error`."""
    seen = await suffering(gateway, providers, form, (RATE_LIMITED,) * links)
    expect({each.status for each in seen.attempts} == {429}, expected="attempts that met 429", actual=told(seen))
    expect.error(seen, 429, "rate_limit_error")


@pytest.mark.requirement("fallback.retry_after.relayed")
@pytest.mark.parametrize("links", [1, 2])
async def test_retry_after_is_handed_on(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect, links: int
) -> None:
    """The `Retry-After` of a provider's 429 is handed on with the 429 that the client gets, in every form."""
    require_retry_after(target)
    await providers.behave_all(fail(429, retry_after=2))
    asks = [Ask(form=form, chain=gateway.chain(links, form=form)) for form in offered(target)]
    for seen in await gateway.together(asks):  # some wait those seconds before they answer
        expect.status(seen, 429)
        expect(seen.header("retry-after") == "2", expected="Retry-After: 2", actual=seen.header("retry-after"))


@pytest.mark.requirement("fallback.retry_after.smallest")
@pytest.mark.parametrize(
    "outage",
    [
        (limited(429, 4), limited(429, 2), limited(429, 3)),
        (limited(503), limited(429, 2), limited(503)),
        (limited(429, 4), limited(503, 2)),
    ],
    ids=joined,
)
@each_form
async def test_smallest_retry_after_of_a_chain_is_told(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect, form: Form, outage: tuple[Fault, ...]
) -> None:
    """When all of a chain failed, the answer bears the smallest `Retry-After` that a provider named."""
    require_retry_after(target)
    seen = await suffering(gateway, providers, form, outage)
    require_attempts(seen, len(outage))
    expect(seen.header("retry-after") == "2", expected="Retry-After: 2", actual=seen.header("retry-after"))


@pytest.mark.requirement("fallback.retry_after.seconds")
@each_form
async def test_retry_after_as_a_date_is_told_in_seconds(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect, form: Form
) -> None:
    """A `Retry-After` that a provider gives as a date reaches the client in seconds."""
    require_retry_after(target)
    date = formatdate(time.time() + 4, usegmt=True)
    seen = await suffering(gateway, providers, form, (limited(429, date),))
    # The date has whole seconds, and up to one of them may have passed on the way.
    found = seen.header("retry-after")
    expect(found in ("2", "3", "4"), expected=f"Retry-After: 4, as {date} has it, or a little less", actual=found)
