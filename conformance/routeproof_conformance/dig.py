"""Reading JSON that somebody else wrote: a missing step is None, never an error of ours."""

from __future__ import annotations

import json
from typing import cast

from routeproof_spec.history import Attempt


def dig(value: object, *path: str | int) -> object:
    """Return what stands in *value* at *path* (names and list positions), or None where the path breaks off."""
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = cast("dict[str, object]", value).get(step)
        elif isinstance(value, list) and isinstance(step, int):
            items = cast("list[object]", value)
            value = items[step] if -len(items) <= step < len(items) else None
        else:
            return None
    return value


def items_of(value: object) -> tuple[object, ...]:
    """Return the items of a JSON array; nothing where *value* is none."""
    return tuple(cast("list[object]", value)) if isinstance(value, list) else ()


def fields_of(value: object) -> dict[str, object]:
    """Return a JSON object; an empty one where *value* is none."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def parsed(text: str | bytes) -> object:
    """Return *text* as JSON; None where it is none."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def request_json(attempt: Attempt) -> dict[str, object]:
    """Return the body of the request that a provider received; empty where it is no JSON object."""
    return fields_of(parsed(attempt.request_body))
