"""What came of one request, from both sides, in the words that checks use.

Nothing here trusts the target: an answer that cannot be read is a `Violation` of the check's requirement, and a missing
field is None.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import final

from routeproof_conformance.ask import Ask, Request
from routeproof_conformance.dialect import Dialect
from routeproof_conformance.dig import dig, fields_of, items_of, parsed
from routeproof_conformance.judge import stream
from routeproof_conformance.judge.outcome import NotTestable
from routeproof_spec.errors import RemoteProtocolError, Violation
from routeproof_spec.history import Attempt, Ended, Exchange
from routeproof_spec.sse import Event, SSEDecoder

_SHOWN_CHARS = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody:
    """The contract's error envelope; a field that is no text is empty."""

    type: str
    message: str
    code: str


@final
@dataclass(frozen=True, kw_only=True)
class Observed:
    """One request, the answer that its client got, and the attempts that providers saw of it."""

    ask: Request
    exchange: Exchange
    requirement: str  # what is broken where the answer cannot be read
    dialect: Dialect = field(repr=False)
    journal: tuple[Attempt, ...] | None  # None: the providers are not ours

    # The client's side.

    @property
    def status(self) -> int | None:
        """The status, or None where no response head arrived."""
        return self.exchange.status

    @property
    def is_stream(self) -> bool:
        """Whether the answer came as an event stream."""
        return "text/event-stream" in (self.exchange.header("content-type") or "").lower()

    @property
    def ok(self) -> bool:
        """Whether the answer is a success to its end: 200, complete, and of a stream: no error, and `[DONE]`."""
        if self.status != 200 or self.exchange.ended is not Ended.COMPLETE:
            return False
        return not self.is_stream or (self.error_event is None and self.done > 0)

    def header(self, role: str) -> str | None:
        """Return the response header of that *role* in the dialect, or of that literal name."""
        return self.exchange.header(self.dialect.headers.get(role, role))

    @cached_property
    def json(self) -> dict[str, object]:
        """The body as a JSON object; raises `Violation` where it is none."""
        body = fields_of(parsed(self.exchange.body))
        if not body:
            raise Violation(self.requirement, expected="a body that is a JSON object", actual=self.said)
        return body

    def at(self, *path: str | int) -> object:
        """Return what the JSON body holds at *path*, or None where it breaks off."""
        return dig(parsed(self.exchange.body), *path)

    @property
    def error(self) -> ErrorBody:
        """The error envelope; raises `Violation` where the body is none."""
        found = fields_of(self.at("error"))
        if not isinstance(found.get("message"), str):
            raise Violation(self.requirement, expected="a JSON body with error.message", actual=self.said)
        return ErrorBody(type=_text(found, "type"), message=_text(found, "message"), code=_text(found, "code"))

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """The events of a stream; raises `Violation` where the bytes are no event stream."""
        return tuple(event for _, event in self.timed_events)

    @cached_property
    def timed_events(self) -> tuple[tuple[float, Event], ...]:
        """Each event with the time in seconds at which its last byte arrived."""
        decoder = SSEDecoder()
        try:
            return tuple((frame.at, event) for frame in self.exchange.frames for event in decoder.feed(frame.data))
        except RemoteProtocolError as error:
            raise Violation(self.requirement, expected="an event stream", actual=str(error)) from error

    @property
    def chunks(self) -> tuple[object, ...]:
        """The events but `[DONE]`, as JSON; None for one that is none."""
        return tuple(parsed(event.data) for event in self.events if stream.kind_of(event) is not stream.Kind.DONE)

    @property
    def done(self) -> int:
        """How often `[DONE]` came."""
        return sum(stream.kind_of(event) is stream.Kind.DONE for event in self.events)

    @property
    def error_event(self) -> object:
        """The first error event of a stream as JSON (its text where it is none), or None."""
        for event in self.events:
            if stream.kind_of(event) is stream.Kind.ERROR:
                return parsed(event.data) or event.data
        return None

    @property
    def texts(self) -> dict[int, str]:
        """The text of every choice, by index, whole or as far as the stream went."""
        if self.is_stream:
            return stream.texts(self.events, operation=self._operation)
        found: dict[int, str] = {}
        for choice in items_of(self.at("choices")):
            text = dig(choice, "message", "content") if self._operation == "chat" else dig(choice, "text")
            index = dig(choice, "index")
            if isinstance(index, int) and isinstance(text, str):
                found[index] = text
        return found

    @property
    def text(self) -> str:
        """The text of choice 0."""
        return self.texts.get(0, "")

    @property
    def model(self) -> object:
        """The model that the answer names."""
        return dig(self._first_body, "model")

    @property
    def usage(self) -> dict[str, object] | None:
        """The usage that the answer tells, or None."""
        sources = self.chunks if self.is_stream else (parsed(self.exchange.body),)
        told = [fields_of(dig(body, "usage")) for body in sources if isinstance(dig(body, "usage"), dict)]
        return told[-1] if told else None

    @property
    def said(self) -> str:
        """One line that tells the answer."""
        exchange = self.exchange
        if self.status is None:
            return f"no response ({exchange.ended}{': ' + exchange.detail if exchange.detail else ''})"
        shown = exchange.body[:_SHOWN_CHARS].decode("utf-8", "replace")
        if self.is_stream:
            shown = f"{exchange.body.count(b'data:')} events, last {exchange.body[-80:].decode('utf-8', 'replace')!r}"
        ending = "" if exchange.ended is Ended.COMPLETE else f" ({exchange.ended})"
        return f"{self.status}{ending} {shown}"

    # The providers' side.

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts that providers saw, in the order of their arrival; raises `NotTestable` without providers."""
        if self.journal is None:
            raise NotTestable("the providers behind the gateway are not ours, so their journals cannot be read")
        return self.journal

    @property
    def providers(self) -> tuple[str, ...]:
        """The providers that were asked, in order."""
        return tuple(attempt.provider for attempt in self.attempts)

    @property
    def first(self) -> str | None:
        """The provider that was asked first: whom the strategy chose."""
        return self.providers[0] if self.providers else None

    @property
    def served_by(self) -> str | None:
        """The provider whose answer the client got, or None where it got no success."""
        return self.providers[-1] if self.ok and self.providers else None

    @property
    def _operation(self) -> str:
        return self.ask.form.operation if isinstance(self.ask, Ask) else "chat"

    @property
    def _first_body(self) -> object:
        return next(iter(self.chunks), None) if self.is_stream else parsed(self.exchange.body)


def _text(fields: dict[str, object], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""
