"""Wrong gateways that choose, try and give up wrongly: the areas routing, fallback and timeouts."""

# A mutant reaches into what is private, and its lambdas stand for functions whose types they repeat.
# pyright: reportPrivateUsage=false, reportUnknownLambdaType=false, reportUnknownArgumentType=false
from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Final, TypeAlias

import msgspec
import trio

from routeproof_reference_server import app, patience, relay, retry_after, upstream
from routeproof_reference_server.routing import (
    Capability,
    Deployment,
    Exhausted,
    Failed,
    Rejected,
    Route,
    Router,
    Strategy,
    Try,
    Unfit,
    Unknown,
)
from routeproof_reference_server.routing.observed import Observed
from routeproof_reference_server.routing.outcome import Cause
from routeproof_reference_server.routing.standing import Rank, Record, Standing
from tests.mutants.breaks import Break
from tests.mutants.edge import patch

Result: TypeAlias = Any
Plan: TypeAlias = Iterator[Try | Unknown]


def _trying(change: Callable[..., Any]) -> None:
    """Let *change* make each attempt: it is given the true way to make one, and its arguments."""
    true_attempt = relay.Relay._attempt

    async def attempt(self: relay.Relay, asked: relay.Asked, deployment: Deployment, stack: AsyncExitStack) -> Result:
        return await change(true_attempt, self, asked, deployment, stack)

    patch(relay.Relay, "_attempt", attempt)


def _final(where: Callable[[Failed, relay.Asked], object]) -> None:
    """Let every failure for which *where* holds end the request, as if the client were to blame."""

    async def change(true_attempt: Any, self: Any, asked: relay.Asked, *rest: Any) -> Result:
        result = await true_attempt(self, asked, *rest)
        is_final = isinstance(result, Failed) and where(result, asked)
        return Rejected(status=400, message="It ends here.") if is_final else result

    _trying(change)


def _planning(planned: Callable[[Route, float], Plan]) -> None:
    """Let *planned* say what a route does, step by step; it is begun when the route is."""
    plans: weakref.WeakKeyDictionary[Route, Plan] = weakref.WeakKeyDictionary()

    def attempt(self: Route, now: float) -> Try | Unknown | None:
        if self not in plans:
            plans[self] = planned(self, now)
        return next(plans[self], None)

    patch(Route, "_unknown", lambda _: None)
    patch(Route, "_attempt", attempt)


def _plan(route: Route, now: float, names: Sequence[str]) -> Plan:
    """What a route does where nobody is left alone: all that *names* stand for, whatever was tried."""
    ask = route._ask
    found = {name: route._router.catalogue.resolve(name, ask.capability, ask.restriction) for name in names}
    unknown = [name for name in names if not found[name]]
    if unknown:
        yield Unknown(name=unknown[0])
        return
    for name in names:
        for deployment in route._router.ordered(found[name], ask.strategy, now):
            yield Try(deployment=deployment)
            if not ask.fallback:
                return


def _exhausting(change: Callable[[Exhausted], Exhausted]) -> None:
    true_exhausted = Route._exhausted
    patch(Route, "_exhausted", lambda self: change(true_exhausted(self)))


def waiting(**seconds: float) -> None:
    """Let the gateway's timeouts be of these *seconds*."""
    true_init = patience.Patience.__init__

    def init(self: patience.Patience, timeouts: Any) -> None:
        true_init(self, msgspec.structs.replace(timeouts, **seconds))

    patch(patience.Patience, "__init__", init)


def _ranking(change: Callable[[Record, Rank], Rank]) -> None:
    true_rank = Record._rank
    patch(Record, "_rank", lambda self, *given: change(self, true_rank(self, *given)))


