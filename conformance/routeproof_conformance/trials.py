"""Statistical checks: whom the gateway chooses, judged by the providers' journals, first attempts only."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final, final

from routeproof_conformance.ask import Ask
from routeproof_conformance.case import Case
from routeproof_conformance.evidence import Statistic
from routeproof_conformance.expect import Expect
from routeproof_conformance.gateway import Gateway
from routeproof_conformance.judge import preference, rotation
from routeproof_conformance.judge.outcome import NotTestable
from routeproof_conformance.judge.preference import Decision
from routeproof_conformance.pools import Pool
from routeproof_spec.history import Attempt

#: Requests for each provider of a rotation: a random choice then passes with less than 1e-6.
ROUNDS: Final = 8
#: Requests for each worker of a rotation that several workers share.
ROUNDS_SHARED: Final = 60


@final
class Trials:
    """Ask the same many times and judge the choices."""

    def __init__(self, case: Case, gateway: Gateway) -> None:
        self._case = case
        self._gateway = gateway
        self._stats = case.bench.target.stats
        self._routing = case.bench.target.routing

    async def choices(self, ask: Ask, n: int) -> tuple[str, ...]:
        """Return the providers of the first attempts of *n* successive requests; `Violation` if one was not sent on."""
        return tuple([(await self._first(ask)).provider for _ in range(n)])

    async def warm_up(self, ask: Ask) -> None:
        """Send the requests that the gateway declares to need before a learned preference shows."""
        await self.choices(ask, self._routing.warm_up)

    async def prefers(
        self,
        ask: Ask,
        provider: str,
        *,
        among: Sequence[str],
        beside: Sequence[Ask] = (),
        retried_after: float = math.inf,
        requirement: str | None = None,
    ) -> None:
        """Judge one request after the other until it is decided whether the gateway prefers *provider*.

        Before each of them go those *beside*, which are not judged. Nor is the choice of another provider that was not
        asked for *retried_after* seconds: a gateway may look whether it has healed.
        """
        test = preference.plan(
            exploration=self._routing.exploration,
            providers=len(among),
            alpha=self._stats.alpha,
            beta=self._stats.beta,
        )
        question = f"is {provider} preferred? (misses: {test.p0:.2f} if so, {test.p1:.2f} if blind)"
        decision, share = await self._decided(test, ask, provider, question, beside, retried_after)
        expected = f"{provider} preferred, in all but {test.p0:.0%} of the requests"
        self._bound(requirement)(decision is Decision.HELD, expected=expected, actual=share)

    async def spares(self, ask: Ask, provider: str, *, among: Sequence[str], requirement: str | None = None) -> None:
        """Judge one request after the other until it is decided that the gateway does not avoid *provider*."""
        test = preference.avoidance(
            exploration=self._routing.exploration,
            providers=len(among),
            alpha=self._stats.alpha,
            beta=self._stats.beta,
        )
        question = f"is {provider} avoided? (misses: {test.p0:.2f} if not, {test.p1:.2f} if so)"
        decision, share = await self._decided(test, ask, provider, question)
        expected = f"{provider} chosen as often as any other"
        self._bound(requirement)(decision is Decision.HELD, expected=expected, actual=share)

    async def rotates(
        self, ask: Ask, pool: Pool, *, beside: Sequence[Ask] = (), requirement: str | None = None
    ) -> None:
        """Judge whether successive requests go round the providers of *pool*, exactly.

        A rotation that is declared to be random is judged for its even share. Before each request go those *beside*,
        which are not judged.
        """
        workers, size = self._routing.workers, len(pool.providers)
        expect = self._bound(requirement)
        if self._routing.rotation == "random":
            chosen = await self._chosen(ask, ROUNDS_SHARED * size, beside)
            strange = rotation.improbable(chosen, pool.providers, alpha=self._stats.alpha)
            self._record_rotation(pool, chosen, is_held=strange is None)
            expect(strange is None, expected="an even share, as a random choice gives it", actual=_counted(chosen))
            return
        if workers == 1:
            chosen = await self._chosen(ask, ROUNDS * size, beside)
            start = rotation.broken_window(chosen, pool.providers)
            self._record_rotation(pool, chosen, is_held=start is None)
            window = " → ".join(chosen[start or 0 :][:size])
            expect(start is None, expected=f"{size} different providers in every {size} requests", actual=window)
            return
        chosen = await self._chosen(ask, ROUNDS_SHARED * workers, beside)
        stray = rotation.uneven(chosen, pool.providers, workers=workers)
        self._record_rotation(pool, chosen, is_held=stray is None)
        expect(stray is None, expected=f"an even share, as {workers} rotations give it", actual=_counted(chosen))

    async def _chosen(self, ask: Ask, n: int, beside: Sequence[Ask]) -> list[str]:
        chosen: list[str] = []
        for _ in range(n):
            await self._all(beside)
            chosen.append((await self._first(ask)).provider)
        return chosen

    async def _decided(
        self,
        test: preference.Plan,
        ask: Ask,
        provider: str,
        question: str,
        beside: Sequence[Ask] = (),
        retried_after: float = math.inf,
    ) -> tuple[Decision, str]:
        """Return what *test* comes to, and the choices in words; raise `NotTestable` where it comes to nothing."""
        chosen: list[str] = []
        asked_at: dict[str, float] = {}
        decision, sent = Decision.UNDECIDED, 0
        while decision is Decision.UNDECIDED and sent < self._stats.requests_max:
            await self._all(beside)
            attempt = await self._first(ask)
            sent += 1
            rested = attempt.received_at - asked_at.get(attempt.provider, attempt.received_at)
            asked_at[attempt.provider] = attempt.received_at
            if attempt.provider != provider and rested >= retried_after:
                continue
            chosen.append(attempt.provider)
            hits = chosen.count(provider)
            decision = test.decide(hits=hits, misses=len(chosen) - hits)
        self._record_preference(test, question, chosen, decision)
        share = f"{chosen.count(provider)} of {len(chosen)} first attempts ({_counted(chosen)})"
        if decision is Decision.UNDECIDED:
            raise NotTestable(f"undecided after {sent} requests: {question}: {share}")
        return decision, share

    async def _first(self, ask: Ask) -> Attempt:
        seen = await self._gateway.send(ask)
        self._expect(seen.attempts, expected="a request that reaches a provider", actual=seen.said)
        return seen.attempts[0]

    async def _all(self, asks: Sequence[Ask]) -> None:
        for ask in asks:
            await self._first(ask)

    @property
    def _expect(self) -> Expect:
        return Expect(self._case)

    def _bound(self, requirement: str | None) -> Expect:
        return Expect(self._case, requirement)

    def _record_preference(
        self, test: preference.Plan, question: str, chosen: Sequence[str], decision: Decision
    ) -> None:
        self._case.evidence.statistics.append(
            Statistic(
                test="preference",
                question=question,
                alpha=test.alpha,
                beta=test.beta,
                n=len(chosen),
                seen=_counted(chosen),
                decision=decision,
                power=preference.power(test, misses=test.p1, n=self._stats.requests_max),
            )
        )

    def _record_rotation(self, pool: Pool, chosen: Sequence[str], *, is_held: bool) -> None:
        workers, size, n = self._routing.workers, len(pool.providers), len(chosen)
        question = f"does {pool.model} go round {size} providers? (else: a random choice)"
        alpha = 0.0
        if self._routing.rotation == "random":
            question = f"has each of {size} providers of {pool.model} its share? (else: one is twice as likely)"
            test, alpha = "even share", self._stats.alpha
            missed = rotation.improbable_missed(providers=size, requests=n, alpha=alpha)
        elif workers == 1:
            test, missed = "rotation", rotation.windows_missed(providers=size, requests=n)
        else:
            test = f"rotation of {workers} workers"
            missed = rotation.uneven_missed(providers=size, requests=n, workers=workers)
        self._case.evidence.statistics.append(
            Statistic(
                test=test,
                question=question,
                alpha=alpha,
                beta=missed,
                n=n,
                seen=_counted(chosen),
                decision=Decision.HELD if is_held else Decision.BROKEN,
                power=1 - missed,
            )
        )


def _counted(chosen: Sequence[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(Counter(chosen).items())) or "none"
