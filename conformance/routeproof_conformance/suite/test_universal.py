"""What holds for every gateway, whatever it declares."""

from __future__ import annotations

import pytest

from routeproof_conformance.api import (
    EMBEDDING,
    FORMS,
    MARK,
    STREAMS,
    Ask,
    Expect,
    Fact,
    Form,
    Gateway,
    Leave,
    Providers,
    Target,
    parsed,
)
from routeproof_conformance.judge.ending import pretence
from routeproof_conformance.vocabulary import client, faults
from routeproof_conformance.vocabulary.both_sides import events_of, last_attempt, usage_of, voices
from routeproof_conformance.vocabulary.falling_back import failing
from routeproof_conformance.vocabulary.faults import Fault, cases, joined
from routeproof_conformance.vocabulary.leaks import LEAKS, STREAM_LEAKS, expect_kept
from routeproof_conformance.vocabulary.leaving import expect_felt
from routeproof_conformance.vocabulary.offered import offered
from routeproof_conformance.vocabulary.patience import longer_than
from routeproof_conformance.vocabulary.refusals import refusals
from routeproof_conformance.vocabulary.vectors import widths
from routeproof_simulator.behaviours import Behaviour, fail, insert, ok, pace, stall, usage
from routeproof_spec.errors import TargetUnreachable, Violation
from routeproof_spec.history import Ended
from routeproof_spec.redaction import fingerprint

each_form = pytest.mark.parametrize("form", FORMS, ids=str)

#: Seconds after which a client goes away: the request has reached its provider by then.
PATIENCE = 0.15

#: Counts that no gateway comes to by its own reckoning.
COUNTED = usage(1234, 567)

#: What a provider sends after its own `[DONE]`.
AFTER_DONE = {
    "nothing": ok,
    "done-again": insert(before="done", text="data: [DONE]\n\n"),
    "words": insert(before="done", text='data: [DONE]\n\ndata: {"late": true}\n\n'),
    "error": insert(before="done", text='data: [DONE]\n\ndata: {"error": {"message": "Too late."}}\n\n'),
}


# Amplification and time


@pytest.mark.requirement("universal.attempts.bounded")
@pytest.mark.parametrize(
    ("form", "fault"),
    cases([faults.OVERLOADED, faults.RATE_LIMITED, faults.RESET, *faults.CREDENTIALS[:1], *faults.MEDIA_TYPES[:1]]),
    ids=str,
)
async def test_total_outage_does_not_multiply_attempts(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect, form: Form, fault: Fault
) -> None:
    """A request causes no more attempts than its chain has providers, times the declared retries."""
    chain = gateway.chain(3, form=form)
    for name in chain.providers:
        await fault.at(providers, name)
    seen = await gateway.send(Ask(form=form, chain=chain))
    most = len(chain) * (1 + target.routing.retries)
    asked = " → ".join(seen.providers)
    expect(0 < len(seen.attempts) <= most, expected=f"1 to {most} attempts", actual=f"{len(seen.attempts)}: {asked}")


@pytest.mark.requirement("universal.time.bounded")
@pytest.mark.parametrize("endless", faults.ENDLESS, ids=joined)
async def test_every_request_ends(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect, endless: tuple[Fault, ...]
) -> None:
    """Every request comes to an end in bounded time, whatever the provider does."""
    limit = (target.timing.total or target.timing.request_deadline) * (1 + target.routing.retries)
    stay = longer_than(target, limit)
    asks: list[Ask] = []
    for fault, name in zip(endless, providers.some(len(endless)), strict=True):
        await fault.at(providers, name)
        forms = offered(target, fault.forms)
        asks += [Ask(form=form, model=gateway.pinned(name, form=form), within=stay) for form in forms]
    for ask, seen in zip(asks, await gateway.together(asks), strict=True):
        expect(seen.exchange.ended is not Ended.TIMED_OUT, expected="an end", actual=seen.said)
        expect.at_most(seen.exchange.duration, limit, f"a request for {ask.form}")


# Streams that fail


