"""Silence, stalls and drips end; what is merely slow does not."""

from __future__ import annotations

import json
import math
import time

import pytest
import trio

from routeproof_conformance.api import (
    CHAT,
    CHAT_STREAM,
    STREAMS,
    WHOLE,
    Ask,
    Expect,
    Fact,
    Form,
    Gateway,
    Leave,
    NotTestable,
    Observed,
    Providers,
    Target,
)
from routeproof_conformance.vocabulary.both_sides import last_attempt
from routeproof_conformance.vocabulary.endless import (
    FILLERS,
    OPENING,
    endless,
    filler_of,
    opening_of,
    text_of,
)
from routeproof_conformance.vocabulary.faults import SILENT, UNANSWERED
from routeproof_conformance.vocabulary.offered import offered
from routeproof_conformance.vocabulary.patience import longer_than
from routeproof_simulator.behaviours import compose, drip, insert, latency, stall
from routeproof_spec.history import Ended

#: Share of a timeout that a slow answer takes of it.
SLOW_SHARE = 0.6

#: No answer is shorter, in bytes.
ANSWER_BYTES_MIN = 200

#: So much is streamed to a client that does not read: more than sockets take in without one.
UNREAD_EVENTS = 7
UNREAD_CHARS = 1_000_000

#: So many requests wait for so many seconds at a provider that does not answer: more than small pools can hold.
WAITING = 24
WAIT = 0.5


@pytest.mark.requirement("timeouts.silence.bounded")
async def test_silence_ends_within_the_timeout(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect
) -> None:
    """A request whose provider accepts the connection and never answers ends within the declared timeout."""
    limit = target.need(target.timing.headers, "timing.headers") * (1 + target.routing.retries)
    stay = longer_than(target, limit)
    asks: list[Ask] = []
    for fault, name in zip((SILENT, UNANSWERED), providers.some(2), strict=True):
        await fault.at(providers, name)
        asks += [Ask(form=form, model=gateway.pinned(name, form=form), within=stay) for form in offered(target)]
    for ask, seen in zip(asks, await gateway.together(asks), strict=True):
        expect(not seen.ok, expected="an error, for no provider answered", actual=seen.said)
        expect.at_most(seen.exchange.duration, limit, f"a request for {ask.form} to a silent provider")


@pytest.mark.requirement("timeouts.stall.bounded")
async def test_stalled_stream_ends_within_the_timeout(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect
) -> None:
    """A stream whose provider falls silent in the middle ends, with an error event, within the declared timeout."""
    limit = target.need(target.timing.between_tokens, "timing.between_tokens")
    stay = longer_than(target, limit)
    await providers.behave_all(stall(frames=3))
    for seen in await gateway.together([Ask(form=form, within=stay) for form in offered(target, STREAMS)]):
        expect.at_most(seen.exchange.duration, limit, "a stream that stalls after its third event")
        expect(seen.text, expected="the text that came before the stall", actual=seen.said)
        expect(seen.error_event is not None, expected="an error event", actual=seen.said)


@pytest.mark.requirement("timeouts.first_token.bounded")
@pytest.mark.parametrize("filler", FILLERS)
async def test_stream_without_content_ends_within_the_timeout(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect, filler: str
) -> None:
    """A stream whose provider sends roles, empty pieces or comments alone ends within the declared timeout."""
    limit = target.need(target.timing.first_token, "timing.first_token")
    stay = longer_than(target, limit)
    asks = [
        await going_on(gateway, providers, form, name, "", filler_of(form, filler), stay)
        for form, name in each_at_its_own(target, providers)
    ]
    for seen in await gateway.together(asks):
        expect.at_most(seen.exchange.duration, limit, f"a stream of nothing but {filler}")
        expect(not seen.text, expected="no text, for there was none", actual=seen.said)
        told = seen.error_event is not None or not seen.ok
        expect(told, expected="an error", actual=seen.said)


@pytest.mark.requirement("timeouts.heartbeat.bounded")
@pytest.mark.parametrize("filler", FILLERS)
async def test_stream_that_says_no_more_ends_within_the_timeout(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect, filler: str
) -> None:
    """A stream that after its first text sends empty pieces or comments alone ends, with an error event, in time."""
    limit = target.need(target.timing.between_tokens, "timing.between_tokens")
    stay = longer_than(target, limit + OPENING)
    asks = [
        await going_on(gateway, providers, form, name, opening_of(form), filler_of(form, filler), stay)
        for form, name in each_at_its_own(target, providers)
    ]
    for seen in await gateway.together(asks):
        expect.at_most(seen.exchange.duration, limit + OPENING, f"a stream that goes on with nothing but {filler}")
        expect(seen.text, expected="the text that came at first", actual=seen.said)
        expect(seen.error_event is not None, expected="an error event", actual=seen.said)


@pytest.mark.requirement("timeouts.endless.bounded")
async def test_stream_without_an_end_ends_at_the_deadline(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect
) -> None:
    """A stream that goes on for ever, text after text, ends with an error event at the declared deadline."""
    limit = target.need(target.timing.total, "timing.total")
    stay = longer_than(target, limit)
    asks = [
        await going_on(gateway, providers, form, name, opening_of(form), text_of(form), stay)
        for form, name in each_at_its_own(target, providers)
    ]
    for seen in await gateway.together(asks):
        expect.at_most(seen.exchange.duration, limit, "a stream without an end")
        expect(seen.error_event is not None, expected="an error event", actual=seen.said)


