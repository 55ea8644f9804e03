"""The control API of a fleet, on a port of its own: JSON in, JSON out, played by the same wire as the providers.

GET /fleet · PUT /providers/{name}/behaviour `{"behaviour": …, "ttl": seconds?}` · PUT /providers/{name}/door
`{"door": "open|refused|silent"}` · POST /heal · GET /journal?marker=&after=&idle_within= · DELETE /journal ·
GET /healthz.
What is wrong in a request is answered with `{"error": {"found", "wanted", …}}` and changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated, Any, Final, final
from urllib.parse import parse_qs

import msgspec
import trio
from msgspec import Meta, Struct

from routeproof_simulator import spelling
from routeproof_simulator.journal import Entry, Journal
from routeproof_simulator.provider import Door, Provider, Reply
from routeproof_simulator.received import Received
from routeproof_simulator.script import JSON, Script, whole
from routeproof_spec.config import decode
from routeproof_spec.errors import ConfigError
from routeproof_spec.history import Attempt

PAGE_ATTEMPTS_MAX = 500
IDLE_WITHIN_MAX: Final = 60.0  #: seconds that a page may wait for open attempts to end
POLL: Final = 0.002  #: seconds
PAGE_BYTES_MAX = 8 * 2**20  # of bodies; a page holds one attempt at least

_DONE: Final = {"status": "ok"}
_METHODS: Final = {"healthz": "GET", "fleet": "GET", "journal": "GET or DELETE", "heal": "POST", "providers": "PUT"}


class BehaviourChange(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `PUT /providers/{name}/behaviour`; after *ttl* seconds the provider is as configured again."""

    behaviour: Any
    ttl: Annotated[float, Meta(gt=0)] | None = None


