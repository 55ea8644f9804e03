"""How the control API answers, and how it refuses."""

from __future__ import annotations

from typing import Final, final

import msgspec

from routeproof_simulator.script import JSON, Script, whole
from routeproof_spec.errors import RouteproofError
from routeproof_spec.history import Headers

# What is shown is of this moment, and no page of anybody else's is to be made of it.
_ALWAYS: Final[Headers] = (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))


@final
class Refusal(RouteproofError):
    """A request that is wrong: answered with *status*, what was *found* and what is *wanted*."""

    def __init__(self, status: int, message: str, *, found: str, wanted: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status = status
        self.found = found
        self.wanted = wanted
        self.headers = headers


def answer(tree: object) -> Script:
    """Return the answer that shows *tree*."""
    return content(JSON, msgspec.json.encode(tree))


def content(content_type: str, body: bytes, *headers: tuple[str, str]) -> Script:
    """Return the answer that shows *body* as it stands."""
    return whole(200, (("content-type", content_type), *_ALWAYS, *headers), body)


def streamed(content_type: str) -> Headers:
    """Return the headers of an answer without an end that is known."""
    return (("content-type", content_type), *_ALWAYS)


def refused(refusal: Refusal) -> Script:
    """Return the answer that says why a request is not done."""
    error = {"message": str(refusal), "found": refusal.found, "wanted": refusal.wanted}
    return _error(refusal.status, error, refusal.headers)


def misspelt(message: str, *, key: str, found: str, wanted: str) -> Script:
    """Return the answer to a body that is wrong at *key*."""
    return _error(422, {"message": message, "key": key, "found": found, "wanted": wanted}, ())


def _error(status: int, error: dict[str, str], headers: Headers) -> Script:
    return whole(status, (("content-type", JSON), *_ALWAYS, *headers), msgspec.json.encode({"error": error}))
