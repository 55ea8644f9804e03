"""What a check asks, as values, and how a dialect puts it on the wire. Pure: no secret, no clock, no socket."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, final

from routeproof_conformance.dialect import Dialect
from routeproof_conformance.forms import CHAT, Form
from routeproof_spec.history import Headers
from routeproof_spec.marker import in_text

MAIN: Final = "main"

#: Where it stands in a body that a check words itself, the request's own marker is put in.
MARK: Final = in_text("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One model name that exactly one provider serves."""

    provider: str
    model: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A primary and its fallbacks, in order; *name* is the model that is configured so, where one asks by name."""

    links: tuple[Link, ...]
    name: str | None = None

    @property
    def providers(self) -> tuple[str, ...]:
        """The providers, in order."""
        return tuple(link.provider for link in self.links)

    @property
    def models(self) -> tuple[str, ...]:
        """The model names, in order."""
        return tuple(link.model for link in self.links)

    def __getitem__(self, index: int) -> Link:
        return self.links[index]

    def __len__(self) -> int:
        return len(self.links)

    def __iter__(self) -> Iterator[Link]:
        return iter(self.links)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """The client goes away: after *seconds*, or with *first_event* as soon as one whole event has arrived.

    With *is_deaf* it reads no more than one whole event until then.
    """

    seconds: float | None = None
    first_event: bool = False
    is_deaf: bool = False

    @classmethod
    def waiting(cls, seconds: float) -> Leave:
        """Go away after *seconds*, whatever has arrived."""
        return cls(seconds=seconds)

    @classmethod
    def deaf(cls, seconds: float) -> Leave:
        """Read one event, stay without reading any more, and go away after *seconds*."""
        return cls(seconds=seconds, is_deaf=True)

    @classmethod
    def streaming(cls) -> Leave:
        """Go away as soon as the first event is complete."""
        return cls(first_event=True)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request of the contract. `dataclasses.replace` makes the control that differs in one thing only."""

    form: Form = CHAT
    model: str | None = None  # None: the target's default for the operation
    chain: Chain | None = None
    text: str = "Say hello."
    strategy: str | None = None
    fallback: str | tuple[str, ...] | None = None  # a text is sent as it stands
    key: str | None = MAIN  # a role; None: no credentials
    body: Mapping[str, object] = field(default_factory=dict[str, object])  # merged in last
    without: tuple[str, ...] = ()  # fields removed
    headers: Headers = ()
    leave: Leave | None = None
    within: float | None = None  #: seconds


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """Any other request; *path* stands below the base URL. The marker goes where `MARK` stands in the body."""

    method: str
    path: str
    body: bytes = b""
    headers: Headers = ()
    key: str | None = MAIN
    leave: Leave | None = None
    within: float | None = None  #: seconds


Request: TypeAlias = Ask | Raw


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A request as it goes out, but for the credentials."""

    method: str
    path: str
    headers: Headers
    body: bytes


def compose(ask: Request, *, dialect: Dialect, model: str, marker: str) -> Wire:
    """Return how *ask* is put on the wire in *dialect*; *model* is the name where it leaves that open."""
    match ask:
        case Raw():
            return Wire(method=ask.method, path=ask.path, headers=ask.headers, body=_marked(ask.body, marker))
        case Ask():
            plain = _body(ask, model=ask.model or (ask.chain[0].model if ask.chain else model), marker=marker)
            routed, headers = _routed(ask, dialect, plain)
            shown = {name: value for name, value in {**routed, **ask.body}.items() if name not in ask.without}
            extra = (("content-type", "application/json"), *headers, *ask.headers)
            body = _marked(_encode(shown), marker)
            return Wire(method="POST", path=ask.form.path, headers=_last_wins(extra), body=body)


def _body(ask: Ask, *, model: str, marker: str) -> dict[str, object]:
    text = f"{ask.text} {in_text(marker)}"
    body: dict[str, object] = {"model": model, "user": marker}
    match ask.form.operation:
        case "chat":
            body |= {"messages": [{"role": "user", "content": text}], "metadata": {"routeproof": marker}}
        case "completions":
            body |= {"prompt": text}
        case _:
            body |= {"input": text}
    if ask.form.stream:
        body["stream"] = True
    return body


def _routed(ask: Ask, dialect: Dialect, body: dict[str, object]) -> tuple[dict[str, object], Headers]:
    """Add to *body* and to the headers how the dialect asks for a strategy and for fallbacks."""
    headers: list[tuple[str, str]] = []
    if ask.strategy is not None:
        body, headers = dialect.strategy.express(ask.strategy, body, headers)
    fallback: str | Sequence[str] | None = ask.fallback
    if ask.chain is not None and len(ask.chain) > 1:
        if ask.chain.name is not None:
            body = body | {"model": ask.chain.name}
        else:
            fallback = ask.chain.models[1:]
    if fallback is not None:
        body, headers = dialect.fallback.express(fallback, body, headers)
    return body, tuple(headers)


def _last_wins(headers: Headers) -> Headers:
    """Return *headers* with the content type that was given last: a check may send another one."""
    kinds = [value for name, value in headers if name.lower() == "content-type"]
    rest = tuple((name, value) for name, value in headers if name.lower() != "content-type")
    return (("content-type", kinds[-1]), *rest)


def _marked(body: bytes, marker: str) -> bytes:
    return body.replace(MARK.encode(), in_text(marker).encode())


def _encode(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
