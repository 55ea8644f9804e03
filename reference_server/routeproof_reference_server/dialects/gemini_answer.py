"""What Gemini answers, whole or in pieces, told as OpenAI would (API reference, v1beta: GenerateContentResponse).

A stream has no last event: it ends with its bytes, and is complete where every candidate has said why it stopped. So
the reasons are told at the end, once, also where pieces before it named one already. Thoughts are counted, not told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, final

import msgspec
from msgspec import Struct

from routeproof_reference_server.dialects import told
from routeproof_reference_server.payload import Label, Unpromised, error_text
from routeproof_spec.errors import NOT_JSON
from routeproof_spec.sse import Event

#: What is absent is not known, or a failure of the model: a call that cannot be read, an image that did not come about.
REASONS: Final[Mapping[str, str]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(
        ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "ESCALATION"),
        "content_filter",
    ),
}

_NULL: Final = msgspec.Raw(b"null")


class _Wired(Struct, rename="camel"):
    pass


class _Call(_Wired):
    name: str | None = None
    args: msgspec.Raw = msgspec.Raw(b"{}")


class _Part(_Wired):
    text: str | None = None
    thought: bool | None = None
    function_call: _Call | None = None
    thought_signature: str | None = None
    inline_data: msgspec.Raw = _NULL
    file_data: msgspec.Raw = _NULL


class _Content(_Wired):
    parts: list[_Part] | None = None


class _Candidate(_Wired):
    index: int | None = None
    content: _Content | None = None
    finish_reason: str | None = None

    @property
    def number(self) -> int:
        """Which of the candidates it is."""
        return self.index or 0

    @property
    def parts(self) -> list[_Part]:
        """What it says."""
        return (self.content.parts or []) if self.content is not None else []


class _Counts(_Wired):
    prompt_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    cached_content_token_count: int | None = None


class _Feedback(_Wired):
    block_reason: str | None = None


class _Answer(_Wired):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: _Counts | None = None
    error: msgspec.Raw = _NULL


_ANSWER: Final = msgspec.json.Decoder(_Answer)


@dataclass(slots=True)
class _Told:
    """What of one candidate has been told."""

    calls: int = 0
    reason: str | None = None


def answer(data: bytes, label: Label) -> tuple[bytes, msgspec.Raw | None]:
    """Return a whole answer as OpenAI's, and its usage; raises `Unpromised` where it is none."""
    found = _read(data, "its answer")
    candidates = _candidates(found)
    if not candidates:
        raise Unpromised("its answer is empty")
    counted = _usage(found.usage_metadata)
    choices = [_choice(each, label) for each in candidates]
    return told.completion(label, choices, counted), counted


def _choice(candidate: _Candidate, label: Label) -> dict[str, object]:
    parts = list(_shown(candidate))
    called = [(part, part.function_call) for part in parts if part.function_call is not None]
    calls = [
        told.call(_call_id(label, candidate.number, number), call.name or "", _arguments(call), **_signature(part))
        for number, (part, call) in enumerate(called)
    ]
    text = "".join([part.text for part in parts if part.text])
    silent = bool(calls) or candidate.content is None
    return told.choice(
        candidate.number, text if text or not silent else None, calls, _reason(candidate.finish_reason, len(calls))
    )


