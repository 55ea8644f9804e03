"""Recorded answers as scripts: a provider that says again what a real API said, in the time that it took.

The same request gets its recorded answers in their order, and the last one from then on; setting a behaviour, or
healing, begins again. Behaviours act on a replayed answer as on any other: its frames are events, and have a meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, final

import msgspec

from routeproof_simulator.algebra import Meaning, Voice
from routeproof_simulator.cassettes.cassette import Cassette, Recording, body_tree, request_key
from routeproof_simulator.cassettes.scrubbing import Scrubber, public_target, secrets_of
from routeproof_simulator.dialects.persona import Answer, Call
from routeproof_simulator.faults.lens import json_of, spots
from routeproof_simulator.script import JSON, Close, Head, Kind, Op, Script, Send, Wait, whole
from routeproof_spec.errors import NOT_JSON
from routeproof_spec.history import Headers, first_header

_EVENT_END: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_CHARACTERS_A_TOKEN: Final = 4  # of English, as the providers' own documents estimate


@final
class Replay:
    """Answers from *cassette*; *speed* 2 takes half of the recorded time, infinity none."""

    def __init__(self, cassette: Cassette, *, speed: float = 1.0) -> None:
        assert speed > 0
        self._cassette = cassette
        self._speed = speed

    def answer(self, call: Call, voice: Voice, memory: dict[object, Any]) -> Answer:
        """Return the recorded answer to *call*, or a 404 in the words of *voice* that says what is recorded.

        *memory* holds which requests were answered how often; it is the provider's own.
        """
        request = call.request
        target = public_target(request)
        body = body_tree(Scrubber(secrets_of(request)).scrub(request.body))
        key = request_key(request.method, target, body)
        recordings = self._cassette.of(key)
        if not recordings:
            told = voice.error(404, self._cassette.lacks(request.method, target, body), "not_recorded")
            return Answer(script=whole(404, (("content-type", JSON),), told))
        asked: int = memory.get((self, key), 0)
        memory[self, key] = asked + 1
        recording = recordings[min(asked, len(recordings) - 1)]
        script = script_of(recording, voice, speed=self._speed)
        return Answer(script=script, tokens=_tokens(script, voice))


def script_of(recording: Recording, voice: Voice, *, speed: float = 1.0) -> Script:
    """Return the script that answers as *recording* says; *voice* knows what its events mean."""
    ops: list[Op] = [Wait(recording.head_after / speed)] if recording.head_after else []
    if recording.status is not None:
        ops.append(Head(recording.status, (*recording.headers, *_length(recording))))
    for index, (after, data) in enumerate(_frames(recording)):
        if after:
            ops.append(Wait(after / speed))
        kind = Kind.BODY if recording.length is not None else _kind(data, voice, is_first=index == 0)
        ops.append(Send(data, kind))
    if recording.end_after:
        ops.append(Wait(recording.end_after / speed))
    if recording.ended != "complete":
        ops.append(Close("fin" if recording.ended == "cut" else "rst"))
    return tuple(ops)


def _length(recording: Recording) -> Headers:
    """Return the length that the head announces: that of what is sent, unless less was sent than announced."""
    if recording.length is None:
        return ()
    sent = sum(len(chunk.data) for chunk in recording.chunks)
    is_whole = recording.ended == "complete" and sent  # people may have edited the text; HEAD sends none of it
    return (("content-length", str(sent if is_whole else recording.length)),)


def _frames(recording: Recording) -> Iterator[tuple[float, bytes]]:
    """Yield the frames with the seconds before each: chunks as they came, events of a stream whole."""
    kind = first_header(recording.headers, "content-type") or ""
    is_events = kind.startswith("text/event-stream") and first_header(recording.headers, "content-encoding") is None
    held, after = b"", 0.0
    for chunk in recording.chunks:
        held += chunk.data
        after += chunk.after
        start = 0
        if not is_events:
            yield after, held
            held, after = b"", 0.0
            continue
        for end in _EVENT_END.finditer(held):
            yield after, held[start : end.end()]
            start, after = end.end(), 0.0
        held = held[start:]
    if held:
        yield after, held


#: the strongest first: an event that ends the answer may count its tokens too
_KINDS: Final[tuple[tuple[Meaning, Kind], ...]] = (
    ("text", Kind.CONTENT),
    ("arguments", Kind.CONTENT),
    ("finish", Kind.FINISH),
    ("usage", Kind.USAGE),
)
_DONE: Final = {"[DONE]", '{"type":"message_stop"}', '{"type": "message_stop"}'}  # OpenAI's, Anthropic's


def _kind(event: bytes, voice: Voice, *, is_first: bool) -> Kind:
    """Return what *event* of a stream means; the first one tells who speaks, where it has no content."""
    _, data, _ = json_of(Send(event, Kind.OTHER))
    if data.decode("utf-8", "replace").strip() in _DONE:
        return Kind.DONE
    try:
        tree = msgspec.json.decode(data, type=dict[str, Any])
    except NOT_JSON:
        return Kind.OTHER
    if "error" in tree:
        return Kind.ERROR
    for meaning, kind in _KINDS:
        if any(each.value for each in spots(tree, voice.places.get(meaning, ()))):
            return Kind.ROLE if is_first and kind is Kind.USAGE else kind
    return Kind.ROLE if is_first else Kind.OTHER


def _tokens(script: Script, voice: Voice) -> int:
    """Return how many tokens the answer says: its events with content, or what its text may have been."""
    sends = [op for op in script if isinstance(op, Send)]
    if any(op.kind is not Kind.BODY for op in sends):
        return sum(op.kind is Kind.CONTENT for op in sends)
    try:
        tree = msgspec.json.decode(b"".join(op.data for op in sends))
    except NOT_JSON:
        return 0
    said = sum(len(each.value) for each in spots(tree, voice.places.get("text", ())) if isinstance(each.value, str))
    return -(-said // _CHARACTERS_A_TOKEN)
