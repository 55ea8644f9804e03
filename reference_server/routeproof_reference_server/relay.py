"""Drives one request along its route: attempts, fallback, and the one answer that comes of it.

Nothing goes to the client before a provider has kept its promise: a whole answer is complete, a stream's first content
has come. From a stream's first byte on there is no way back: if it breaks, it ends in an error event.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from typing import final

import trio

from routeproof_reference_server.auth import Caller
from routeproof_reference_server.dialects import Question
from routeproof_reference_server.dialects.telling import Telling
from routeproof_reference_server.errors import GatewayError, echoed
from routeproof_reference_server.headers import RETRY_AFTER, told_route
from routeproof_reference_server.payload import END, ID_PREFIXES, Label
from routeproof_reference_server.records import RequestRecord
from routeproof_reference_server.routing import (
    Answered,
    Ask,
    Capability,
    Deployment,
    Failed,
    Finished,
    Left,
    Outcome,
    Rejected,
    Route,
    Router,
    Strategy,
    Try,
    Unfit,
    Unknown,
)
from routeproof_reference_server.routing.router import End
from routeproof_reference_server.upstream import Call, Ended, Stream, Upstream, Whole
from routeproof_reference_server.validation import Body
from routeproof_spec.contract import Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request that has passed every check."""

    operation: Operation
    capability: Capability
    caller: Caller
    body: Body
    strategy: Strategy | None
    fallback: tuple[str, ...]
    record: RequestRecord
    telling: Telling = field(init=False)  # it, in the APIs of providers

    def __post_init__(self) -> None:
        """Prepare its telling; nothing is translated before somebody is to be asked."""
        question = Question(path=self.operation.path, capability=self.capability, body=self.body)
        object.__setattr__(self, "telling", Telling(question))

    def ask(self) -> Ask:
        """Return what of it matters for routing."""
        return Ask(
            capability=self.capability,
            model=self.body.model,
            strategy=self.strategy,
            fallback=self.fallback,
            restriction=self.caller.restriction,
            fits=self.telling.fits,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the client gets: headers, and a whole body or a stream of pieces."""

    headers: dict[str, str]
    body: bytes | AsyncGenerator[bytes, None]


@final
class Relay:
    """Answers requests with the help of providers."""

    def __init__(self, router: Router, upstream: Upstream, rng: Random) -> None:
        self._router = router
        self._upstream = upstream
        self._rng = rng

    async def answer(self, asked: Asked, stack: AsyncExitStack) -> Answer:
        """Return the answer; a streamed one lives as long as *stack*. Raises `GatewayError` where there is none."""
        route = self._router.open(asked.ask())
        stack.callback(_abandon, route)
        while True:
            step = route.next(trio.current_time())
            if not isinstance(step, Try):
                raise _refusal(step, route, asked)
            asked.record.trying(step.deployment, trio.current_time())
            result = await self._attempt(asked, step.deployment, stack)
            if isinstance(result, Whole | Stream):
                _tell(asked, route, Answered(latency=result.latency))
                return self._served(asked, step.deployment, route, result)
            _tell(asked, route, result)

    async def _attempt(self, asked: Asked, deployment: Deployment, stack: AsyncExitStack) -> Whole | Stream | Ended:
        prefix = ID_PREFIXES.get(asked.capability)
        call = Call(
            deployment=deployment,
            question=asked.telling.question,
            sent=asked.telling.sent(deployment),
            headers=asked.record.attempts[-1].headers,
            label=Label(model=deployment.model, id=prefix and f"{prefix}{self._rng.getrandbits(96):024x}"),
        )
        if asked.body.stream:
            return await self._upstream.stream(call, stack)
        return await self._upstream.whole(call)

    def _served(self, asked: Asked, deployment: Deployment, route: Route, result: Whole | Stream) -> Answer:
        headers = told_route(deployment.provider, trio.current_time() - asked.record.began)
        if isinstance(result, Whole):
            _finish(asked, route, result)
            return Answer(headers=headers, body=result.body)
        return Answer(headers=headers, body=self._streamed(asked, deployment, route, result))

    async def _streamed(
        self, asked: Asked, deployment: Deployment, route: Route, stream: Stream
    ) -> AsyncGenerator[bytes, None]:
        piece: bytes | Failed | None = stream.first
        while isinstance(piece, bytes):
            asked.record.attempts[-1].said = stream.said
            if piece.endswith(END):  # all has come: it is booked before the client can know
                _finish(asked, route, stream)
            yield piece
            piece = await stream.next()
        if piece is None:
            return
        _tell(asked, route, piece)
        error = GatewayError("provider_unavailable", f"The answer broke off at {deployment.provider}: {piece.message}.")
        asked.record.refused(error)
        yield b"data: %b\n\n" % error.envelope()


def _tell(asked: Asked, route: Route, outcome: Outcome) -> None:
    now = trio.current_time()
    route.told(outcome, now)
    asked.record.told(outcome, now)


def _finish(asked: Asked, route: Route, result: Whole | Stream) -> None:
    now = trio.current_time()
    route.told(Finished(), now)
    if result.usage is None:
        asked.record.attempts[-1].said = result.said
    asked.record.finished(result.usage, now)


def _abandon(route: Route) -> None:
    """The request is over. Where an attempt was still under way, the client has gone."""
    if route.is_under_way:
        route.told(Left(), trio.current_time())


def _refusal(end: End, route: Route, asked: Asked) -> GatewayError:
    if isinstance(end, Unknown):
        return GatewayError("model_not_found", f"There is no model '{echoed(end.name)}' here.", param="model")
    if isinstance(end, Unfit):
        return _untold(end.deployment, asked)
    tried = route.tried
    headers = told_route(tried[-1].provider, trio.current_time() - asked.record.began)
    if isinstance(end, Rejected):
        text = end.message or f"The provider refused the request with {end.status}."
        return GatewayError("provider_rejected", text, status=end.status, headers=headers)
    if end.retry_after is not None:
        headers[RETRY_AFTER] = str(end.retry_after)
    told = "; ".join(f"{place.provider}: {each.message}" for place, each in zip(tried, end.attempts, strict=True))
    row = "rate_limit_exceeded" if end.status == 429 else "provider_unavailable"
    return GatewayError(row, f"No provider could answer ({told}).", headers=headers)


def _untold(deployment: Deployment, asked: Asked) -> GatewayError:
    """Return the refusal of a request that can be told to no provider, by what *deployment* cannot be told."""
    refusal = asked.telling.refusal(deployment)
    assert refusal is not None, "who can be asked is asked"
    text = f"{deployment.provider} cannot be asked this. {echoed(refusal.place)}: {echoed(refusal.why)}."
    return GatewayError("unsupported_parameter", text, param=echoed(refusal.place))
