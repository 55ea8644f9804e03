"""What a key may consume, and what it is told of it.

The target file declares keys with small limits (`[keys]`), and what those limits are (`[limits]`). A check waits until
what another has used is forgotten, or goes on from there.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import trio

from routeproof_conformance.api import (
    CHAT,
    CHAT_STREAM,
    COMPLETION,
    FORMS,
    Ask,
    Expect,
    Form,
    Gateway,
    Leave,
    NotTestable,
    Observed,
    Providers,
    Raw,
    Target,
)
from routeproof_conformance.vocabulary.offered import offered
from routeproof_conformance.vocabulary.standing import LIMIT, REMAINING, RESET, standing, told
from routeproof_simulator.behaviours import pace, usage

FEW_REQUESTS = "few_requests"
FEW_TOKENS = "few_tokens"
MONTH_TOKENS = "month_tokens"
MONTH_SPEND = "month_spend"
SMALL_ANSWERS = "small_answers"

REQUESTS_MAX = 60  #: with which every declared limit of tokens or of money has to be used up
ANSWERED = (CHAT, CHAT_STREAM, COMPLETION)  # the forms whose answers have a size that can be asked for
SMALL = {"max_tokens": 4}
NOWHERE = (("GET", "/no-such-path"), ("PUT", "/models"))  # a path and a method that there is not


def total(seen: Observed) -> int:
    """The tokens that an answer took, by its own word."""
    counted = (seen.usage or {}).get("total_tokens")
    return counted if isinstance(counted, int) else 0


def unsent(target: Target, expect: Expect, seen: Observed) -> None:
    """Nothing of a refused request has reached a provider, as far as that can be seen."""
    if target.is_two_sided:
        expect.unsent(seen)


async def forgotten(gateway: Gateway, target: Target, limit: int, window: float) -> None:
    """Wait until all of the key's requests are there again."""
    seen = await gateway.send(Raw(method="GET", path="/models", key=FEW_REQUESTS))
    if standing(seen).remaining != limit:
        await trio.sleep(window * (1 + target.limits.slot_share))


@pytest.mark.requirement(
    "limits.requests.minute", "limits.refusal.retry_after", "limits.refusal.truthful", "limits.change.alone"
)
async def test_requests_over_the_limit_are_refused_until_the_time_that_is_told(
    gateway: Gateway, target: Target, expect: Expect
) -> None:
    """A key's requests over its limit are 429 with a true Retry-After, in every form; other keys are served."""
    window = target.need(target.limits.window, "limits.window")
    limit = target.need(target.limits.requests, "limits.requests")
    forms = offered(target)
    await forgotten(gateway, target, limit, window)
    began = trio.current_time()
    for number in range(limit):
        expect.success(await gateway.send(Ask(form=forms[number % len(forms)], key=FEW_REQUESTS)))
    for form in forms:
        refused = await gateway.send(Ask(form=form, key=FEW_REQUESTS))
        if trio.current_time() - began > window / 2:
            raise NotTestable(f"{limit} requests take this machine more than half of the window of {window:g} s")
        expect.error(refused, 429, "rate_limit_error")
        unsent(target, expect, refused)
    expect.of("limits.change.alone").success(await gateway.send(Ask(form=CHAT)))
    refused = await gateway.send(Ask(form=CHAT, key=FEW_REQUESTS))
    waits = expect.of("limits.refusal.retry_after")
    said = refused.exchange.header("retry-after") or ""
    waits(said.isascii() and said.isdigit(), expected="Retry-After in whole seconds", actual=said or "none")
    longest = math.ceil(window * (1 + target.limits.slot_share))
    waits(int(said) <= longest, expected=f"a Retry-After of at most {longest}", actual=said)
    await trio.sleep(int(said))
    expect.of("limits.refusal.truthful").success(await gateway.send(Ask(form=CHAT, key=FEW_REQUESTS)))


async def used_up(gateway: Gateway, expect: Expect, ask: Ask, status: int, error_type: str) -> list[Observed]:
    """Ask until it is refused as it should be; return the answers before."""
    answers: list[Observed] = []
    for _ in range(REQUESTS_MAX):
        seen = await gateway.send(ask)
        if not seen.ok:
            expect.error(seen, status, error_type)
            return answers
        answers.append(seen)
    expect(False, expected=f"{status} {error_type} in time", actual=f"{REQUESTS_MAX} answers in a row")
    return answers


