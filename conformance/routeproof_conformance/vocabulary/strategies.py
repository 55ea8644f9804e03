"""What each strategy promises, and how one sees whether a gateway keeps it, in whatever form it is asked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, final

import trio

from routeproof_conformance.ask import Ask
from routeproof_conformance.expect import Expect
from routeproof_conformance.forms import Form
from routeproof_conformance.pools import Pool, Pools
from routeproof_conformance.providers import Providers
from routeproof_conformance.target import Target
from routeproof_conformance.trials import Trials
from routeproof_simulator.behaviours import fail, latency

STRATEGIES: Final = ("cost", "latency", "availability", "round-robin")

#: Seconds that a slow provider takes longer than a fast one, and far longer than a busy machine is late.
SLOW: Final = 0.03


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Strategies:
    """The promises of the strategies, each judged on a pool of its own."""

    target: Target
    pools: Pools
    providers: Providers
    trials: Trials
    expect: Expect

    async def hold(self, strategy: str, form: Form, *, asked: bool = True) -> None:
        """Judge whether the gateway keeps *strategy* in *form*; with *asked* false it is not named in the request."""
        pool = self._pool(strategy, form)
        ask = Ask(form=form, model=pool.model, strategy=strategy if asked else None)
        match strategy:
            case "cost":
                await self._cheapest(ask, pool)
            case "round-robin":
                await self.trials.rotates(ask, pool, requirement=self.expect.requirement)
            case "latency":
                await self._fastest(ask, pool)
            case _:
                await self._soundest(ask, pool)

    async def rest(self) -> None:
        """Wait until no provider is avoided any more for what it did in an earlier check."""
        await trio.sleep(self.cooldown)

    @property
    def cooldown(self) -> float:
        """Seconds until the gateway tries a provider again that has failed, as the target declares them."""
        return self.target.need(self.target.routing.cooldown, "routing.cooldown")

    def _pool(self, strategy: str, form: Form) -> Pool:
        if strategy == "cost":
            return self.pools.shared(strategy=strategy, size=3, operation=form.operation, priced=True)
        return self.pools.take(strategy=strategy, size=3, operation=form.operation)

    async def _cheapest(self, ask: Ask, pool: Pool) -> None:
        # So often that a random choice passes with less than alpha.
        n = math.ceil(math.log(self.target.stats.alpha) / -math.log(len(pool.providers)))
        chosen = await self.trials.choices(ask, n)
        cheapest = pool.cheapest_first[0]
        self.expect(
            set(chosen) == {cheapest}, expected=f"{cheapest}, the cheapest, every time", actual=", ".join(chosen)
        )

    async def _fastest(self, ask: Ask, pool: Pool) -> None:
        fast = unlikely(pool)
        for name in pool.providers:
            await self.providers.behave(name, latency(0.0 if name == fast else SLOW))
        await self.trials.warm_up(ask)
        await self.trials.prefers(ask, fast, among=pool.providers, requirement=self.expect.requirement)

    async def _soundest(self, ask: Ask, pool: Pool) -> None:
        await self.rest()
        sound = unlikely(pool)
        for name in pool.providers:
            if name != sound:
                await self.providers.behave(name, fail(503))
        await self.trials.warm_up(ask)
        await self.trials.prefers(
            ask,
            sound,
            among=pool.providers,
            retried_after=self.cooldown,
            requirement=self.expect.requirement,
        )


def unlikely(pool: Pool) -> str:
    """Return the provider that a gateway takes least likely for another reason: not the first, not the cheapest."""
    return next(
        (name for name in pool.providers[::-1] if name not in (pool.providers[0], *pool.cheapest_first[:1])),
        pool.providers[-1],
    )