@pytest.mark.requirement("universal.cut.honest")
@pytest.mark.parametrize(("form", "fault"), cases(faults.BROKEN_BEFORE_FINISH), ids=str)
async def test_broken_stream_does_not_look_complete(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, fault: Fault
) -> None:
    """A cut or failed stream ends in an error or a broken connection, not as if it were complete."""
    seen = await failing(gateway, providers, form, fault, links=1)
    if seen.status != 200:
        return  # told before the first byte: as honest as can be
    found = pretence(seen.events, seen.exchange.ended, sent=events_of(last_attempt(expect, seen)))
    expect(found is None, expected="an error event or a broken connection", actual=f"{found}: {seen.said}")


@pytest.mark.requirement("universal.text.once", "universal.text.single")
@pytest.mark.parametrize(("form", "fault"), cases(faults.CUT_IN_TEXT), ids=str)
async def test_no_text_comes_twice_and_none_from_two_providers(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, fault: Fault
) -> None:
    """No provider's text reaches the client twice, and after its first byte no second provider's does."""
    seen = await failing(gateway, providers, form, fault, links=2)
    heard = voices("".join(seen.texts.values()), providers.names)
    told = " then ".join(heard)
    expect(len(heard) == len(set(heard)), expected="each text once", actual=told)
    expect.of("universal.text.single")(len(set(heard)) <= 1, expected="one provider's text", actual=told)


@pytest.mark.requirement("universal.done.last")
@pytest.mark.parametrize("behaviour", AFTER_DONE.values(), ids=AFTER_DONE)
@pytest.mark.parametrize("form", STREAMS, ids=str)
async def test_nothing_follows_done(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, behaviour: Behaviour
) -> None:
    """`[DONE]` comes at most once in a stream, with no event after it, though the provider sends more."""
    await providers.behave_all(behaviour)
    seen = await gateway.send(Ask(form=form))
    expect(seen.chunks, expected="a stream", actual=seen.said)
    expect.grammar(seen, "done_last")


# Secrets


@pytest.mark.requirement("universal.secret.provider")
@pytest.mark.parametrize("leak", LEAKS)
@each_form
async def test_gateways_key_does_not_reach_the_client(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, leak: str
) -> None:
    """The gateway's key at a provider does not reach the client, though the provider quotes it."""
    await expect_kept(gateway, providers, expect, form, LEAKS[leak])


@pytest.mark.requirement("universal.secret.provider")
@pytest.mark.parametrize("leak", STREAM_LEAKS)
@pytest.mark.parametrize("form", STREAMS, ids=str)
async def test_gateways_key_does_not_reach_the_client_in_a_stream(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, leak: str
) -> None:
    """The gateway's key at a provider does not reach the client, though a stream that has begun quotes it."""
    await expect_kept(gateway, providers, expect, form, STREAM_LEAKS[leak])


@pytest.mark.requirement("universal.secret.client")
@pytest.mark.parametrize("links", [1, 2], ids=["served", "fallen-back"])
@each_form
async def test_clients_key_does_not_reach_a_provider(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, links: int
) -> None:
    """The client's key at the gateway does not reach a provider, neither in a head nor in a body."""
    chain = gateway.chain(links, form=form)
    for name in chain.providers[:-1]:
        await providers.behave(name, fail(503))
    seen = await gateway.send(Ask(form=form, chain=chain))
    expect.success(seen)
    key = gateway.key("main")
    for attempt in seen.attempts:
        # The journal holds fingerprints in place of credentials.
        head = [name for name, value in attempt.request_headers if key in value or fingerprint(key) in value]
        places = head + ["the body"] * (key.encode() in attempt.request_body) + ["the path"] * (key in attempt.path)
        expect(not places, expected=f"nothing of the client's key at {attempt.provider}", actual=", ".join(places))


# Errors


@pytest.mark.requirement("universal.error.message")
@each_form
async def test_every_error_has_a_message(gateway: Gateway, target: Target, expect: Expect, form: Form) -> None:
    """Every error body parses as JSON and holds a text in `error.message`."""
    seen = [await gateway.send(refusal.request) for refusal in refusals(form, target)]
    errors = [each for each in seen if each.status is None or each.status >= 400]
    if not errors:
        raise Fact("the gateway refuses no request, however wrong, so that there is no error body")
    for each in errors:
        expect(each.error.message, expected="a text in error.message", actual=each.said)


