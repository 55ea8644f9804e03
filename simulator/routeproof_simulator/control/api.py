"""The routes of the control API, and what each of them does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias, TypeVar, final

import msgspec

from routeproof_simulator import spelling
from routeproof_simulator.catalogue import describe
from routeproof_simulator.control import gate, pages
from routeproof_simulator.control.live import LISTENERS_MAX, LiveStream, Watch
from routeproof_simulator.control.metrics import Metrics
from routeproof_simulator.control.page import CONTENT_SECURITY_POLICY, PAGE
from routeproof_simulator.control.query import Query
from routeproof_simulator.control.replies import Refusal, answer, content, misspelt, refused, streamed
from routeproof_simulator.control.staging import staged
from routeproof_simulator.control.steering import Steering
from routeproof_simulator.control.viewing import fleet_view, provider_view, scenario_view
from routeproof_simulator.control.views import BehaviourChange, DoorChange, FleetView, Scenario, Undoing
from routeproof_simulator.journal import Entry, Journal
from routeproof_simulator.provider import Provider, Reply
from routeproof_simulator.received import Received
from routeproof_simulator.schedules.performance import Performance
from routeproof_simulator.script import EVENT_STREAM, JSON, Head, Pull, Script
from routeproof_spec.config import decode
from routeproof_spec.errors import NOT_JSON, ConfigError

T = TypeVar("T")

OPENAPI: Final = Path(__file__).with_name("openapi.json").read_bytes()

_DONE: Final = {"status": "ok"}

#: The script of an answer; a function where the answer has to wait for what it reports.
Answered: TypeAlias = Script | Callable[[], Awaitable[Script]]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A request on its way through the routes."""

    request: Received
    entry: Entry
    name: str  # of the provider in the path, empty where there is none

    def body(self, kind: type[T]) -> T:
        """Return the body as a *kind*; no body is an empty table."""
        try:
            tree: object = msgspec.json.decode(self.request.body) if self.request.body else {}
        except NOT_JSON as error:
            raise Refusal(400, "The body is not JSON.", found=str(error), wanted="a JSON object") from None
        return decode(tree, kind, file="body")

    def query(self, *names: str) -> Query:
        """Return the query, in which nothing but *names* may be."""
        query = Query(self.request.query)
        query.known(*names)
        return query


