"""The faults that checks give a provider: one table for each way to fail, by the place of the answer where it sets in.

A stream breaks in more places than a whole answer, so every row names the forms in which it can happen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, final

from routeproof_conformance.forms import CHAT, CHAT_STREAM, COMPLETION, FORMS, STREAMS, WHOLE, Form
from routeproof_conformance.providers import Providers
from routeproof_simulator import Door
from routeproof_simulator.behaviours import (
    Behaviour,
    answer,
    bad_json,
    cut,
    empty,
    error_in_200,
    fail,
    insert,
    no_done,
    no_finish,
    ok,
    reset,
    slicer,
    stall,
    stream_error,
    wrong_content_type,
)

#: Seconds between the last good event and what breaks a stream: time for a gateway to pass that event on.
BREATH: Final = 0.01


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to fail, and the forms in which it can happen."""

    name: str
    behaviour: Behaviour = ok
    door: Door = Door.OPEN
    forms: tuple[Form, ...] = FORMS

    def __str__(self) -> str:
        return self.name

    @property
    def is_seen(self) -> bool:
        """Whether the request reaches the provider, so that its journal shows the attempt."""
        return self.door is Door.OPEN

    async def at(self, providers: Providers, name: str) -> None:
        """Let provider *name* fail so until the check ends."""
        if self.is_seen:
            await providers.behave(name, self.behaviour)
        else:
            await providers.door(name, self.door)


def cases(faults: Iterable[Fault], *, forms: tuple[Form, ...] = FORMS) -> list[tuple[Form, Fault]]:
    """Return every fault in each of *forms* in which it can happen."""
    return [(form, each) for each in faults for form in forms if form in each.forms]


def joined(faults: Iterable[Fault]) -> str:
    """Return the names of *faults*, for the name of a case."""
    return "+".join(map(str, faults))


def limited(status: int, retry_after: float | str | None = None) -> Fault:
    """A provider that answers *status*, with that `Retry-After` if any."""
    return Fault(name=f"{status}-after-{retry_after}", behaviour=fail(status, retry_after=retry_after))


def _event(error: object, *, kind: str = "") -> str:
    return (f"event: {kind}\n" if kind else "") + f"data: {json.dumps(error)}\n\n"


_OVERLOADED: Final = "The server is overloaded."

#: An error as it comes with status 200, by whose wording it is. Sources: the public references of these APIs.
_ERRORS: Final = {
    "openai": _event({"error": {"message": _OVERLOADED, "type": "server_error", "param": None, "code": None}}),
    "vllm": _event({"object": "error", "message": _OVERLOADED, "type": "InternalServerError", "code": 500}),
    "anthropic": _event({"type": "error", "error": {"type": "overloaded_error", "message": _OVERLOADED}}, kind="error"),
}


# Before the first byte of the answer

OVERLOADED: Final = Fault(name="503", behaviour=fail(503))
REFUSED: Final = Fault(name="refused", door=Door.REFUSED)
RATE_LIMITED: Final = Fault(name="429", behaviour=fail(429))
RESET: Final = Fault(name="reset-before-head", behaviour=reset(before="headers"))

SERVER_ERRORS: Final = (
    OVERLOADED,
    Fault(name="500", behaviour=fail(500)),
    Fault(name="502-html", behaviour=fail(502, body="<html><h1>Bad gateway</h1></html>", content_type="text/html")),
    Fault(name="504", behaviour=fail(504)),
    Fault(name="529", behaviour=fail(529)),
)

RESETS: Final = (
    RESET,
    Fault(name="reset-after-head", behaviour=reset(frames=0)),
    Fault(name="reset-in-first-bytes", behaviour=reset(bytes=20)),
)

SILENT: Final = Fault(name="silent-door", door=Door.SILENT)
UNANSWERED: Final = Fault(name="stall-before-head", behaviour=stall(before="headers"))

UNCONTINUED: Final = Fault(name="stall-after-head", behaviour=stall(frames=0))

RATE_LIMITS: Final = (RATE_LIMITED, Fault(name="429-for-a-second", behaviour=fail(429, retry_after=1)))

CREDENTIALS: Final = tuple(Fault(name=str(status), behaviour=fail(status)) for status in (401, 402, 403))

OTHER_STATUSES: Final = tuple(Fault(name=str(status), behaviour=fail(status)) for status in (307, 404, 408, 409, 425))

BROKEN_BODIES: Final = (
    Fault(name="cut-after-head", behaviour=cut(bytes=0), forms=WHOLE),
    Fault(name="cut-in-json", behaviour=cut(bytes=20), forms=WHOLE),
    Fault(name="cut-in-text-of-json", behaviour=cut(before="character_end"), forms=(CHAT, COMPLETION)),
    Fault(name="half-json", behaviour=bad_json(), forms=WHOLE),
    Fault(name="no-body", behaviour=empty(), forms=WHOLE),
    Fault(name="words", behaviour=answer("Hello!"), forms=WHOLE),
)