@pytest.mark.requirement("limits.tokens.minute")
async def test_tokens_over_the_limit_are_refused(gateway: Gateway, target: Target, expect: Expect) -> None:
    """A key that has used its tokens of the minute is refused with 429, in every form, and with nothing sent on."""
    window = target.need(target.limits.window, "limits.window")
    limit = target.need(target.limits.tokens, "limits.tokens")
    target.key(FEW_TOKENS)
    began = trio.current_time()
    ask = Ask(form=CHAT, key=FEW_TOKENS, body=SMALL, text="Say hello. " * 20)
    answers = await used_up(gateway, expect, ask, 429, "rate_limit_error")
    before = sum(map(total, answers[:-1]))
    expect(before < limit, expected=f"no answer after {limit} tokens", actual=f"another after {before}")
    for form in offered(target, ANSWERED):
        refused = await gateway.send(replace(ask, form=form))
        if trio.current_time() - began > window / 2:
            raise NotTestable(f"{len(answers)} answers take this machine more than half of the window of {window:g} s")
        expect.error(refused, 429, "rate_limit_error")
        unsent(target, expect, refused)


async def fresh(target: Target, key: str) -> int:
    """Return the key's limit of tokens, when all that it has used in the window is forgotten."""
    window = target.need(target.limits.window, "limits.window")
    limit = target.need(target.limits.tokens, "limits.tokens")
    target.key(key)
    await trio.sleep(window * (1 + target.limits.slot_share))
    return limit


@pytest.mark.requirement("limits.tokens.streamed")
async def test_streams_that_tell_no_usage_use_up_a_limit(gateway: Gateway, target: Target, expect: Expect) -> None:
    """Streams whose usage nobody asked for count: a key that asks for nothing else is refused with 429."""
    await fresh(target, FEW_TOKENS)
    ask = Ask(form=CHAT_STREAM, key=FEW_TOKENS, body=SMALL, text="Say hello. " * 20)
    answers = await used_up(gateway, expect, ask, 429, "rate_limit_error")
    expect(answers, expected="a stream before the limit", actual="none")


@pytest.mark.requirement("limits.tokens.left")
async def test_streams_that_are_left_use_up_a_limit(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect
) -> None:
    """Streams that their client leaves in their midst count: a key that does nothing else is refused with 429."""
    await fresh(target, FEW_TOKENS)
    await providers.behave_all(pace(100.0))
    body = {"max_tokens": 40}
    ask = Ask(form=CHAT_STREAM, key=FEW_TOKENS, body=body, text="Say hello. " * 20, leave=Leave.streaming())
    seen = await gateway.send(ask)
    for _ in range(REQUESTS_MAX):
        if seen.status != 200:
            break
        seen = await gateway.send(ask)
    expect.error(seen, 429, "rate_limit_error")