@pytest.mark.requirement("timeouts.drip.bounded")
async def test_drip_ends_at_the_deadline(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect
) -> None:
    """A whole answer that drips in byte by byte does not hold a request beyond its declared deadline."""
    limit = target.need(target.timing.total, "timing.total") * (1 + target.routing.retries)
    await providers.behave_all(drip(2 * limit / ANSWER_BYTES_MIN))
    asks = [Ask(form=form, within=longer_than(target, limit)) for form in offered(target, WHOLE)]
    for ask, seen in zip(asks, await gateway.together(asks), strict=True):
        expect(not seen.ok, expected="an error, for the answer never came whole", actual=seen.said)
        expect.at_most(seen.exchange.duration, limit, f"a request for {ask.form} whose answer drips in")


@pytest.mark.requirement("timeouts.slow.served")
async def test_slow_answer_is_served(gateway: Gateway, target: Target, providers: Providers, expect: Expect) -> None:
    """An answer that keeps within the declared timeouts is not cut, though it takes longer than each of them."""
    timing = target.timing
    headers = target.need(timing.headers, "timing.headers")
    # A gateway that declares no timeout of a kind may not cut an answer for it either.
    late = SLOW_SHARE * headers
    gap = SLOW_SHARE * min(timing.first_token or headers, timing.between_tokens or headers)
    if late + 2 * gap >= (timing.total or math.inf):
        raise NotTestable(f"a deadline of {timing.total:g} s leaves no room for an answer that is slow in other ways")
    stay = longer_than(target, late + 2 * gap)
    whole, streamed = providers.some(2)
    await providers.behave(whole, latency(late) | stall(bytes=10, seconds=gap))
    await providers.behave(streamed, latency(late) | stall(frames=1, seconds=gap) | stall(frames=4, seconds=gap))
    asks = [
        Ask(form=form, model=gateway.pinned(streamed if form.stream else whole, form=form), within=stay)
        for form in offered(target)
    ]
    for seen in await gateway.together(asks):
        expect.success(seen)
        expect.at_least(seen.exchange.duration, late + gap, "the time that the provider took")


@pytest.mark.requirement("timeouts.neighbour.served")
async def test_silent_provider_does_not_hold_up_another(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect
) -> None:
    """A provider that does not answer does not hold up the requests that go to another."""
    silent, sound = providers.some(2)
    await UNANSWERED.at(providers, silent)
    forms = offered(target, (CHAT, CHAT_STREAM))
    waiting = [Ask(model=gateway.pinned(silent), leave=Leave.waiting(WAIT))] * WAITING
    held: list[Observed] = []

    async def wait() -> None:
        held.extend(await gateway.together(waiting))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.sleep(WAIT / 4)
        served = await gateway.together([Ask(form=form, model=gateway.pinned(sound, form=form)) for form in forms])
    ends = [each.exchange.ended_at for each in held if each.exchange.ended is Ended.LEFT]
    if not ends:
        raise Fact(f"no request waited for the silent provider: {held[0].said}")
    for seen in served:
        expect.success(seen)
        ahead = min(ends) - seen.exchange.ended_at
        expect(ahead > 0, expected="an answer while others wait", actual=f"{-ahead:.3f} s after the first had left")


@pytest.mark.requirement("timeouts.reader.bounded")
@pytest.mark.parametrize("form", STREAMS, ids=str)
async def test_client_that_stops_reading_is_let_go(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect, form: Form
) -> None:
    """A client that stops reading a stream is let go, and its attempt cancelled, within the declared timeout."""
    limit = target.need(target.timing.write, "timing.write")
    await providers.behave_all(compose(*[insert(frames=2, text=_long_event(form))] * UNREAD_EVENTS))
    stay = longer_than(target, limit)
    began = time.monotonic()
    seen = await gateway.send(Ask(form=form, leave=Leave.deaf(stay), within=2 * stay))
    attempt = last_attempt(expect, seen)
    if attempt.peer_gone_at is None and attempt.ended is Ended.COMPLETE:
        raise Fact(f"all of the stream went into buffers: {seen.said}")
    gone = math.inf if attempt.peer_gone_at is None else attempt.peer_gone_at
    expect.at_most(gone - began, limit, "a stream whose client does not read, until its provider is let go")


def each_at_its_own(target: Target, providers: Providers) -> list[tuple[Form, str]]:
    """Return the streams that *target* offers, each with a provider of its own."""
    forms = offered(target, STREAMS)
    return list(zip(forms, providers.some(len(forms)), strict=True))


async def going_on(
    gateway: Gateway, providers: Providers, form: Form, name: str, opening: str, beat: str, stay: float
) -> Ask:
    """Let provider *name* go on with *beat* after *opening* for longer than *stay*; return what asks it."""
    await providers.behave(name, endless(opening, beat, seconds=2 * stay))
    return Ask(form=form, model=gateway.pinned(name, form=form), within=stay)


def _long_event(form: Form) -> str:
    text = "x" * UNREAD_CHARS
    choice = {"delta": {"content": text}} if form.operation == "chat" else {"text": text}
    kind = "chat.completion.chunk" if form.operation == "chat" else "text_completion"
    chunk = {"id": "long", "object": kind, "created": 1, "model": "m", "choices": [{"index": 0, **choice}]}
    return f"data: {json.dumps(chunk)}\n\n"
