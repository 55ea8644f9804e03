"""Those who speak OpenAI's API in a manner of their own: OpenAI answers, and the manner is put over it.

A manner is a value. It says how a request would have been asked of OpenAI, and how what OpenAI would have said is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from msgspec import structs

from routeproof_simulator.algebra import Meaning
from routeproof_simulator.allowance import Standing
from routeproof_simulator.dialects.dates import http_date
from routeproof_simulator.dialects.openai import OpenAI, routed
from routeproof_simulator.dialects.openai_refusals import RefusedError
from routeproof_simulator.dialects.persona import Answer, Call, Persona
from routeproof_simulator.received import Received, RequestHead
from routeproof_simulator.script import EVENT_STREAM, JSON, Head, Kind, Op, Script, Send, is_stream, whole
from routeproof_spec.history import Headers

Edit: TypeAlias = Callable[[bytes], bytes]

_OPENAI: Final = OpenAI()


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """What an error says, before a manner gives it its form."""

    status: int
    message: str | None = None
    param: str | None = None
    code: str | None = None


def _nothing(call: Call, persona: Persona) -> Script | None:
    del call, persona
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How one who speaks OpenAI's API differs from OpenAI."""

    asked: Callable[[Received, Persona], Received]  # the request as OpenAI would have it; raises `RefusedError`
    error: Callable[[Error], bytes]  # a body
    stream_error: Callable[[Error], bytes]  # a whole event
    headers: Callable[[Call, Persona], Headers]  # beside content type and date
    limits: Callable[[Standing], Headers]  # what is left
    whole: Edit  # the body of an answer
    chunk: Edit  # one event of a stream
    opening: tuple[Send, ...] = ()  # of a stream
    own: Callable[[Call, Persona], Script | None] = _nothing  # the answer to what OpenAI does not serve
    refuses_unknown: bool = True  # whether a field that is none of OpenAI's is a mistake


@final
class Variant:
    """The dialect of one who speaks OpenAI's API in *manner*."""

    def __init__(self, manner: Manner) -> None:
        self._manner = manner

    def answer(self, call: Call, persona: Persona) -> Answer:
        """Return the answer of *persona* to *call*."""
        manner = self._manner
        own = manner.own(call, persona)
        if own is not None:
            return Answer(script=own)
        try:
            answered = routed(structs.replace(call, request=manner.asked(call.request, persona)), self._lax(persona))
        except RefusedError as refused:
            error = Error(status=refused.status, message=refused.message, param=refused.param, code=refused.code)
            return Answer(script=whole(refused.status, self._headers(call, persona, JSON), manner.error(error)))
        return structs.replace(answered, script=self._told(answered.script, call, persona))

    def refuse(self, status: int, message: str, *, created: int) -> Script:
        """Return the answer to bytes that are no request."""
        headers = (("content-type", JSON), ("date", http_date(created)), ("connection", "close"))
        return whole(status, headers, self._manner.error(Error(status=status, message=message)))

    def error(self, status: int, message: str | None, code: str | None) -> bytes:
        """Return the error body for *status*."""
        return self._manner.error(Error(status=status, message=message, code=code))

    def stream_error(self, message: str | None, code: str | None) -> bytes:
        """Return the error as an event of a stream."""
        return self._manner.stream_error(Error(status=500, message=message, code=code))

    def rate_limit_headers(self, standing: Standing, *, now: int) -> Headers:
        """Return the headers that tell of *standing*."""
        del now
        return self._manner.limits(standing)

    @property
    def places(self) -> Mapping[Meaning, tuple[str, ...]]:
        """Where the JSON of an answer or of a chunk holds what: where OpenAI's does."""
        return _OPENAI.places

    def usage(self, prompt: int, completion: int) -> dict[str, object]:
        """Return the fields that count the tokens: OpenAI's."""
        return _OPENAI.usage(prompt, completion)

    def _lax(self, persona: Persona) -> Persona:
        is_lax = persona.strict is True and not self._manner.refuses_unknown
        return structs.replace(persona, strict="values") if is_lax else persona

    def _told(self, script: Script, call: Call, persona: Persona) -> Script:
        manner = self._manner
        if not is_stream(script):
            body = b"".join([op.data for op in script if isinstance(op, Send)])
            return whole(200, self._headers(call, persona, JSON), manner.whole(body))
        head = Head(200, self._headers(call, persona, EVENT_STREAM))
        return (head, *manner.opening, *[self._chunk(op) for op in script if isinstance(op, Send)])

    def _chunk(self, send: Send) -> Op:
        return send if send.kind is Kind.DONE else Send(self._manner.chunk(send.data), send.kind)

    def _headers(self, call: Call, persona: Persona, content_type: str) -> Headers:
        told = (("content-type", content_type), ("date", http_date(call.created)))
        return told + self._manner.headers(call, persona)


def as_openai(request: Received, persona: Persona, *, path: str, body: bytes | None = None) -> Received:
    """Return *request*, whose key was found good, as OpenAI would have got it."""
    head = RequestHead(
        method=request.method,
        target=path,
        headers=(("authorization", f"Bearer {persona.key}"),),
        keep_alive=request.keep_alive,
        is_http_10=request.is_http_10,
    )
    return structs.replace(request, head=head, body=request.body if body is None else body)


def bearer(request: Received) -> str | None:
    """Return the bearer token of *request*, or None where it has none."""
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def no_limits(standing: Standing) -> Headers:
    """Return no header: what is left is not told."""
    del standing
    return ()