def _split(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(item for value in values for item in value.split(","))


# Routing


def ignores_the_default() -> None:
    """Without a strategy in the request the models go round, whatever is configured."""
    true_ordered = Router.ordered

    def ordered(self: Router, deployments: Any, strategy: Strategy | None, now: float) -> list[Deployment]:
        return true_ordered(self, deployments, strategy or Strategy.ROUND_ROBIN, now)

    patch(Router, "ordered", ordered)


def routes_streams_by_cost() -> None:
    """Streams go to the cheapest, whatever strategy they ask for."""
    true_ask = relay.Asked.ask

    def ask(self: relay.Asked) -> Any:
        asked = true_ask(self)
        return replace(asked, strategy=Strategy.COST) if self.body.stream else asked

    patch(relay.Asked, "ask", ask)


def measures_latency_by_provider() -> None:
    """What one model of a provider takes counts for all of them."""
    true_records = Observed._records

    def merged(deployment: Deployment) -> Deployment:
        return replace(deployment, model="*", upstream_model="*", price=0.0)

    patch(Observed, "_records", lambda self, deployment: true_records(self, merged(deployment)))
    true_rank = Observed.latency_rank
    patch(Observed, "latency_rank", lambda self, deployment, now: true_rank(self, merged(deployment), now))


def never_forgives() -> None:
    """A provider that failed once is never tried first again."""
    _ranking(lambda self, rank: rank if self.failed_at is None else (Standing.COOLING, self.failed_at))


def blames_providers_for_clients() -> None:
    """A provider that refuses a client's mistake is avoided for it."""
    true_told = Route.told

    def told(self: Route, outcome: Any, now: float) -> None:
        deployment = self.tried[-1]
        true_told(self, outcome, now)
        if isinstance(outcome, Rejected):
            self._router.observed.failed(deployment, self._tried[deployment], None, now)

    patch(Route, "told", told)


def shuns_the_unmeasured() -> None:
    """A provider that was never measured is tried last."""
    _ranking(lambda _, rank: (Standing.COOLING, 0.0) if rank[0] is Standing.UNMEASURED else rank)


# Fallback


def takes_its_time() -> None:
    """Where no fallback was asked for, a failure is thought over before it is told."""

    async def change(true_attempt: Any, self: Any, asked: relay.Asked, *rest: Any) -> Result:
        result = await true_attempt(self, asked, *rest)
        if isinstance(result, Failed) and not asked.fallback:
            await trio.sleep(0.8)
        return result

    _trying(change)


def server_errors_are_final() -> None:
    """A provider's 5xx ends the request."""
    _final(lambda failed, _: (failed.status or 0) >= 500)


def refusals_are_final() -> None:
    """A refused connection ends the request."""
    _final(lambda failed, _: failed.cause is Cause.UNREACHABLE)


def resets_are_final() -> None:
    """A reset connection ends the request."""
    _final(lambda failed, _: failed.cause is Cause.BROKEN)


def timeouts_are_final() -> None:
    """A provider's silence ends the request."""
    _final(lambda failed, _: failed.cause is Cause.TIMED_OUT)


def credentials_are_final() -> None:
    """A provider's 401, 402 and 403 end the request."""
    _final(lambda failed, _: failed.status in (401, 402, 403))


def other_statuses_are_final() -> None:
    """A provider's 404 and its like end the request."""
    _final(lambda failed, _: failed.status is not None and 403 < failed.status < 429)


def broken_answers_are_final() -> None:
    """A whole answer that cannot be read ends the request."""
    _final(lambda failed, asked: not asked.body.stream and "cannot be read" in failed.message)


def other_media_types_are_final() -> None:
    """An answer of another content type ends the request."""
    _final(lambda failed, _: "was due" in failed.message)


def errors_in_200_are_final() -> None:
    """A whole answer that is an error ends the request."""
    _final(lambda failed, asked: not asked.body.stream and failed.message.startswith("The server"))


def empty_streams_are_final() -> None:
    """A stream without an event ends the request."""
    _final(lambda failed, asked: asked.body.stream and "stream broke off" in failed.message)


def errors_first_are_final() -> None:
    """A stream that begins with an error ends the request."""
    _final(lambda failed, asked: asked.body.stream and failed.message.startswith("The server"))


def streams_do_not_fall_back() -> None:
    """A stream is tried at its first provider alone."""
    _final(lambda _, asked: asked.body.stream)


def embeddings_do_not_fall_back() -> None:
    """An embedding is tried at its first provider alone."""
    _final(lambda _, asked: asked.capability is Capability.EMBEDDINGS)


def hedges() -> None:
    """A request with a fallback list is sent to the next provider even where the first has answered."""

    async def change(true_attempt: Any, self: Any, asked: relay.Asked, deployment: Deployment, stack: Any) -> Result:
        result = await true_attempt(self, asked, deployment, stack)
        if asked.fallback and not isinstance(result, Failed | Rejected):
            name = next(each for each in asked.fallback if each != deployment.pinned_name)
            [other, *_] = self._router.catalogue.resolve(name, asked.capability)
            async with AsyncExitStack() as own:
                await true_attempt(self, asked, other, own)
        return result

    _trying(change)


def keeps_blanks() -> None:
    """The fallback list is split at its commas, and taken as it is."""
    patch(app, "asked_fallback", _split)


def tries_again_what_is_repeated() -> None:
    """Every item of the fallback list is tried, however often it was."""
    patch(app, "asked_fallback", lambda values: tuple(item.strip() for item in _split(values)))

    _planning(lambda self, now: _plan(self, now, (self._ask.model, *self._ask.fallback)))


def skips_the_unknown() -> None:
    """An unknown model in the fallback list is passed over."""
    true_unknown = Route._unknown

    def unknown(self: Route) -> Unknown | Unfit | None:
        ask = self._ask
        known = tuple(each for each in ask.fallback if self._router.catalogue.resolve(each, ask.capability))
        self._ask = replace(ask, fallback=known)
        return true_unknown(self)

    patch(Route, "_unknown", unknown)


def tries_one_provider_a_model() -> None:
    """With a fallback list, the second provider of a model comes after all the others."""

    def planned(self: Route, now: float) -> Plan:
        steps = list(_plan(self, now, tuple(dict.fromkeys((self._ask.model, *self._ask.fallback)))))
        if not all(isinstance(step, Try) for step in steps):
            yield from steps
            return
        by_model = [list(group) for _, group in itertools.groupby(dict.fromkeys(steps), key=_model)]
        for turn in itertools.zip_longest(*by_model):
            yield from (step for step in turn if step is not None)

    _planning(planned)


def _model(step: Try | Unknown) -> str:
    return step.deployment.model if isinstance(step, Try) else step.name


def falls_back_by_the_list() -> None:
    """With a fallback list, the strategy chooses the first provider alone; the rest come as configured, backwards."""
    true_ordered = Router.ordered

    def ordered(self: Router, deployments: Any, strategy: Strategy | None, now: float) -> list[Deployment]:
        first, *_ = true_ordered(self, deployments, strategy, now)
        return [each for each in deployments if each != first] + [first]

    patch(Router, "ordered", ordered)


def thins_the_payload() -> None:
    """A second attempt loses a parameter on its way."""
    tried: weakref.WeakSet[AsyncExitStack] = weakref.WeakSet()

    async def change(true_attempt: Any, self: Any, asked: relay.Asked, deployment: Deployment, stack: Any) -> Result:
        if stack in tried:
            kept = {name: value for name, value in asked.body.fields.items() if name not in ("user", "seed")}
            asked = replace(asked, body=replace(asked.body, fields=kept))
        tried.add(stack)
        return await true_attempt(self, asked, deployment, stack)

    _trying(change)


def tells_rate_limits_as_503() -> None:
    """When every provider said 429, the client is told 503."""
    _exhausting(lambda end: replace(end, status=503))


def tells_a_later_retry() -> None:
    """A client is told to wait longer than any provider asked for."""
    _exhausting(lambda end: replace(end, retry_after=end.retry_after and end.retry_after + 1))


def tells_the_longest_retry() -> None:
    """Of several `Retry-After` the longest is told."""
    _exhausting(
        lambda end: replace(
            end, retry_after=max((each.retry_after for each in end.attempts if each.retry_after), default=None)
        )
    )


def reads_no_date() -> None:
    """A `Retry-After` that is a date is not understood."""
    true_retry_after = retry_after.retry_after

    def undated(given: Any, wall: float) -> int | None:
        return true_retry_after(given, wall) if given.get("retry-after", "").isdigit() else None

    patch(upstream, "retry_after", undated)


# Timeouts


def waits_for_a_stalled_stream() -> None:
    """Once a stream has begun, it may stay silent for ever."""
    waiting(between_tokens=30.0, total=30.0)


def waits_for_a_drip() -> None:
    """As long as a byte comes now and then, there is no end."""
    waiting(total=30.0)


def never_gives_up() -> None:
    """No deadline of the gateway's holds."""
    waiting(headers=60.0, first_token=60.0, between_tokens=60.0, total=60.0)


def loses_patience() -> None:
    """An answer that pauses is cut, though it keeps within the declared timeouts."""
    waiting(between_tokens=0.4)


def lets_few_wait() -> None:
    """Whoever waits for a silent provider holds up all others."""
    limiter: list[trio.CapacityLimiter] = []

    async def change(true_attempt: Any, *given: Any) -> Result:
        limiter.extend([] if limiter else [trio.CapacityLimiter(8)])
        async with limiter[0]:
            return await true_attempt(*given)

    _trying(change)


def multiplies_attempts() -> None:
    """Every failed attempt is made twice more at the same provider."""

    async def change(true_attempt: Any, *given: Any) -> Result:
        for _ in range(2):
            result = await true_attempt(*given)
            if not isinstance(result, Failed):
                return result
        return await true_attempt(*given)

    _trying(change)


ATTEMPTS: Final[Sequence[Break]] = (
    Break(requirement="routing.strategy.default", apply=ignores_the_default),
    Break(requirement="routing.strategy.parity", apply=routes_streams_by_cost),
    Break(requirement="routing.latency.per_model", apply=measures_latency_by_provider),
    Break(requirement="routing.availability.returns", apply=never_forgives),
    Break(requirement="routing.availability.blameless", apply=blames_providers_for_clients),
    Break(requirement="routing.learning.unmeasured", apply=shuns_the_unmeasured),
    Break(requirement="fallback.absent.immediate", apply=takes_its_time),
    Break(requirement="fallback.on.server_error", apply=server_errors_are_final),
    Break(requirement="fallback.on.refused", apply=refusals_are_final),
    Break(requirement="fallback.on.reset", apply=resets_are_final),
    Break(requirement="fallback.on.timeout", apply=timeouts_are_final),
    Break(requirement="fallback.on.credentials", apply=credentials_are_final),
    Break(requirement="fallback.on.other_status", apply=other_statuses_are_final),
    Break(requirement="fallback.on.broken_body", apply=broken_answers_are_final),
    Break(requirement="fallback.on.media_type", apply=other_media_types_are_final),
    Break(requirement="fallback.on.error_object", apply=errors_in_200_are_final),
    Break(requirement="fallback.on.empty_stream", apply=empty_streams_are_final),
    Break(requirement="fallback.on.stream_error", apply=errors_first_are_final),
    Break(requirement="fallback.parity.stream", apply=streams_do_not_fall_back),
    Break(requirement="fallback.parity.operations", apply=embeddings_do_not_fall_back),
    Break(requirement="fallback.order.stops", apply=hedges),
    Break(requirement="fallback.list.blanks", apply=keeps_blanks),
    Break(requirement="fallback.list.repeats", apply=tries_again_what_is_repeated),
    Break(requirement="fallback.list.unknown", apply=skips_the_unknown),
    Break(requirement="fallback.providers.first", apply=tries_one_provider_a_model),
    Break(requirement="fallback.providers.strategy", apply=falls_back_by_the_list),
    Break(requirement="fallback.payload.same", apply=thins_the_payload),
    Break(requirement="fallback.exhausted.rate_limited", apply=tells_rate_limits_as_503),
    Break(requirement="fallback.retry_after.relayed", apply=tells_a_later_retry),
    Break(requirement="fallback.retry_after.smallest", apply=tells_the_longest_retry),
    Break(requirement="fallback.retry_after.seconds", apply=reads_no_date),
    Break(requirement="timeouts.stall.bounded", apply=waits_for_a_stalled_stream),
    Break(requirement="timeouts.drip.bounded", apply=waits_for_a_drip),
    Break(requirement="timeouts.slow.served", apply=loses_patience),
    Break(requirement="timeouts.neighbour.served", apply=lets_few_wait),
    Break(requirement="universal.attempts.bounded", apply=multiplies_attempts),
    Break(requirement="universal.time.bounded", apply=never_gives_up),
)
