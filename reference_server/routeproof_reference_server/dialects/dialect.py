"""What the gateway must be able to say to a provider, and to understand of it, in whichever API that provider has.

A client's question is OpenAI's. A dialect tells it to its provider, or says which field cannot be told without loss;
what the provider answers it tells as OpenAI would have. It owns no socket, no clock and no chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias, final

import msgspec

from routeproof_reference_server.payload import Label
from routeproof_reference_server.routing.catalogue import Capability, Deployment
from routeproof_reference_server.validation import Body
from routeproof_spec.sse import Event

Tree: TypeAlias = dict[str, object]  # a body in JSON, as a provider's API has it


@final
class Untranslatable(Exception):
    """A provider's API has no way to say what *place* of the request says; *why* is for the client."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(place, why)
        self.place = place
        self.why = why

    def __str__(self) -> str:
        return f"{self.place}: {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a client asks: the operation's path in OpenAI's API, and its body."""

    path: str
    capability: Capability
    body: Body


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a provider is asked: a path below its base URL, and a body."""

    path: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a provider says with a status that is no answer."""

    text: str  # in its own words; empty where it has none for people
    retry_after: int | None = None  #: seconds, where the body names them
    is_ours: bool = False  # whatever its status says, the gateway's credentials are to blame and not the request


class Reader(Protocol):
    """Reads the events of one stream in order, and tells them as OpenAI's."""

    @property
    def usage(self) -> msgspec.Raw | None:
        """The usage that has passed so far, in OpenAI's words."""
        ...

    @property
    def said(self) -> int:
        """How many bytes of text and of calls the client was told so far."""
        ...

    @property
    def is_done(self) -> bool:
        """Whether `[DONE]` has been told."""
        ...

    def read(self, event: Event) -> tuple[bytes, bool]:
        """Return what the client gets for *event*, and whether it moves the answer on.

        A role alone, a ping, an empty piece of text do not. Raises `Unpromised` for what no stream may hold.
        """
        ...

    def end(self) -> bytes:
        """Return what the client gets when the provider's bytes are over.

        Raises `Unpromised` where that is too soon.
        """
        ...


class Dialect(Protocol):
    """One API of providers."""

    def credentials(self, key: str) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that show *key*."""
        ...

    def told(self, question: Question) -> Tree:
        """Return *question* in this API, for whichever of its models; raises `Untranslatable`."""
        ...

    def sent(self, told: Tree, question: Question, deployment: Deployment) -> Sent:
        """Return what *deployment* is asked."""
        ...

    def answer(self, data: bytes, question: Question, label: Label) -> tuple[bytes, msgspec.Raw | None]:
        """Return a whole answer as OpenAI's under *label*, and its usage; raises `Unpromised` where it is none."""
        ...

    def reader(self, question: Question, label: Label) -> Reader:
        """Return what reads the stream that answers *question*."""
        ...

    def refusal(self, status: int, data: bytes) -> Refusal:
        """Return what the body of an error says."""
        ...