@final
class GeminiReader:
    """Reads the pieces of one stream in order."""

    def __init__(self, label: Label, *, include_usage: bool) -> None:
        self._label = label
        self._chunks = told.Chunks(label, include_usage=include_usage)
        self._told: dict[int, _Told] = {}
        self.usage: msgspec.Raw | None = None
        self.is_done = False

    @property
    def said(self) -> int:
        """How many bytes of text and of calls the client was told so far."""
        return self._chunks.said

    def read(self, event: Event) -> tuple[bytes, bool]:
        """Return what the client gets for *event*, and whether it moves the answer on."""
        found = _read(event.data.encode(), "an event of its stream")
        counted = _usage(found.usage_metadata)
        self.usage = self.usage if counted is None else counted
        told_now: list[bytes] = []
        moves = False
        for candidate in _candidates(found):
            known = self._told.setdefault(candidate.number, _Told())
            for part in _shown(candidate):
                told_now += self._part(candidate.number, known, part)
            if candidate.finish_reason is not None:
                known.reason = candidate.finish_reason
                _reason(known.reason, known.calls)
            moves = moves or candidate.finish_reason is not None or _has_thoughts(candidate)
        return b"".join(told_now), moves or bool(told_now)

    def end(self) -> bytes:
        """Return why each candidate stopped, the usage, and `[DONE]`; raises `Unpromised` where one has not stopped."""
        if not self._told or any(each.reason is None for each in self._told.values()):
            raise Unpromised("its stream broke off before its end")
        self.is_done = True
        reasons = [(index, _reason(each.reason, each.calls)) for index, each in sorted(self._told.items())]
        return b"".join(self._chunks.delta(index, {}, reason) for index, reason in reasons) + self._chunks.done(
            self.usage
        )

    def _part(self, index: int, known: _Told, part: _Part) -> Iterator[bytes]:
        if part.text:
            yield self._chunks.delta(index, {"content": part.text})
        if part.function_call is not None:
            id_ = _call_id(self._label, index, known.calls)
            known.calls += 1
            call = part.function_call
            yield self._chunks.call(index, known.calls - 1, id_, call.name or "", _arguments(call), **_signature(part))


def _read(data: bytes, what: str) -> _Answer:
    try:
        data.decode()
        found = _ANSWER.decode(data)
    except NOT_JSON as error:
        raise Unpromised(f"{what} cannot be read ({error})") from error
    if found.error != _NULL:
        raise Unpromised(error_text(data))
    if found.candidates is None and found.prompt_feedback is None and found.usage_metadata is None:
        raise Unpromised(f"{what} is none of Gemini's")
    return found


def _candidates(found: _Answer) -> list[_Candidate]:
    """Return the candidates; where the prompt was blocked there are none, which one without a word stands for."""
    feedback = found.prompt_feedback
    if not found.candidates and feedback is not None and feedback.block_reason is not None:
        return [_Candidate(finish_reason="PROHIBITED_CONTENT")]
    return found.candidates or []


def _shown(candidate: _Candidate) -> Iterator[_Part]:
    """Yield the parts that are meant for the client."""
    for part in candidate.parts:
        if part.inline_data != _NULL or part.file_data != _NULL:
            raise Unpromised("it answered with something else than text")
        if not part.thought:
            yield part


def _has_thoughts(candidate: _Candidate) -> bool:
    return any(part.thought and part.text for part in candidate.parts)


def _call_id(label: Label, index: int, number: int) -> str:
    """Return an id for a call, for Gemini mostly gives none: the answer's own, and which call of which candidate."""
    return f"call_{(label.id or '').rpartition('-')[2]}{index}{number:02}"


def _arguments(call: _Call) -> str:
    return "{}" if call.args == _NULL else bytes(call.args).decode()


def _signature(part: _Part) -> dict[str, object]:
    """Return what Gemini wants to see again with a call, where Google's own interface in OpenAI's manner has it."""
    if part.thought_signature is None:
        return {}
    return {"extra_content": {"google": {"thought_signature": part.thought_signature}}}


def _reason(reason: str | None, calls: int) -> str:
    if reason is None or reason not in REASONS:
        raise Unpromised(f"it stopped for {reason}" if reason else "its answer has no finish reason")
    return "tool_calls" if calls and reason == "STOP" else REASONS[reason]


def _usage(counts: _Counts | None) -> msgspec.Raw | None:
    if counts is None:
        return None
    return told.usage(
        (counts.prompt_token_count or 0) + (counts.tool_use_prompt_token_count or 0),
        (counts.candidates_token_count or 0) + (counts.thoughts_token_count or 0),
        cached=counts.cached_content_token_count,
        reasoning=counts.thoughts_token_count,
    )
