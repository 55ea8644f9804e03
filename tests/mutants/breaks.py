"""Wrong gateways: the reference with one rule broken by name.

Each break is a few lines that change the running reference where the rule lives, and names the requirement whose check
has to see it. What is broken here is behaviour, never the suite or the contract.
"""

# A mutant reaches into what is private, and its lambdas stand for functions whose types they repeat.
# pyright: reportPrivateUsage=false, reportUnknownLambdaType=false, reportUnknownArgumentType=false
# ruff: noqa: ARG001
from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

import httpcore2
import msgspec
import quart
import trio

from routeproof_reference_server import (
    app,
    asgi,
    auth,
    errors,
    headers,
    patience,
    payload,
    records,
    relay,
    scrub,
    upstream,
    validation,
)
from routeproof_reference_server.routing import Ask, Deployment, Exhausted, Route, Router, Strategy, choice
from routeproof_reference_server.routing.observed import Observed
from routeproof_reference_server.routing.outcome import Blame


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """One rule, broken."""

    requirement: str  # whose check must fail
    apply: Callable[[], None]

    @property
    def name(self) -> str:
        """The name under which the mutant is started."""
        return self.apply.__name__


def _patch(owner: object, name: str, value: object) -> None:
    assert hasattr(owner, name), f"{owner} has no {name}: the reference has moved, and its mutant must follow"
    setattr(owner, name, value)


def _asking(change: Callable[[Ask], Ask]) -> None:
    true_open = Router.open
    _patch(Router, "open", lambda self, ask: true_open(self, change(ask)))


def _blaming(change: Callable[[int, Blame], Blame]) -> None:
    true_blame = upstream.blame
    _patch(upstream, "blame", lambda status, relayed: change(status, true_blame(status, relayed)))


def _ordering(strategy: Strategy, order: Callable[..., list[Deployment]]) -> None:
    _patch(choice, "ORDERS", {**choice.ORDERS, strategy: order})


def accepts_any_key() -> None:
    """Whoever sends a well-formed key is let in."""

    def caller(self: auth.KeyRing, authorization: Sequence[str], now: float) -> auth.Caller:
        with contextlib.suppress(errors.GatewayError):
            return true_caller(self, authorization, now)
        if authorization and authorization[0].lower().startswith("bearer th-"):
            return auth.Caller(key="anybody", restriction=auth.Restriction())
        return true_caller(self, authorization, now)

    true_caller = auth.KeyRing.caller
    _patch(auth.KeyRing, "caller", caller)


def _keys_without(**fields: object) -> None:
    true_init = auth.KeyRing.__init__

    def init(self: auth.KeyRing, keys: Sequence[Any], *rest: Any, **more: Any) -> None:
        true_init(self, [msgspec.structs.replace(key, **fields) for key in keys], *rest, **more)

    _patch(auth.KeyRing, "__init__", init)


def ignores_expiry() -> None:
    """A key works for ever."""
    _keys_without(expires_at=None)


def ignores_revocation() -> None:
    """A revoked key still works."""
    _keys_without(revoked=False)


def ignores_restriction() -> None:
    """A restricted key may use every model."""
    _keys_without(models=None)


def falls_back_unasked() -> None:
    """Other providers are tried although nobody asked for fallback."""
    _asking(lambda ask: ask if ask.fallback else replace(ask, fallback=(ask.model,)))


def falls_back_on_client_error() -> None:
    """A provider's 400 leads to the next provider."""
    _blaming(lambda _, blamed: Blame.PROVIDER if blamed is Blame.CLIENT else blamed)


def rate_limit_is_final() -> None:
    """A provider's 429 ends the request although fallback was asked for."""
    _blaming(lambda status, blamed: Blame.CLIENT if status == 429 else blamed)


def reverses_the_chain() -> None:
    """The fallback list is followed from its end."""
    _asking(lambda ask: replace(ask, fallback=ask.fallback[::-1]))


def picks_the_dearest() -> None:
    """The strategy cost takes the highest price."""
    _ordering(Strategy.COST, lambda deployments, *_: sorted(deployments, key=lambda each: -each.price))


def shares_the_rotation() -> None:
    """One counter turns for all models."""
    turn = 0

    def by_turns(deployments: Sequence[Deployment], *_: object) -> list[Deployment]:
        nonlocal turn
        turn += 1
        first = turn % len(deployments)
        return [*deployments[first:], *deployments[:first]]

    _ordering(Strategy.ROUND_ROBIN, by_turns)


def rotates_at_random() -> None:
    """A random pick calls itself round robin."""
    chance = Random(7)
    _ordering(Strategy.ROUND_ROBIN, lambda deployments, *_: chance.sample(deployments, len(deployments)))


def ignores_latency() -> None:
    """The strategy latency takes the first of the list."""
    _ordering(Strategy.LATENCY, lambda deployments, *_: list(deployments))


def never_measures_anew() -> None:
    """The strategy latency keeps the first thing it learned for ever."""
    true_answered = Observed.answered
    known: set[Deployment] = set()

    def answered(self: Observed, deployment: Deployment, latency: float, now: float) -> None:
        if deployment not in known:
            known.add(deployment)
            true_answered(self, deployment, latency, now)

    _patch(Observed, "answered", answered)


