"""Why the OpenAI API refuses a request, in its own words: the status and the four fields of its error."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, cast

from routeproof_simulator.dialects import bodies

NOT_JSON: Final = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
    "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"
)


class RefusedError(Exception):
    """The request is wrong."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code


_MISSING: Final = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_TYPE: Final = re.compile(r"Expected `(?P<wanted>[^`]*)`, got `[^`]*`$")
_NUMBER: Final = re.compile(r"Expected `(?P<kind>int|float)` (?P<sign><=|>=) (?P<bound>\S+)$")
_LENGTH: Final = re.compile(r"Expected `(?P<kind>str|array)` of length (?P<sign><=|>=) (?P<bound>\d+)$")
_PATTERN: Final = re.compile(r"Expected `str` matching regex (?P<pattern>'.*')$")

_WANTED: Final[Mapping[str, str]] = {
    "str": "a string",
    "int": "an integer",
    "float": "a decimal",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
}

_FOUND: Final[Mapping[type, str]] = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal number",
    str: "a string",
    list: "an array",
}


def unknown(names: Iterable[str]) -> RefusedError:
    """Return the refusal of fields that the API does not know."""
    listed = sorted(names)
    arguments = "argument" if len(listed) == 1 else "arguments"
    return RefusedError(400, f"Unrecognized request {arguments} supplied: {', '.join(listed)}")


def missing(place: str) -> RefusedError:
    """Return the refusal of a request that lacks what belongs at *place*."""
    return _invalid(f"Missing required parameter: '{place}'.", place, "missing_required_parameter")


def one_of(place: str, found: object, known: Iterable[str]) -> RefusedError:
    """Return the refusal of *found* at *place*, which is none of *known*."""
    *first, last = (f"'{each}'" for each in known)
    listed = f"{', '.join(first)}, and {last}" if first else last
    return _invalid(f"Invalid value: '{found}'. Supported values are: {listed}.", place, "invalid_value")


def wrong(sentence: str, tree: object) -> RefusedError:
    """Return the refusal of *tree*, of which msgspec says *sentence*."""
    said, place = bodies.parted(sentence)
    found = bodies.at(tree, place)
    if lacking := _MISSING.match(said):
        return missing(f"{place}.{lacking['field']}" if place else lacking["field"])
    if typed := _TYPE.match(said):
        wanted = " or ".join(_WANTED.get(each, each) for each in typed["wanted"].split(" | ") if each != "null")
        message = f"Invalid type for '{place}': expected {wanted}, but got {_kind(found)} instead."
        return _invalid(message, place, "invalid_type")
    if number := _NUMBER.match(said):
        return _bound(place, found, number)
    if length := _LENGTH.match(said):
        return _length(place, found, length)
    if pattern := _PATTERN.match(said):
        wish = f"Expected a string that matches the pattern {pattern['pattern']}."
        return _invalid(f"Invalid '{place}': string does not match pattern. {wish}", place, "invalid_value")
    return _invalid(f"Invalid value for '{place}': {said}.", place, "invalid_value")


def _bound(place: str, found: object, number: re.Match[str]) -> RefusedError:
    kind = "integer" if number["kind"] == "int" else "decimal"
    side, word = ("above", "maximum") if number["sign"] == "<=" else ("below", "minimum")
    wish = f"Expected a value {number['sign']} {float(number['bound']):g}, but got {found} instead."
    return _invalid(f"Invalid '{place}': {kind} {side} {word} value. {wish}", place, f"{kind}_{side}_{word[:3]}_value")


def _length(place: str, found: object, length: re.Match[str]) -> RefusedError:
    kind = "string" if length["kind"] == "str" else "array"
    one = "a string" if kind == "string" else "an array"
    size = len(cast("list[object]", found)) if isinstance(found, str | list) else 0
    if not size:
        flaw, code, got = f"empty {kind}", f"empty_{kind}", f"an empty {kind}"
    else:
        side = ("long", "above_max") if length["sign"] == "<=" else ("short", "below_min")
        flaw, code, got = f"{kind} too {side[0]}", f"{kind}_{side[1]}_length", f"{one} with length {size}"
    word = "maximum" if length["sign"] == "<=" else "minimum"
    wish = f"Expected {one} with {word} length {length['bound']}, but got {got} instead."
    return _invalid(f"Invalid '{place}': {flaw}. {wish}", place, code)


def _invalid(message: str, place: str, code: str) -> RefusedError:
    return RefusedError(400, message, param=place or None, code=code)


def _kind(found: object) -> str:
    return _FOUND.get(type(found), "an object")