@pytest.mark.requirement("usage.billing.follows")
@pytest.mark.parametrize("form", [CHAT, COMPLETION], ids=str)
async def test_what_is_counted_is_the_usage_that_was_told(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect, form: Form
) -> None:
    """An answer that tells as many tokens as a key has uses them up, however short it is."""
    limit = await fresh(target, FEW_TOKENS)
    await providers.behave_all(usage(limit // 2, limit - limit // 2))
    ask = Ask(form=form, key=FEW_TOKENS, body=SMALL)
    expect.success(await gateway.send(ask))
    refused = await gateway.send(ask)
    expect.error(refused, 429, "rate_limit_error")


@pytest.mark.requirement("limits.tokens.month")
async def test_a_month_of_tokens_that_is_used_up_is_402(gateway: Gateway, target: Target, expect: Expect) -> None:
    """A key that has used its tokens of the month is refused with 402 in every form; other keys are served."""
    limit = target.need(target.limits.tokens_month, "limits.tokens_month")
    ask = Ask(form=CHAT, key=MONTH_TOKENS, body=SMALL, text="Say hello. " * 20)
    target.key(MONTH_TOKENS)
    answers = await used_up(gateway, expect, ask, 402, "usage_limit_exceeded")
    before = sum(map(total, answers[:-1]))
    expect(before < limit, expected=f"no answer after {limit} tokens", actual=f"another after {before}")
    await stays_used_up(gateway, target, expect, ask)


@pytest.mark.requirement("limits.spend.month")
async def test_a_month_of_money_that_is_spent_is_402(gateway: Gateway, target: Target, expect: Expect) -> None:
    """A key that has spent its money of the month is refused with 402 in every form; other keys are served."""
    target.need(target.limits.spend_month, "limits.spend_month")
    ask = Ask(form=CHAT, key=MONTH_SPEND, body=SMALL, text="Say hello. " * 20)
    target.key(MONTH_SPEND)
    await used_up(gateway, expect, ask, 402, "usage_limit_exceeded")
    await stays_used_up(gateway, target, expect, ask)


async def stays_used_up(gateway: Gateway, target: Target, expect: Expect, ask: Ask) -> None:
    """Every form is refused with 402; no other key is."""
    for form in offered(target, ANSWERED):
        refused = await gateway.send(replace(ask, form=form))
        expect.error(refused, 402, "usage_limit_exceeded")
        unsent(target, expect, refused)
        expect.success(await gateway.send(Ask(form=form)))


@pytest.mark.requirement("limits.request.max_tokens")
@pytest.mark.parametrize("form", ANSWERED, ids=str)
async def test_a_larger_answer_than_allowed_is_out_of_range(
    gateway: Gateway, target: Target, expect: Expect, form: Form
) -> None:
    """A request whose max_tokens is above the key's is 422; at the limit it is served, and so is another key's."""
    limit = target.need(target.limits.max_tokens, "limits.max_tokens")
    ask = Ask(form=form, key=SMALL_ANSWERS, body={"max_tokens": limit})
    expect.success(await gateway.send(ask))
    over = replace(ask, body={"max_tokens": limit + 1})
    refused = await gateway.send(over)
    expect.error(refused, 422, "invalid_request_error")
    unsent(target, expect, refused)
    expect.success(await gateway.send(replace(over, key="main")))


@pytest.mark.requirement("limits.header.limit", "limits.header.remaining", "limits.header.reset")
async def test_every_response_tells_where_the_key_stands(gateway: Gateway, target: Target, expect: Expect) -> None:
    """Answers, streams, errors and the model list bear the key's limit, what is left of it, and when it is new."""
    limit = target.need(target.limits.requests, "limits.requests")
    unknown = Ask(form=CHAT, model=target.models.unknown, key=FEW_REQUESTS)
    broken = Ask(form=CHAT, without=("messages",), key=FEW_REQUESTS)
    nowhere = [Raw(method=method, path=path, key=FEW_REQUESTS) for method, path in NOWHERE]
    target.key(FEW_REQUESTS)
    asks: list[Ask | Raw] = [Raw(method="GET", path="/models", key=FEW_REQUESTS), unknown, broken, *nowhere]
    asks += [Ask(form=form, key=FEW_REQUESTS) for form in offered(target, FORMS)]
    for ask in asks:
        seen = await gateway.send(ask)
        found = standing(seen)
        for role, wanted in ((LIMIT, str(limit)), (REMAINING, None), (RESET, None)):
            checks = expect.of(f"limits.header.{role.removeprefix('ratelimit_').removesuffix('_requests')}")
            value = seen.header(role)
            is_number = value is not None and value.isascii() and value.isdigit()
            checks(is_number, expected=f"a whole number in the header {role}", actual=told(seen))
            checks(wanted is None or value == wanted, expected=f"the declared {wanted}", actual=value)
        left, at = found.remaining, found.reset
        expect.of("limits.header.remaining")(left <= limit, expected=f"at most {limit} left", actual=left)
        age = abs(at - found.now)
        longest = math.ceil((target.limits.window or 60.0) * (1 + target.limits.slot_share)) + target.limits.clock_slack
        expect.of("limits.header.reset")(age <= longest, expected=f"a time within {longest:g} s of now", actual=age)


@pytest.mark.requirement("limits.header.remaining")
async def test_what_is_left_is_one_less_with_every_request(gateway: Gateway, target: Target, expect: Expect) -> None:
    """Of two answered requests the second has one less left; the model list counts for none."""
    window = target.need(target.limits.window, "limits.window")
    limit = target.need(target.limits.requests, "limits.requests")
    await forgotten(gateway, target, limit, window)
    began = trio.current_time()
    first = await gateway.send(Ask(form=CHAT, key=FEW_REQUESTS))
    second = await gateway.send(Ask(form=CHAT, key=FEW_REQUESTS))
    if trio.current_time() - began > window / 2:
        raise NotTestable(f"two requests take this machine more than half of the window of {window:g} s")
    expect.success(first)
    expect.success(second)
    left = standing(first).remaining, standing(second).remaining
    expect(left[0] - left[1] == 1, expected="one less left", actual=f"{left[0]}, then {left[1]}")