def ignores_failures() -> None:
    """The strategy availability takes the first of the list."""
    _ordering(Strategy.AVAILABILITY, lambda deployments, *_: list(deployments))


def hides_a_cut() -> None:
    """A stream that broke ends as if it were complete."""

    async def streamed(
        self: relay.Relay, asked: object, deployment: object, route: object, stream: upstream.Stream
    ) -> AsyncGenerator[bytes, None]:
        piece: object = stream.first
        while isinstance(piece, bytes):
            yield piece
            piece = await stream.next()
        if piece is not None:
            yield b"data: [DONE]\n\n"

    _patch(relay.Relay, "_streamed", streamed)


def starts_a_broken_stream_again() -> None:
    """A stream that broke after its first byte is told once more, from the beginning, by the next provider."""
    true_streamed = relay.Relay._streamed

    async def streamed(
        self: relay.Relay, asked: relay.Asked, deployment: Deployment, route: Route, stream: upstream.Stream
    ) -> AsyncGenerator[bytes, None]:
        async for piece in true_streamed(self, asked, deployment, route, stream):
            if piece.startswith(b'data: {"error"') and asked.fallback:
                other = self._router.catalogue.resolve(asked.fallback[0], asked.capability)[0]
                call = upstream.Call(
                    deployment=other,
                    question=asked.telling.question,
                    sent=asked.telling.sent(other),
                    label=payload.Label(model=deployment.model, id="chatcmpl-th-again"),
                )
                async with contextlib.AsyncExitStack() as stack:
                    again = await self._upstream.stream(call, stack)
                    assert isinstance(again, upstream.Stream)
                    next_: object = again.first
                    while isinstance(next_, bytes):
                        yield next_
                        next_ = await again.next()
                return
            yield piece

    _patch(relay.Relay, "_streamed", streamed)


def buffers_streams() -> None:
    """A stream is collected whole before its first byte goes out."""
    true_streamed = relay.Relay._streamed

    async def streamed(*given: Any) -> AsyncGenerator[bytes, None]:
        yield b"".join([piece async for piece in true_streamed(*given)])

    _patch(relay.Relay, "_streamed", streamed)


def names_the_primary() -> None:
    """The provider header names who was asked first, not who served."""
    true_served = relay.Relay._served

    def served(
        self: relay.Relay, asked: relay.Asked, deployment: Deployment, route: Route, result: Any
    ) -> relay.Answer:
        answer = true_served(self, asked, deployment, route, result)
        return replace(answer, headers={**answer.headers, headers.PROVIDER: route.tried[0].provider})

    _patch(relay.Relay, "_served", served)


def names_the_model_asked_for() -> None:
    """The answer's model is the one that the client named, whoever served."""
    true_attempt = relay.Relay._attempt

    async def attempt(self: relay.Relay, asked: relay.Asked, deployment: Deployment, stack: Any) -> Any:
        if asked.body.model in ("auto", "premium"):
            return await true_attempt(self, asked, deployment, stack)
        return await true_attempt(self, asked, replace(deployment, model=asked.body.model), stack)

    _patch(relay.Relay, "_attempt", attempt)


def repeats_the_request_id() -> None:
    """Every response bears the same request id."""
    true_new = asgi.Gateway.new_record

    def new_record(self: asgi.Gateway, head: records.Head) -> records.RequestRecord:
        record = true_new(self, head)
        record.id = "req-000000000000000000000001"
        return record

    _patch(asgi.Gateway, "new_record", new_record)


def doubles_the_latency() -> None:
    """The latency header claims twice the time and a second."""
    _patch(relay, "told_route", lambda provider, elapsed: headers.told_route(provider, 2 * elapsed + 1.0))


def sends_the_clients_key_upstream() -> None:
    """The client's own key is handed on to the provider beside the gateway's."""
    true_request = upstream.Upstream._request

    def request(self: upstream.Upstream, call: upstream.Call, media_type: str) -> httpcore2.Request:
        made = true_request(self, call, media_type)
        made.headers.append((b"x-api-key", quart.request.headers["authorization"].partition(" ")[2].encode()))
        return made

    _patch(upstream.Upstream, "_request", request)


def relays_secrets() -> None:
    """A provider's error text reaches the client as it is."""
    _patch(scrub.Scrubber, "clean", lambda _, text: text)


def forgets_retry_after() -> None:
    """Nobody learns how long the providers asked to be left alone."""
    true_exhausted = Route._exhausted

    def exhausted(self: Route) -> Exhausted:
        return replace(true_exhausted(self), retry_after=None)

    _patch(Route, "_exhausted", exhausted)


def invents_a_temperature() -> None:
    """A parameter that the client never sent goes to the provider."""

    def addressed_to(self: validation.Body, model: str) -> bytes:
        return msgspec.json.encode({"temperature": 1, **self.fields, "model": model})

    _patch(validation.Body, "addressed_to", addressed_to)