@final
class Control:
    """Answers the control API for *providers* and *journal*; *forget* empties both, *now* is the clock of both."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        journal: Journal,
        base_urls: Mapping[str, str],
        *,
        performance: Performance,
        forget: Callable[[], None],
        now: Callable[[], float],
        ca_pem: str | None = None,
    ) -> None:
        self._providers = providers
        self._ca_pem = ca_pem
        self._journal = journal
        self._forget = forget
        self._base_urls = base_urls
        self._now = now
        self._steering = Steering(providers, performance, now=now)
        self._metrics = Metrics(providers, journal)
        self._listeners = 0

    async def keep(self) -> None:
        """Let end what has had its time, until cancelled."""
        await self._steering.keep()

    def respond(self, request: Received) -> Reply:
        """Do what *request* says."""
        entry = Entry("control", request, marker=None, index=0)
        try:
            gate.check(request)
            script = self._routed(request, entry)
        except ConfigError as error:
            script = misspelt(str(error), key=error.key, found=error.found, wanted=error.wanted)
        except Refusal as refusal:
            script = refused(refusal)
        return Reply(script, entry)

    def refuse(self, received: Received, status: int, message: str) -> Reply:
        """Answer what is no request."""
        wanted = "HTTP/1.1 within the limits"
        refusal = Refusal(status, message, found="bytes that are no request", wanted=wanted)
        return Reply(refused(refusal), Entry("", received, marker=None, index=0))

    def _routed(self, request: Received, entry: Entry) -> Answered:
        template, name = _route(request.path)
        methods = ROUTES.get(template)
        if methods is None:
            wanted = ", ".join(ROUTES)
            raise Refusal(404, "There is no such path.", found=request.path[:200], wanted=wanted)
        if request.method not in methods:
            allowed = (("allow", ", ".join(methods)),)
            wanted = " or ".join(methods)
            raise Refusal(405, "The path has no such method.", found=request.method, wanted=wanted, headers=allowed)
        if name and name not in self._providers:
            raise Refusal(404, "There is no such provider.", found=name[:200], wanted=", ".join(self._providers))
        return methods[request.method](self, _Asked(request=request, entry=entry, name=name))

    async def _settled(self, show: Callable[[], object]) -> Script:
        """Return the answer that shows what *show* returns, once every change of a door is in force."""
        for provider in self._providers.values():
            await provider.door_settled()
        return answer(show())

    def _view(self) -> FleetView:
        return fleet_view(self._providers, self._base_urls, self._journal, self._steering, now=self._now())

    # One method for each route, in the order of the table below.

    def page(self, asked: _Asked) -> Script:
        """Show the page."""
        asked.query()
        return content("text/html; charset=utf-8", PAGE, CONTENT_SECURITY_POLICY)

    def healthz(self, asked: _Asked) -> Script:
        """Say that somebody is here."""
        asked.query()
        return answer(_DONE)

    def openapi(self, asked: _Asked) -> Script:
        """Show what can be asked."""
        asked.query()
        return content(JSON, OPENAPI)

    def faults(self, asked: _Asked) -> Script:
        """Show every behaviour that there is, and what can be said of it."""
        asked.query()
        return answer({"faults": describe()})

    def fleet(self, asked: _Asked) -> Script:
        """Show the providers as they are."""
        asked.query()
        return answer(self._view())

    def set_behaviour(self, asked: _Asked) -> Answered:
        """Give a provider a behaviour."""
        change = asked.body(BehaviourChange)
        self._steering.set_behaviour(asked.name, spelling.decode(change.behaviour, file="body"), ttl=change.ttl)
        return self._shown_provider(asked.name)

    def set_door(self, asked: _Asked) -> Answered:
        """Open, close or silence the door of a provider."""
        change = asked.body(DoorChange)
        self._steering.set_door(asked.name, change.door, ttl=change.ttl)
        return self._shown_provider(asked.name)

    def heal(self, asked: _Asked) -> Answered:
        """Let every provider be as configured."""
        asked.query()
        self._steering.heal()
        return partial(self._settled, lambda: _DONE)

    def undo(self, asked: _Asked) -> Answered:
        """Revert the last change."""
        self._steering.undo(asked.body(Undoing).change)
        return partial(self._settled, self._view)

    def scenario(self, asked: _Asked) -> Script:
        """Show what stands and what is next."""
        asked.query()
        return answer(scenario_view(self._steering, now=self._now()))

    def set_scenario(self, asked: _Asked) -> Answered:
        """Set all providers at once, and what happens to them next."""
        self._steering.stage(staged(asked.body(Scenario), self._providers, now=self._now()))
        return partial(self._settled, lambda: scenario_view(self._steering, now=self._now()))

    def journal(self, asked: _Asked) -> Answered:
        """Show the attempts."""
        return pages.asked(self._journal, Query(asked.request.query), accepts=asked.request.header("accept") or "")

    def clear(self, asked: _Asked) -> Script:
        """Forget the attempts."""
        asked.query()
        self._forget()
        return answer(_DONE)

    def stream(self, asked: _Asked) -> Script:
        """Show attempts as they come."""
        after = asked.query("after").whole("after")
        told = asked.request.header("last-event-id") or ""
        if after is None and told.isascii() and told.isdigit() and len(told) < 16:
            after = int(told)
        if self._listeners >= LISTENERS_MAX:
            found = f"{self._listeners} listeners"
            wanted = "a page or a listener less: close one"
            again = (("retry-after", "5"),)
            raise Refusal(503, "Too many look on already.", found=found, wanted=wanted, headers=again)
        self._listeners += 1
        asked.entry.when_ended(self._one_less)
        live = LiveStream(Watch(self._journal, after), self._view)
        return (Head(200, streamed(EVENT_STREAM)), Pull(live.next))

    def metrics(self, asked: _Asked) -> Script:
        """Show the counts of the providers."""
        asked.query()
        return content(*self._metrics.text(asked.request.header("accept") or ""))

    def authority(self, asked: _Asked) -> Script:
        """Show the certificate of the authority that a client of the providers must trust."""
        asked.query()
        if self._ca_pem is None:
            wanted = "a fleet with a provider that has tls = true"
            raise Refusal(404, "No provider is served over TLS.", found="no authority", wanted=wanted)
        return content("application/x-pem-file", self._ca_pem.encode("ascii"))

    def _one_less(self) -> None:
        self._listeners -= 1

    def _shown_provider(self, name: str) -> Answered:
        provider, url = self._providers[name], self._base_urls[name]
        return partial(self._settled, lambda: provider_view(provider, url))


#: Every route, by its path and its method. `openapi.json` has the same, and the tests hold the two to it.
ROUTES: Final[Mapping[str, Mapping[str, Callable[[Control, _Asked], Answered]]]] = {
    "/": {"GET": Control.page},
    "/healthz": {"GET": Control.healthz},
    "/openapi.json": {"GET": Control.openapi},
    "/faults": {"GET": Control.faults},
    "/fleet": {"GET": Control.fleet},
    "/providers/{name}/behaviour": {"PUT": Control.set_behaviour},
    "/providers/{name}/door": {"PUT": Control.set_door},
    "/heal": {"POST": Control.heal},
    "/undo": {"POST": Control.undo},
    "/scenario": {"GET": Control.scenario, "PUT": Control.set_scenario, "DELETE": Control.heal},
    "/journal": {"GET": Control.journal, "DELETE": Control.clear},
    "/journal/stream": {"GET": Control.stream},
    "/metrics": {"GET": Control.metrics},
    "/ca.pem": {"GET": Control.authority},
}


def _route(path: str) -> tuple[str, str]:
    """Return the template that *path* fits, and the provider's name in it."""
    match path.split("/"):
        case ["", "providers", name, what] if name:
            return f"/providers/{{name}}/{what}", name
        case _:
            return path, ""
