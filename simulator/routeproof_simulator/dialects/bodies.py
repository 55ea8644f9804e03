"""Bodies of requests that do not fit: where they are wrong, and what is left of them when that is overlooked."""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar, cast

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

OVERLOOKED_MAX: Final = 64  # flaws of one body

_PLACE: Final = re.compile(r" - at `\$\.?(?P<place>[^`]*)`$")
_STEP: Final = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`$")


def parted(sentence: str) -> tuple[str, str]:
    """Return what a msgspec error says, and of which place: `tools[0].type`, or nothing for the body itself."""
    found = _PLACE.search(sentence)
    return (_PLACE.sub("", sentence), found["place"]) if found else (sentence, "")


def at(tree: object, place: str) -> object:
    """Return what *tree* holds at *place*, or None where it has no such place."""
    found: Any = tree
    try:
        for step in _steps(place):
            found = found[step]
    except (LookupError, TypeError):
        return None
    return cast("object", found)


def overlooking(tree: object, kind: type[T]) -> T:
    """Return *tree* as a *kind* without what does not fit; raises `msgspec.ValidationError` where too little is left.

    A number may be spelled as a text, as the JSON of protocol buffers allows.
    """
    for _ in range(OVERLOOKED_MAX):
        try:
            return msgspec.convert(tree, kind, strict=False)
        except msgspec.ValidationError as error:
            sentence, place = parted(str(error))
            unknown = _UNKNOWN.match(sentence)
            if not _dropped(tree, [*_steps(place), unknown[1]] if unknown else _steps(place)):
                raise
    return msgspec.convert(tree, kind, strict=False)


def _steps(place: str) -> list[int | str]:
    return [int(index) if index else name for index, name in _STEP.findall(place)]


def _dropped(tree: object, steps: list[int | str]) -> bool:
    """Remove what is at *steps*; return whether there was any such thing."""
    if not steps:
        return False
    *above, last = steps
    holder: Any = tree
    try:
        for step in above:
            holder = holder[step]
        del holder[last]
    except (LookupError, TypeError):
        return False
    return True
