"""What a gateway owes to who runs it, where it says that it offers it."""

from __future__ import annotations

from typing import Final

import pytest
import trio

from routeproof_conformance.api import Ask, Expect, Gateway, NotTestable, Observed, Operator, Providers, Target
from routeproof_conformance.vocabulary.offered import offered
from routeproof_conformance.vocabulary.patience import longer_than
from routeproof_simulator.behaviours import latency

#: Seconds that a provider takes for an answer: long enough for the gateway to be told to end meanwhile.
HOLD: Final = 0.8
#: Seconds in which requests get from the client to the providers, on a busy machine.
ARRIVAL: Final = 10.0
POLL: Final = 0.02

#: Of each form of request that the target offers.
EACH: Final = 3


@pytest.mark.requirement("operations.alive.answered")
async def test_liveness_is_told_without_a_key(gateway: Gateway, operator: Operator, expect: Expect) -> None:
    """The declared path of liveness answers 200 to a GET without a key."""
    status = await operator.status(operator.path("healthz"), of=gateway)
    expect(status == 200, expected="200 without a key", actual=f"{status}")


@pytest.mark.requirement("operations.ready.answered")
async def test_readiness_is_told_without_a_key(gateway: Gateway, operator: Operator, expect: Expect) -> None:
    """The declared path of readiness answers 200 to a GET without a key while requests are served."""
    status = await operator.status(operator.path("readyz"), of=gateway)
    expect(status == 200, expected="200 without a key", actual=f"{status}")


@pytest.mark.requirement("operations.ready.withdrawn")
async def test_readiness_is_withdrawn_at_once(
    target: Target, operator: Operator, providers: Providers, expect: Expect
) -> None:
    """A gateway that was told to end does not answer 200 on its declared path of readiness any more."""
    path, within = operator.path("readyz"), operator.drain
    await providers.behave_all(latency(HOLD))
    async with operator.spare() as spare, trio.open_nursery() as nursery:
        asks = [Ask(form=form, within=longer_than(target, within)) for form in offered(target)]
        nursery.start_soon(spare.gateway.together, asks)
        await under_way(providers, len(asks))
        spare.tell_to_end()
        # A signal is heard in its own time, so the first look may come too soon; the last is while all is under way.
        told = await operator.status(path, of=spare.gateway)
        with trio.move_on_after(HOLD / 2):
            while told == 200:
                await trio.sleep(POLL)
                told = await operator.status(path, of=spare.gateway)
        expect(told != 200, expected="no 200 any more", actual="200")


@pytest.mark.requirement("operations.drain.served", "operations.drain.ends")
async def test_drain_loses_nothing(target: Target, operator: Operator, providers: Providers, expect: Expect) -> None:
    """A request that was under way when the gateway was told to end is answered to its end, and then it ends."""
    within = operator.drain
    await providers.behave_all(latency(HOLD))
    asks = [Ask(form=form, within=longer_than(target, within)) for form in offered(target) for _ in range(EACH)]
    seen: list[Observed] = []
    async with operator.spare() as spare:
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                seen.extend(await spare.gateway.together(asks))

            nursery.start_soon(ask)
            await under_way(providers, len(asks))
            spare.tell_to_end()
        for each, answer in zip(asks, seen, strict=True):
            expect(answer.ok, expected=f"the whole answer to {each.form}", actual=answer.said)
        has_ended = await spare.ended(within=within + target.timing.slack)
    expect.of("operations.drain.ends")(has_ended, expected=f"an end within {within:g} s", actual="it runs on")


async def under_way(providers: Providers, count: int) -> None:
    """Wait until the providers are at work on *count* attempts."""
    for _ in range(int(ARRIVAL / POLL)):
        if await providers.running() >= count:
            return
        await trio.sleep(POLL)
    raise NotTestable(f"{count} requests did not reach the providers within {ARRIVAL:g} s")
