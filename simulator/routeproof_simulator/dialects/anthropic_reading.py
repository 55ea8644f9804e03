"""Requests to the Messages API, read as strictly as Anthropic reads them, or as leniently as they can be understood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from routeproof_simulator.dialects import bodies
from routeproof_simulator.dialects.anthropic_requests import CountRequest
from routeproof_simulator.dialects.anthropic_wording import unknown_field, worded
from routeproof_simulator.dialects.persona import Strictness
from routeproof_spec.errors import NOT_JSON

T = TypeVar("T", bound=CountRequest)

#: What a lenient reader takes for granted. A model is not among it: nobody could say who answers.
_DEFAULTS: Final[Mapping[str, object]] = {"messages": [{"role": "user", "content": ""}], "max_tokens": 4096}


class RefusedError(Exception):
    """The request is wrong: the status, and what Anthropic says of it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def read(body: bytes, kind: type[T], strict: Strictness) -> T:
    """Return *body* as a *kind*; raises `RefusedError` in Anthropic's words for what *strict* does not overlook."""
    try:
        return msgspec.json.decode(body, type=kind)
    except NOT_JSON:
        # The whole of it is read anew, for a validator may stop before what is no JSON at all.
        tree = _tree(body)
    try:
        return _fitted(tree, kind, strict)
    except msgspec.ValidationError as error:
        raise RefusedError(400, worded(str(error), tree)) from None


def _tree(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except NOT_JSON as error:
        raise RefusedError(400, f"The request body is not valid JSON: {error}") from None


def _fitted(tree: object, kind: type[T], strict: Strictness) -> T:
    if strict is True or not isinstance(tree, dict):
        return msgspec.convert(tree, kind)
    fields = msgspec.convert(tree, dict[str, Any])
    return _known(fields, kind) if strict else _understood(fields, kind)


def _known(fields: dict[str, Any], kind: type[T]) -> T:
    """Return *fields* as a *kind*, without those that Anthropic does not know."""
    for _ in range(bodies.OVERLOOKED_MAX):
        try:
            return msgspec.convert(fields, kind)
        except msgspec.ValidationError as error:
            sentence, place = bodies.parted(str(error))
            holder, unknown = bodies.at(fields, place), unknown_field(sentence)
            if unknown is None or not isinstance(holder, dict):
                raise
            del holder[unknown]
    return msgspec.convert(fields, kind)


def _understood(fields: dict[str, Any], kind: type[T]) -> T:
    """Return what can be understood of *fields* as a *kind*; what is usual takes the place of what cannot."""
    for _ in _DEFAULTS:
        try:
            return bodies.overlooking(_with_defaults(fields, kind), kind)
        except msgspec.ValidationError:
            continue  # the wrong value is gone, and its default takes its place
    return bodies.overlooking(_with_defaults(fields, kind), kind)


def _with_defaults(fields: dict[str, Any], kind: type[T]) -> dict[str, Any]:
    for name, value in _DEFAULTS.items():
        if name in kind.__struct_fields__:
            fields.setdefault(name, value)
    return fields
