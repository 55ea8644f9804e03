"""Wrong gateways at their edge: what the true reference takes in, or gives out, is changed on its way.

Where a break of `breaks` reaches into the reference, these stand around it, as a careless proxy would: they know its
wire and nothing of its inside, so that they stay wrong in the same way however the reference is rebuilt.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, cast
from urllib.parse import unquote

import msgspec
import trio

Json: TypeAlias = dict[str, Any]
Headers: TypeAlias = tuple[tuple[str, str], ...]
Receive: TypeAlias = Callable[[], Awaitable[Mapping[str, Any]]]
Send: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Mapping[str, Any], Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as the client sent it; *path* is still escaped."""

    method: str
    path: str
    headers: Headers
    body: bytes

    @property
    def json(self) -> Json:
        """The body; empty where it is no JSON object."""
        return _object(self.body)

    def header(self, name: str) -> str:
        """The first value of *name*, or nothing."""
        return _header(self.headers, name)

    def having(self, name: str, value: str | None) -> Asked:
        """Return it with the header *name* set, or without it where *value* is None."""
        return replace(self, headers=_set(self.headers, name, value))

    def saying(self, **fields: object) -> Asked:
        """Return it with *fields* in its body."""
        return replace(self, body=msgspec.json.encode({**self.json, **fields}))

    def lacking(self, *names: str) -> Asked:
        """Return it without the fields *names*."""
        return replace(self, body=msgspec.json.encode({k: v for k, v in self.json.items() if k not in names}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A response, or its head and one event where it is a stream."""

    status: int
    headers: Headers
    body: bytes = b""

    def header(self, name: str) -> str:
        """The first value of *name*, or nothing."""
        return _header(self.headers, name)

    @property
    def is_stream(self) -> bool:
        """Whether it is an event stream."""
        return any(name == "content-type" and "event-stream" in value for name, value in self.headers)

    @property
    def json(self) -> Json:
        """The body, or the payload of the event; empty where that is no JSON object."""
        return _object(self.body.removeprefix(b"data: ").strip())

    def having(self, name: str, value: str | None) -> Told:
        """Return it with the header *name* set, or without it where *value* is None."""
        return replace(self, headers=_set(self.headers, name, value))

    def saying(self, tree: Json) -> Told:
        """Return it with another body, or another payload of the event."""
        data = msgspec.json.encode(tree)
        return replace(self, body=b"data: " + data + b"\n\n" if self.body.startswith(b"data: ") else data)

    def edited(self, edit: Callable[[Json], object]) -> Told:
        """Return it with its JSON changed in place by *edit*."""
        tree = self.json
        if not tree:
            return self
        edit(tree)
        return self.saying(tree)


Change: TypeAlias = Callable[[Asked], Asked]
Answer: TypeAlias = Callable[[Told, Asked], Told]


def unchanged_request(asked: Asked) -> Asked:
    """Return the request as it came."""
    return asked


def unchanged_answer(told: Told, asked: Asked) -> Told:
    """Return the answer as it was given."""
    del asked
    return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """An ASGI app around the true one: *asks* changes requests, *tells* responses, and each event of a stream."""

    app: App
    asks: Change = unchanged_request
    tells: Answer = unchanged_answer

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = await _taken(scope, receive)
        changed = self.asks(asked)
        await self.app(_scope(scope, changed), _replayed(changed.body, receive), _Sending(self, asked, send))


@dataclass(slots=True)
class _Sending:
    """Takes in what the true gateway sends and sends on what the edge makes of it."""

    edge: Edge
    asked: Asked
    send: Send
    head: Told | None = None
    body: bytearray = field(default_factory=bytearray)

    async def __call__(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.head = Told(status=message["status"], headers=_texts(message["headers"]))
            if self.head.is_stream:
                await self._begin(self.edge.tells(self.head, self.asked))
            return
        assert self.head is not None
        self.body += message.get("body", b"")
        is_last = not message.get("more_body", False)
        if self.head.is_stream:
            await self._pass_on(is_last=is_last)
        elif is_last:
            answer = self.edge.tells(replace(self.head, body=bytes(self.body)), self.asked)
            if answer.header("content-length") == self.head.header("content-length"):
                answer = answer.having("content-length", str(len(answer.body)))
            await self._begin(answer)
            await self.send({"type": "http.response.body", "body": answer.body, "more_body": False})

    async def _pass_on(self, *, is_last: bool) -> None:
        assert self.head is not None
        *events, rest = bytes(self.body).split(b"\n\n")
        self.body = bytearray(rest)
        for event in events:
            told = self.edge.tells(replace(self.head, body=event + b"\n\n"), self.asked)
            await self.send({"type": "http.response.body", "body": told.body, "more_body": True})
        if is_last:
            await self.send({"type": "http.response.body", "body": bytes(self.body), "more_body": False})

    async def _begin(self, told: Told) -> None:
        raw = [(name.encode(), value.encode("latin-1")) for name, value in told.headers]
        await self.send({"type": "http.response.start", "status": told.status, "headers": raw})


async def _taken(scope: Mapping[str, Any], receive: Receive) -> Asked:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body", False):
            break
    path = (scope.get("raw_path") or scope["path"].encode()).decode("ascii")
    return Asked(method=scope["method"], path=path, headers=_texts(scope["headers"]), body=bytes(body))


def _scope(scope: Mapping[str, Any], asked: Asked) -> Mapping[str, Any]:
    headers = _set(asked.headers, "content-length", str(len(asked.body))) if asked.body else asked.headers
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    path = asked.path.partition("?")[0]
    return {**scope, "method": asked.method, "path": unquote(path), "raw_path": path.encode(), "headers": raw}


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a receive that gives *body* and then what the true one gives: the client's departure."""
    sent = trio.Event()

    async def replayed() -> Mapping[str, Any]:
        if sent.is_set():
            return await receive()
        sent.set()
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _texts(raw: Any) -> Headers:
    return tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw)


def _header(headers: Headers, name: str) -> str:
    return next((value for key, value in headers if key == name), "")


def _set(headers: Headers, name: str, value: str | None) -> Headers:
    kept = tuple(each for each in headers if each[0] != name)
    return kept if value is None else (*kept, (name, value))


def _object(data: bytes) -> Json:
    try:
        tree = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return cast("Json", tree) if isinstance(tree, dict) else {}


# In words that breaks are written in


def patch(owner: object, name: str, value: object) -> None:
    """Put *value* in the place of what *owner* has under *name*."""
    assert hasattr(owner, name), f"{owner} has no {name}: the reference has moved, and its mutant must follow"
    setattr(owner, name, value)


def edged(*, asks: Change = unchanged_request, tells: Answer = unchanged_answer) -> None:
    """Put an edge around every gateway that is served from now on."""
    serve = importlib.import_module("routeproof_reference_server.serve")  # the package has a function of that name
    true_door = serve.Door

    def door(app: App, *rest: Any) -> Any:
        return true_door(Edge(app=app, asks=asks, tells=tells), *rest)

    patch(serve, "Door", door)


def asking(change: Change, *, where: Callable[[Asked], object]) -> None:
    """Let every request for which *where* holds go in as *change* makes it."""
    edged(asks=lambda asked: change(asked) if where(asked) else asked)


def telling(edit: Callable[[Json], object], *, where: Callable[[Told, Asked], object]) -> None:
    """Let *edit* change the JSON of every answer, and of every event, for which *where* holds."""
    edged(tells=lambda told, asked: told.edited(edit) if where(told, asked) else told)


def spoilt(told: Told, status: int, kind: str) -> Told:
    """Return an error with that *status* and type instead of what was told."""
    body = {"error": {"type": kind, "message": "Spoilt on purpose.", "code": "spoilt"}}
    return replace(told, status=status).having("content-type", "application/json").saying(body)


def in_choices(edit: Callable[[Json], object]) -> Answer:
    """Return what applies *edit* to every choice of an answer."""

    def tells(told: Told, asked: Asked) -> Told:
        del asked
        return told.edited(lambda tree: [edit(choice) for choice in tree.get("choices", [])])

    return tells