MEDIA_TYPES: Final = (
    Fault(name="html", behaviour=wrong_content_type("text/html")),
    Fault(name="events-for-json", behaviour=wrong_content_type("text/event-stream"), forms=WHOLE),
    Fault(name="json-for-events", behaviour=wrong_content_type("application/json"), forms=STREAMS),
)

ERROR_OBJECTS: Final = (
    Fault(name="error-in-200", behaviour=error_in_200(), forms=WHOLE),
    Fault(
        name="error-in-200-vllm",
        behaviour=answer(json.dumps({"object": "error", "message": _OVERLOADED, "code": 500})),
        forms=WHOLE,
    ),
)

EMPTY_STREAMS: Final = (
    Fault(name="no-event", behaviour=empty(), forms=STREAMS),
    Fault(name="no-event-cut", behaviour=cut(frames=0), forms=STREAMS),
    Fault(name="half-an-event-cut", behaviour=cut(bytes=20), forms=STREAMS),
    Fault(name="comments-alone", behaviour=answer(": waiting\n\n: still\n\n"), forms=STREAMS),
)

STREAM_ERRORS: Final = tuple(
    Fault(name=f"error-first-{name}", behaviour=answer(event), forms=STREAMS) for name, event in _ERRORS.items()
)

CLIENT_MISTAKES: Final = tuple(Fault(name=str(status), behaviour=fail(status)) for status in (400, 413, 422))

#: One of each way to fail before the first byte that every form knows.
FAILURES: Final = (OVERLOADED, RATE_LIMITED, REFUSED, RESET, *CREDENTIALS[:1], *MEDIA_TYPES[:1])

#: What upsets a gateway more than a plain error does.
BROKEN_ANSWERS: Final = (REFUSED, *RESETS, *MEDIA_TYPES, *BROKEN_BODIES, *EMPTY_STREAMS, *STREAM_ERRORS)


# After the first byte of a stream


def _broken(name: str, behaviour: Behaviour, *, after: Behaviour, forms: tuple[Form, ...] = STREAMS) -> Fault:
    """Return a fault that sets in after a breath, so that what came before it has reached the client."""
    return Fault(name=name, behaviour=after | behaviour, forms=forms)


IN_TEXT: Final = 3  # frames: a role and two pieces of text, or three pieces
BREATH_IN_TEXT: Final = stall(frames=IN_TEXT, seconds=BREATH)

_CONTENT: Final = stall(before="content", seconds=BREATH)
_CHARACTER: Final = stall(before="character_end", seconds=BREATH)
_FINISH: Final = stall(before="finish", seconds=BREATH)
_DONE: Final = stall(before="done", seconds=BREATH)

#: After text has gone out, and before all of it has.
CUT_IN_TEXT: Final = (
    _broken("cut-in-text", cut(frames=IN_TEXT + 1), after=BREATH_IN_TEXT),
    _broken("cut-in-character", cut(before="character_end"), after=_CHARACTER),
    _broken("reset-in-text", reset(frames=IN_TEXT + 1), after=BREATH_IN_TEXT),
    _broken("reset-in-character", reset(before="character_end"), after=_CHARACTER),
    _broken("half-json-in-text", bad_json(IN_TEXT), after=BREATH_IN_TEXT),
    *(
        _broken(
            f"error-in-text-{name}",
            insert(frames=IN_TEXT + 1, text=event) | cut(frames=IN_TEXT + 2),
            after=BREATH_IN_TEXT,
        )
        for name, event in _ERRORS.items()
    ),
    _broken("error-in-text-in-order", stream_error(IN_TEXT + 1), after=BREATH_IN_TEXT),
    _broken("cut-before-finish", cut(before="finish"), after=_FINISH),
    _broken("reset-before-finish", reset(before="finish"), after=_FINISH),
)

#: After the role, and before any text: a gateway may have told the client already, or may not.
ROLE_ALONE: Final = (
    _broken("cut-after-role", cut(before="content"), after=_CONTENT, forms=(CHAT_STREAM,)),
    _broken("reset-after-role", reset(before="content"), after=_CONTENT, forms=(CHAT_STREAM,)),
)

#: Where a stream breaks, from its first event until it has said all.
BROKEN_BEFORE_FINISH: Final = (
    *ROLE_ALONE,
    *CUT_IN_TEXT,
    _broken("end-before-finish", no_finish() | no_done(), after=_FINISH),
)

#: The same, and where `[DONE]` alone is lacking.
BROKEN_STREAMS: Final = (
    *BROKEN_BEFORE_FINISH,
    _broken("cut-before-done", cut(before="done"), after=_DONE),
    _broken("reset-before-done", reset(before="done"), after=_DONE),
)


# Without an end

#: Each row is put to as many providers at once.
ENDLESS: Final = (
    (
        UNANSWERED,
        UNCONTINUED,
        Fault(name="comments", behaviour=answer(": waiting\n\n" * 999) | slicer(11, 0.1), forms=STREAMS),
    ),
    (
        SILENT,
        Fault(name="stall-in-body", behaviour=stall(bytes=20)),
        Fault(name="stall-in-text", behaviour=stall(frames=IN_TEXT), forms=STREAMS),
    ),
)
