"""The gateway under test, as a check speaks to it: every request is marked, recorded from both sides, and bounded."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from random import Random
from typing import final

import trio

from routeproof_conformance.ask import Ask, Chain, Link, Raw, Request, compose
from routeproof_conformance.case import Case
from routeproof_conformance.forms import CHAT, Form
from routeproof_conformance.judge.outcome import NotApplicable, NotDeclared
from routeproof_conformance.observed import Observed
from routeproof_conformance.target import Target
from routeproof_simulator.recorder import Patience, record
from routeproof_spec.errors import TargetUnreachable
from routeproof_spec.history import Attempt, Ended, Exchange, Headers
from routeproof_spec.marker import new_marker


@final
class Gateway:
    """Send requests to the target and see what came of them on both sides."""

    def __init__(self, case: Case, *, base_url: str = "") -> None:
        self._case = case
        self.base_url = base_url or case.bench.target.base_url  # of a spare one, or of the one that all checks share
        self._markers = Random(case.marker_seed)

    @property
    def target(self) -> Target:
        """What is judged."""
        return self._case.bench.target

    def key(self, role: str) -> str:
        """Return the secret of the key *role*."""
        return self.target.key(role)

    def pinned(self, provider: str, *, form: Form = CHAT) -> str:
        """Return the model name that *provider* alone serves."""
        for link in self.target.pinned(form.operation):
            if link.provider == provider:
                return link.model
        raise NotDeclared(f"the target file does not declare models.pinned.{provider}")

    def chain(self, length: int, *, form: Form = CHAT, is_backwards: bool = False) -> Chain:
        """Return a chain of *length* links on different providers; one link asks for no fallback.

        With *is_backwards* it is the same chain from its end. Raises `NotApplicable` for more than one link where the
        target has no fallback.
        """
        if length > 1 and (reason := self.target.lacks("fallback")):
            raise NotApplicable(reason)
        pinned = self.target.pinned(form.operation)
        if len(pinned) < length:
            wanted = f"models.pinned for {length} providers ({form.operation})"
            raise NotDeclared(f"the target file does not declare {wanted}")
        if length == 1 or self.target.dialect.fallback.by in ("header", "body"):
            links = pinned[:length]
            return Chain(links=links[::-1] if is_backwards else links)
        return self._configured_chain(length, form, is_backwards=is_backwards)

    async def send(self, ask: Request) -> Observed:
        """Send one request and return both sides of it, once no attempt of it is open any more."""
        if isinstance(ask, Ask):
            self._require_capability(ask.form)
        marker = new_marker(self._markers)
        exchange = await self._record(ask, marker)
        if exchange.ended is Ended.REFUSED:
            raise TargetUnreachable(f"{self.base_url} refuses connections: is the gateway still running?")
        seen = Observed(
            ask=ask,
            exchange=exchange,
            requirement=self._case.requirement,
            dialect=self.target.dialect,
            journal=await self._journal(marker),
        )
        self._case.evidence.add(seen)
        return seen

    async def together(self, asks: Sequence[Request]) -> tuple[Observed, ...]:
        """Send all of *asks* at once; return what came of each, in their order."""
        seen: dict[int, Observed] = {}

        async def one(index: int, ask: Request) -> None:
            seen[index] = await self.send(ask)

        async with trio.open_nursery() as nursery:
            for index, ask in enumerate(asks):
                nursery.start_soon(one, index, ask)
        return tuple(seen[index] for index in range(len(asks)))

    async def _record(self, ask: Request, marker: str) -> Exchange:
        model = self._model(ask)
        wire = compose(ask, dialect=self.target.dialect, model=model, marker=marker)
        within = ask.within if ask.within is not None else self.target.timing.request_deadline
        leave = ask.leave
        return await record(
            self._case.client,
            wire.method,
            self.base_url + wire.path,
            marker=marker,
            headers=(*self._credentials(ask.key), *wire.headers),
            body=wire.body,
            patience=Patience(
                within=within,
                leave_after=leave.seconds if leave is not None and leave.seconds is not None else math.inf,
                leave_when=_has_event if leave is not None and leave.first_event else None,
                deaf_when=_has_event if leave is not None and leave.is_deaf else None,
            ),
            now=time.monotonic,
        )

    def _model(self, ask: Request) -> str:
        match ask:
            case Ask(model=None, chain=None):
                return "" if "model" in ask.without else self.target.default_model(ask.form.operation)
            case Ask() | Raw():
                return ""

    def _credentials(self, role: str | None) -> Headers:
        return () if role is None else (("authorization", f"Bearer {self.target.key(role)}"),)

    async def _journal(self, marker: str) -> tuple[Attempt, ...] | None:
        fleet = self._case.fleet
        if fleet is None:
            return None
        return await fleet.wait_idle(marker, within=self.target.timing.settle)

    def _configured_chain(self, length: int, form: Form, *, is_backwards: bool) -> Chain:
        tables = [table for table in self.target.models.chains if form.operation in table.operations]
        forwards = next((table.providers for table in tables if len(table.providers) == length), ())
        wanted = forwards[::-1] if is_backwards else forwards
        by_provider = {link.provider: link for link in self.target.pinned(form.operation)}
        for table in tables:
            if wanted and table.providers == wanted:
                links = tuple(by_provider.get(name, Link(provider=name, model=table.name)) for name in wanted)
                return Chain(links=links, name=table.name)
        lacking = "from its end, " * is_backwards + f"of {length} providers for {form.operation}"
        raise NotDeclared(f"the target file has no [[models.chains]] {lacking}")

    def _require_capability(self, form: Form) -> None:
        wanted = [form.operation, *(["stream"] if form.stream else [])]
        for reason in filter(None, map(self.target.lacks, wanted)):
            raise NotApplicable(reason)


def _has_event(body: bytearray) -> bool:
    return b"\n\n" in body or b"\r\n\r\n" in body
