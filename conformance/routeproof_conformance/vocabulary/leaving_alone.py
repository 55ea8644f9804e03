"""Circuit breakers, as one sees them from outside: who is asked while somebody is out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import trio

from routeproof_conformance.ask import Ask
from routeproof_conformance.expect import Expect
from routeproof_conformance.forms import CHAT, Form
from routeproof_conformance.gateway import Gateway
from routeproof_conformance.judge.outcome import NotApplicable, NotTestable
from routeproof_conformance.observed import Observed
from routeproof_conformance.pools import Pools
from routeproof_conformance.providers import Providers
from routeproof_conformance.target import Target
from routeproof_simulator.behaviours import fail

#: So many requests in a row look whether a provider is asked again.
LOOKS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A fresh model with two providers under `cost`: the cheaper is asked whenever it may be."""

    ask: Ask
    cheap: str
    dear: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Breakers:
    """The breakers of the target; raises `NotApplicable` at their first use where it declares none."""

    target: Target
    pools: Pools
    providers: Providers
    gateway: Gateway
    expect: Expect

    def scene(self, form: Form = CHAT) -> Scene:
        """Return a scene in which nobody has failed yet."""
        pool = self.pools.take(strategy="cost", operation=form.operation, priced=True, breaker=True)
        cheap, dear = pool.cheapest_first[:2]
        return Scene(ask=Ask(form=form, model=pool.model, strategy="cost"), cheap=cheap, dear=dear)

    @property
    def trip(self) -> int:
        """Failures in a row that open a breaker."""
        if self.target.routing.trip is None:
            raise NotApplicable("the target declares no circuit breaker: routing.trip")
        return self.target.routing.trip

    @property
    def probes(self) -> int:
        """Requests that a half-open breaker admits at a time."""
        return self.target.routing.probes

    @property
    def cooldown(self) -> float:
        """Seconds that an open breaker admits nothing, at least."""
        return self.target.need(self.target.routing.trip_cooldown, "routing.trip_cooldown")

    async def cool_down(self) -> None:
        """Wait until the cool-down of a breaker that has tripped once is over."""
        await trio.sleep(self.target.need(self.target.routing.trip_cooldown_max, "routing.trip_cooldown_max"))

    async def fails(self, scene: Scene, provider: str) -> float:
        """Let *provider*, whose turn it is, fail until its breaker is open; return when it was asked last."""
        await self.providers.behave(provider, fail(503))
        failed, at = 0, 0.0
        while failed < self.trip:
            seen = await self.gateway.send(scene.ask)
            self.asked(seen, provider)
            failed += len(seen.attempts)
            at = seen.attempts[-1].received_at
        return at

    def asked(self, seen: Observed, provider: str) -> None:
        """Only *provider* was asked."""
        names = " → ".join(seen.providers) or "nobody"
        self.expect(set(seen.providers) == {provider}, expected=f"an attempt at {provider} alone", actual=names)

    async def spared(self, scene: Scene, *, until: float, times: int = 4, pause: float = 0.0) -> None:
        """Ask so many *times*, and expect that the dearer provider serves as long as it is not yet *until*."""
        judged = 0
        for _ in range(times):
            seen = await self.gateway.send(scene.ask)
            if seen.attempts and seen.attempts[0].received_at >= until:
                break  # the cheaper may be asked again
            self.asked(seen, scene.dear)
            self.expect.success(seen)
            judged += 1
            await trio.sleep(pause)
        if not judged:
            raise NotTestable("the cool-down was over before it could be looked at: this machine is too slow for it")

    async def returns(self, scene: Scene) -> None:
        """Expect that the cheaper provider is asked again, soon."""
        asked: list[str] = []
        while scene.cheap not in asked and len(asked) < LOOKS:
            asked += (await self.gateway.send(scene.ask)).providers[:1]
        self.expect(scene.cheap in asked, expected=f"{scene.cheap} asked again", actual=", ".join(asked) or "nobody")
