"""One line for each request, as a machine or a person reads it. Pure: a record goes in, bytes come out.

Rule 1. A text that a client or a provider chose comes out in printable ASCII, and cut, so that it can neither begin a
        line of its own nor speak to a terminal.
Rule 2. No header, no body and no key is in a line. Of a key there is its name; of what a provider said there is the
        cause of the failure, and its words, cleaned, only on level `debug`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, final

import msgspec

from routeproof_reference_server.config import LogFormat, LogLevel
from routeproof_reference_server.errors import echoed
from routeproof_reference_server.operations.usage import tokens
from routeproof_reference_server.records import AttemptEnd, AttemptRecord, RequestRecord

LEVELS: Final[Mapping[LogLevel, int]] = {each: place for place, each in enumerate(LogLevel)}


class AttemptLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One attempt, within the line of its request."""

    provider: str
    end: str
    seconds: float
    status: int | None = None
    cause: str | None = None
    said: str | None = None  # only on level debug


class RequestLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request that is over. What is unknown is left out."""

    time: datetime
    level: str
    event: str
    id: str
    operation: str | None = None
    status: int | None = None  # None: the client left before there was an answer
    error: str | None = None  # the code that the client was told
    cut: bool = False  # the answer did not get to its end
    key: str | None = None  # its name
    model: str | None = None  # as the client asked for it
    strategy: str | None = None
    stream: bool = False
    provider: str | None = None  # the one that served
    attempts: tuple[AttemptLine, ...] = ()
    seconds: float = 0.0
    first_seconds: float | None = None  # from the request's head to a whole answer, or to a stream's first content
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class EventLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something else that happened: a start, a change of configuration, an error of our own."""

    time: datetime
    level: str
    event: str
    text: str
    trace: str | None = None  # Python's own, of an error of ours


def printable(text: str) -> str:
    """Return *text* in printable ASCII, cut where it is long."""
    text = echoed(text)
    return text if text.isascii() and text.isprintable() else text.encode("unicode_escape").decode("ascii")


def level_of(request: RequestRecord) -> LogLevel:
    """Return how loud the end of *request* is: our own error, one that only an operator can mend, or any other."""
    if request.status == 500:
        return LogLevel.ERROR
    if (request.status or 0) > 500 or any(each.end in _BAD for each in request.attempts):
        return LogLevel.WARNING
    return LogLevel.INFO


_BAD: Final = frozenset({AttemptEnd.FAILED, AttemptEnd.BROKEN})


@final
class LineWriter:
    """Spells lines in one format."""

    def __init__(self, form: LogFormat, *, verbose: bool) -> None:
        self._encode = msgspec.json.Encoder().encode if form is LogFormat.JSON else _spelled
        self._verbose = verbose

    def request(self, request: RequestRecord, at: float) -> bytes:
        """Return the line of *request*, which ended at *at* (Unix seconds)."""
        body, served = request.body, request.served
        used = tokens(None if served is None else served.usage)
        line = RequestLine(
            time=datetime.fromtimestamp(at, UTC),
            level=level_of(request),
            event="request",
            id=request.id,
            operation=request.operation,
            status=request.status,
            error=request.error,
            cut=not request.is_complete,
            key=None if request.caller is None else request.caller.key,
            model=None if body is None else printable(body.model),
            strategy=request.strategy,
            stream=body is not None and body.stream,
            provider=None if served is None else served.deployment.provider,
            attempts=tuple(map(self._attempt, request.attempts)),
            seconds=round(request.seconds, 6),
            first_seconds=None if served is None else round((served.first or 0.0) - request.began, 6),
            prompt_tokens=used.prompt_tokens,
            completion_tokens=used.completion_tokens,
        )
        return self._encode(line) + b"\n"

    def event(self, level: LogLevel, event: str, text: str, at: float, *, trace: str | None = None) -> bytes:
        """Return the line that says *text*, at *at* (Unix seconds)."""
        time = datetime.fromtimestamp(at, UTC)
        return self._encode(EventLine(time=time, level=level, event=event, text=text, trace=trace)) + b"\n"

    def _attempt(self, attempt: AttemptRecord) -> AttemptLine:
        return AttemptLine(
            provider=attempt.deployment.provider,
            end=attempt.end or "open",
            seconds=round(attempt.seconds, 6),
            status=attempt.status,
            cause=attempt.cause,
            said=printable(attempt.message) if self._verbose and attempt.message else None,
        )


def _spelled(line: RequestLine | EventLine) -> bytes:
    """Return *line* as people read it: the time, the level, then what is known, name by name."""
    told: dict[str, object] = msgspec.to_builtins(line)
    head = f"{line.time:%H:%M:%S}.{line.time.microsecond // 1000:03d} {told.pop('level'):7} {told.pop('event')}"
    del told["time"]
    trace = told.pop("trace", None)
    if isinstance(line, RequestLine) and line.attempts:
        told["attempts"] = ",".join(map(_attempt_spelled, line.attempts))
    words = [head, *(f"{name}={_word(value)}" for name, value in told.items())]
    return " ".join(words).encode("ascii", "backslashreplace") + (f"\n{trace}".encode() if trace else b"")


def _attempt_spelled(attempt: AttemptLine) -> str:
    why = f":{attempt.cause or attempt.status}" if attempt.end != AttemptEnd.SERVED else ""
    said = f"({attempt.said})" if attempt.said else ""
    return f"{attempt.provider}:{attempt.end}{why}{said}:{attempt.seconds:.3f}"


def _word(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if text.isprintable() and text.isascii() and not set(text) & set(' "=') else _quoted(text)


def _quoted(text: str) -> str:
    return '"' + text.encode("unicode_escape").decode("ascii").replace('"', '\\"') + '"'