# Clients that leave


@pytest.mark.requirement("universal.leaving.waiting")
async def test_client_that_leaves_while_waiting_is_felt(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect
) -> None:
    """A client that leaves before its answer began is felt at the provider: the attempt is cancelled at once."""
    await providers.behave_all(faults.UNANSWERED.behaviour)
    asks = [Ask(form=form, leave=Leave.waiting(PATIENCE)) for form in offered(target)]
    for seen in await gateway.together(asks):
        expect_felt(expect, seen)


@pytest.mark.requirement("universal.leaving.streaming")
@pytest.mark.parametrize("behaviour", [stall(frames=3), pace(20.0)], ids=["stalled", "flowing"])
@pytest.mark.parametrize("leave", [Leave.streaming(), Leave.waiting(PATIENCE)], ids=["first-event", "middle"])
async def test_client_that_leaves_a_stream_is_felt(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect, behaviour: Behaviour, leave: Leave
) -> None:
    """A client that leaves in the middle of a stream is felt at the provider: the attempt is cancelled at once."""
    await providers.behave_all(behaviour)
    for seen in await gateway.together([Ask(form=form, leave=leave) for form in offered(target, STREAMS)]):
        expect_felt(expect, seen)


# The answer's numbers


@pytest.mark.requirement("universal.usage.equal")
@pytest.mark.parametrize("links", [1, 2], ids=["served", "fallen-back"])
@each_form
async def test_usage_is_that_of_the_attempt_that_served(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, links: int
) -> None:
    """The `usage` that the client gets, whole or streamed, is that of the attempt that served."""
    chain = gateway.chain(links, form=form)
    for name in chain.providers[:-1]:
        await providers.behave(name, fail(503))
    await providers.behave(chain.providers[-1], COUNTED)
    body = {"stream_options": {"include_usage": True}} if form.stream else {}
    seen = await gateway.send(Ask(form=form, chain=chain, body=body))
    expect.success(seen)
    sent = usage_of(last_attempt(expect, seen))
    told = {name: (seen.usage or {}).get(name) for name in sent}
    expect(told == sent, expected=f"usage {sent}", actual=f"usage {seen.usage}")


@pytest.mark.requirement("universal.embedding.width")
@pytest.mark.parametrize("dimensions", [None, 8, 256])
async def test_embedding_has_the_providers_width(gateway: Gateway, expect: Expect, dimensions: int | None) -> None:
    """An embedding decodes to the provider's number of dimensions in the official OpenAI client."""
    wish = {} if dimensions is None else {"dimensions": dimensions}
    texts = ["A river.", f"A town. {MARK}"]
    body = {"input": texts, **client.BODY["embeddings"], **wish}
    seen = await gateway.send(Ask(form=EMBEDDING, headers=client.HEAD, body=body))
    expect.success(seen)
    sent, got = widths(parsed(last_attempt(expect, seen).body)), widths(seen.json)
    expect(len(sent) == len(texts), expected=f"{len(texts)} embeddings from the provider", actual=sent)
    expect(got == sent, expected=f"embeddings of so many dimensions: {sent}", actual=got)


# The gateway afterwards


@pytest.mark.requirement("universal.gateway.alive")
@each_form
async def test_gateway_serves_after_every_fault(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form
) -> None:
    """After any fault the gateway still serves an ordinary request."""
    broken, sound = providers.some(2)
    faulty = Ask(form=form, model=gateway.pinned(broken, form=form))
    ordinary = Ask(form=form, model=gateway.pinned(sound, form=form))
    for _, fault in cases([*faults.BROKEN_ANSWERS, *faults.BROKEN_STREAMS], forms=(form,)):
        await providers.heal()
        await fault.at(providers, broken)
        try:
            await gateway.send(faulty)
            seen = await gateway.send(ordinary)
        except TargetUnreachable as error:
            raise Violation(expect.requirement, expected=f"a gateway after {fault}", actual=str(error)) from error
        expect(seen.ok, expected=f"an ordinary answer after {fault}", actual=seen.said)
