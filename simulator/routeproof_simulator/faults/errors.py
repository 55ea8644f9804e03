"""Errors that are answered instead of the answer."""

# ruff: noqa: D102 - the docstring of a behaviour says what calling it does

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias, final

from msgspec import Struct

from routeproof_simulator.algebra import Behaviour, Situation
from routeproof_simulator.dialects.dates import http_date
from routeproof_simulator.faults.stream import StreamError
from routeproof_simulator.ranges import Header, OutOfRangeError, Range, Seconds, Status, Text
from routeproof_simulator.script import JSON, Script, instead, is_stream, with_head

ErrorKind: TypeAlias = Literal[
    "context_length_exceeded", "content_filter", "insufficient_quota", "model_retired", "overloaded", "html_502"
]


class _Error(Struct, frozen=True):
    status: int
    message: str | None = None
    code: str | None = None
    body: str | None = None
    content_type: str | None = None


# The codes are OpenAI's; whoever has none words the error as it words its status. 529 is Anthropic's.
_KNOWN: Final[Mapping[ErrorKind, _Error]] = {
    "context_length_exceeded": _Error(
        400, "The input is longer than the model's maximum context length.", "context_length_exceeded"
    ),
    "content_filter": _Error(400, "The prompt was filtered by the content management policy.", "content_filter"),
    "insufficient_quota": _Error(
        429, "You exceeded your current quota, please check your plan and billing details.", "insufficient_quota"
    ),
    "model_retired": _Error(404, "The model has been retired.", "model_not_found"),
    "overloaded": _Error(529),
    "html_502": _Error(
        502, body="<html><body><center><h1>502 Bad Gateway</h1></center></body></html>", content_type="text/html"
    ),
}


@final
@dataclass(frozen=True, slots=True)
class Fail(Behaviour):
    """The answer is an error in the provider's own words: any *status*, or a *kind* that has a name.

    *code* is the machine-readable code inside the error; *body* stands instead of all words. *retry_after*: seconds, or
    text sent as it stands; *retry_after_date*: the date that is so many seconds ahead; *retry_after_ms*: OpenAI's and
    Azure's header, in milliseconds.
    """

    status: Status | None = None
    retry_after: Seconds | Header | None = None
    message: Text | None = None
    code: Text | None = None
    body: Text | None = None
    content_type: Header | None = None
    kind: ErrorKind | None = None
    retry_after_date: Annotated[float, Range(low=-1e9, high=1e9, unit="seconds")] | None = None
    retry_after_ms: Annotated[float, Range(unit="milliseconds")] | None = None

    def __post_init__(self) -> None:
        Behaviour.__post_init__(self)
        if (self.status is None) == (self.kind is None):
            both = [name for name in ("status", "kind") if getattr(self, name) is not None]
            raise OutOfRangeError("error", found=both, wanted="exactly one of status, kind")
        if self.retry_after is not None and self.retry_after_date is not None:
            raise OutOfRangeError("retry_after_date", found=self.retry_after_date, wanted="without retry_after")

    def __call__(self, script: Script, situation: Situation) -> Script:
        usual = _Error(self.status or 0) if self.kind is None else _KNOWN[self.kind]
        body = usual.body if self.body is None else self.body
        own = situation.voice.error(usual.status, self.message or usual.message, self.code or usual.code)
        told = own if body is None else body.encode()
        failed = instead(script, usual.status, told, content_type=self.content_type or usual.content_type or JSON)
        if self.retry_after_ms is not None:
            failed = with_head(failed, usual.status, retry_after_ms=_decimal(self.retry_after_ms))
        retry_after = self._retry_after(situation.created)
        return failed if retry_after is None else with_head(failed, usual.status, retry_after=retry_after)

    def _retry_after(self, created: int) -> str | None:
        if self.retry_after_date is not None:
            return http_date(created + math.floor(self.retry_after_date))
        if self.retry_after is None or isinstance(self.retry_after, str):
            return self.retry_after
        return _decimal(self.retry_after)


@final
@dataclass(frozen=True, slots=True)
class ErrorIn200(Behaviour):
    """The status is 200 and the body an error: the whole body, or the stream's first event."""

    message: Text | None = None
    code: Text | None = None

    def __call__(self, script: Script, situation: Situation) -> Script:
        if is_stream(script):
            return StreamError(0, self.message, self.code)(script, situation)
        return instead(script, 200, situation.voice.error(500, self.message, self.code), content_type=JSON)


def _decimal(number: float) -> str:
    """Return *number* without an exponent, to the millionth."""
    return f"{number:.6f}".rstrip("0").rstrip(".")