def drops_unknown_fields() -> None:
    """A parameter that the gateway does not know never reaches the provider."""
    known = {"model", "messages", "prompt", "input", "stream", "stream_options", "tools", "tool_choice", "n", "user"}

    def addressed_to(self: validation.Body, model: str) -> bytes:
        kept = {name: value for name, value in self.fields.items() if name in known}
        return msgspec.json.encode({**kept, "model": model})

    _patch(validation.Body, "addressed_to", addressed_to)


def tells_ranges_as_400() -> None:
    """A value out of range is told as a malformed request."""
    rows = replace(validation._ROWS, validation=dict.fromkeys(validation._ROWS.validation, 400))
    _patch(validation, "_ROWS", rows)


def tells_outages_as_500() -> None:
    """A provider's failure is told as the gateway's own."""
    true_refusal = relay._refusal

    def refusal(*given: Any) -> errors.GatewayError:
        error = true_refusal(*given)
        if error.status != 503:
            return error
        return errors.GatewayError("internal_error", error.message, headers=error.headers)

    _patch(relay, "_refusal", refusal)


def waits_for_ever() -> None:
    """No deadline holds while a provider is silent."""
    true_init = patience.Patience.__init__

    def init(self: patience.Patience, timeouts: Any) -> None:
        long = dict.fromkeys(("headers", "first_token", "between_tokens", "total"), 8.0)
        true_init(self, msgspec.structs.replace(timeouts, **long))

    _patch(patience.Patience, "__init__", init)


def works_for_nobody() -> None:
    """A client that leaves is not felt upstream: the attempt goes on."""
    true_attempt = relay.Relay._attempt

    async def attempt(*given: Any) -> Any:
        with trio.CancelScope(shield=True):
            return await true_attempt(*given)

    _patch(relay.Relay, "_attempt", attempt)


def loses_the_usage() -> None:
    """The usage of an answer is told as zero."""
    true_labelled = payload._labelled

    def labelled(fields: payload.Fields, label: payload.Label) -> dict[str, object]:
        named = true_labelled(fields, label)
        zero = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        return {**named, "usage": zero} if named.get("usage") not in (None, msgspec.Raw(b"null")) else named

    _patch(payload, "_labelled", labelled)


def ignores_an_unknown_strategy() -> None:
    """A misspelt strategy is served as if it were the default."""
    true_asked = headers.asked_strategy

    def asked_strategy(values: Sequence[str]) -> Strategy | None:
        with contextlib.suppress(errors.GatewayError):
            return true_asked(values)
        return None

    _patch(app, "asked_strategy", asked_strategy)


BREAKS: Final = {
    each.name: each
    for each in (
        Break(requirement="auth.key.unknown", apply=accepts_any_key),
        Break(requirement="auth.key.expired", apply=ignores_expiry),
        Break(requirement="auth.key.revoked", apply=ignores_revocation),
        Break(requirement="keys.restriction.model", apply=ignores_restriction),
        Break(requirement="fallback.absent.single", apply=falls_back_unasked),
        Break(requirement="fallback.never.client_error", apply=falls_back_on_client_error),
        Break(requirement="fallback.on.rate_limit", apply=rate_limit_is_final),
        Break(requirement="fallback.order.listed", apply=reverses_the_chain),
        Break(requirement="routing.cost.cheapest", apply=picks_the_dearest),
        Break(requirement="routing.round_robin.per_model", apply=shares_the_rotation),
        Break(requirement="routing.round_robin.window", apply=rotates_at_random),
        Break(requirement="routing.latency.fastest", apply=ignores_latency),
        Break(requirement="routing.latency.follows", apply=never_measures_anew),
        Break(requirement="routing.availability.avoids", apply=ignores_failures),
        Break(requirement="routing.strategy.invalid", apply=ignores_an_unknown_strategy),
        Break(requirement="stream.cut.error", apply=hides_a_cut),
        Break(requirement="universal.text.single", apply=starts_a_broken_stream_again),
        Break(requirement="stream.relay.timely", apply=buffers_streams),
        Break(requirement="headers.provider.true", apply=names_the_primary),
        Break(requirement="fallback.served.named", apply=names_the_model_asked_for),
        Break(requirement="headers.request_id.unique", apply=repeats_the_request_id),
        Break(requirement="headers.latency.bounded", apply=doubles_the_latency),
        Break(requirement="universal.secret.client", apply=sends_the_clients_key_upstream),
        Break(requirement="errors.provider.key", apply=relays_secrets),
        Break(requirement="fallback.retry_after.smallest", apply=forgets_retry_after),
        Break(requirement="surface.parameter.uninvented", apply=invents_a_temperature),
        Break(requirement="surface.parameter.unknown", apply=drops_unknown_fields),
        Break(requirement="errors.value.range", apply=tells_ranges_as_400),
        Break(requirement="errors.internal.reserved", apply=tells_outages_as_500),
        Break(requirement="timeouts.silence.bounded", apply=waits_for_ever),
        Break(requirement="universal.leaving.waiting", apply=works_for_nobody),
        Break(requirement="universal.usage.equal", apply=loses_the_usage),
    )
}