class DoorChange(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `PUT /providers/{name}/door`."""

    door: Door


class ProviderView(Struct, frozen=True):
    """One provider as `GET /fleet` shows it; its key is not shown."""

    name: str
    base_url: str
    models: tuple[str, ...]
    behaviour: spelling.Spelled
    configured: spelling.Spelled
    door: Door


class FleetView(Struct, frozen=True):
    """The body of `GET /fleet`."""

    providers: tuple[ProviderView, ...]


class JournalPage(Struct, frozen=True):
    """A page of `GET /journal`; ask again with `after` = *next* while there is *more*."""

    attempts: tuple[Attempt, ...]
    next: int
    more: bool
    open: int  # attempts whose answer has not ended, of the marker where one is asked for
    dropped: int  # attempts lost for want of room


@final
class Control:
    """Answers the control API for *providers* and *journal*."""

    def __init__(self, providers: Mapping[str, Provider], journal: Journal, base_urls: Mapping[str, str]) -> None:
        self._providers = providers
        self._journal = journal
        self._base_urls = base_urls

    def respond(self, request: Received) -> Reply:
        """Do what *request* says."""
        try:
            script = self._routed(request)
        except ConfigError as error:
            told = {"message": str(error), "key": error.key, "found": error.found, "wanted": error.wanted}
            script = _answer(422, {"error": told})
        return Reply(script, Entry("control", request, marker=None, index=0))

    async def _settled(self, script: Script) -> Script:
        """Return *script* once every change of a door is in force."""
        for provider in self._providers.values():
            await provider.door_settled()
        return script

    def refuse(self, received: Received, status: int, message: str) -> Reply:
        """Answer what is no request."""
        return Reply(
            _error(status, message, found="bytes that are no request", wanted="HTTP/1.1 within the limits"),
            Entry("", received, marker=None, index=0),
        )

    def _routed(self, request: Received) -> Script | Callable[[], Awaitable[Script]]:
        match request.method, request.path.split("/")[1:]:
            case "GET", ["healthz"]:
                answer: object = _DONE
            case "GET", ["fleet"]:
                answer = FleetView(tuple(map(self._view, self._providers.values())))
            case "DELETE", ["journal"]:
                self._journal.clear()
                answer = _DONE
            case "POST", ["heal"]:
                for provider in self._providers.values():
                    provider.heal()
                return partial(self._settled, _answer(200, _DONE))
            case "GET", ["journal"]:
                return self._asked_page(request)
            case "PUT", ["providers", name, ("behaviour" | "door") as what]:
                return partial(self._settled, self._change(request, name, what))
            case method, ["healthz" | "fleet" | "journal" | "heal" as path] | [
                "providers" as path,
                _,
                "behaviour" | "door",
            ]:
                return _error(405, "The path has no such method.", found=method, wanted=_METHODS[path])
            case _:
                wanted = "/fleet, /journal, /heal, /healthz, /providers/NAME/behaviour or /providers/NAME/door"
                return _error(404, "There is no such path.", found=request.path, wanted=wanted)
        return _answer(200, answer)

    def _change(self, request: Received, name: str, what: str) -> Script:
        provider = self._providers.get(name)
        if provider is None:
            return _error(404, "There is no such provider.", found=name, wanted=", ".join(self._providers))
        try:
            tree = msgspec.json.decode(request.body)
        except (msgspec.DecodeError, RecursionError) as error:
            return _error(400, "The body is not JSON.", found=str(error), wanted="a JSON object")
        if what == "door":
            provider.set_door(decode(tree, DoorChange, file="body").door)
        else:
            change = decode(tree, BehaviourChange, file="body")
            if change.ttl is not None and not math.isfinite(change.ttl):
                raise ConfigError(file="body", key="ttl", found=str(change.ttl), wanted="a finite number of seconds")
            provider.set_behaviour(spelling.decode(change.behaviour, file="body"), ttl=change.ttl)
        return _answer(200, self._view(provider))

    def _view(self, provider: Provider) -> ProviderView:
        return ProviderView(
            name=provider.name,
            base_url=self._base_urls[provider.name],
            models=provider.persona.models,
            behaviour=spelling.encode(provider.behaviour),
            configured=spelling.encode(provider.configured),
            door=provider.door,
        )

    def _asked_page(self, request: Received) -> Script | Callable[[], Awaitable[Script]]:
        query = parse_qs(request.query, keep_blank_values=True)
        unknown = sorted(query.keys() - {"marker", "after", "idle_within"})
        if unknown:
            return _error(400, "The query has an unknown key.", found=unknown[0], wanted="marker, after, idle_within")
        after = query.get("after", ["0"])[-1]
        if not (after.isascii() and after.isdigit() and len(after) < 16):
            return _error(400, "The query's 'after' is wrong.", found=after, wanted="a sequence number, 0 or more")
        marker = query.get("marker", [None])[-1]
        if "idle_within" not in query:
            return self._page(marker, int(after))
        within = _seconds(query["idle_within"][-1])
        if within is None:
            wanted = f"0 to {IDLE_WITHIN_MAX:g} seconds"
            return _error(400, "The query's 'idle_within' is wrong.", found=query["idle_within"][-1], wanted=wanted)
        return partial(self._idle_page, marker, int(after), within)

    async def _idle_page(self, marker: str | None, after: int, within: float) -> Script:
        with trio.move_on_after(within):
            while self._journal.is_open(marker):  # noqa: ASYNC110 - the journal is pure: it has nobody to wake
                await trio.sleep(POLL)
        return self._page(marker, after)

    def _page(self, marker: str | None, after: int) -> Script:
        attempts: list[Attempt] = []
        size = 0
        last, still_open, more = after, 0, False
        for sequence, entry in self._journal.since(last, marker=marker):
            if len(attempts) >= PAGE_ATTEMPTS_MAX or (attempts and size + entry.size > PAGE_BYTES_MAX):
                more = True
                break
            attempts.append(entry.attempt())
            size += entry.size
            still_open += entry.is_open
            last = sequence
        return _answer(
            200,
            JournalPage(attempts=tuple(attempts), next=last, more=more, open=still_open, dropped=self._journal.dropped),
        )


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds <= IDLE_WITHIN_MAX else None


def _answer(status: int, tree: object) -> Script:
    return whole(status, (("content-type", JSON),), msgspec.json.encode(tree))


def _error(status: int, message: str, *, found: str, wanted: str) -> Script:
    return _answer(status, {"error": {"message": message, "found": found, "wanted": wanted}})
