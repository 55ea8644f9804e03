"""A value that fits a JSON Schema, for tool arguments and structured answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

DEPTH_MAX = 16
STRING_CHARACTERS_MAX = 4096  # whatever minLength says
ITEMS_MAX = 16  # whatever minItems says

Schema: TypeAlias = Mapping[str, Any]


def sample(schema: object, *, said: str) -> object:
    """Return a value that fits *schema*, the same one each time; its free texts are *said*.

    Knows types, const, enum, anyOf, oneOf, local references and plain bounds; what it does not know it ignores.
    """
    return _value(schema, schema, said, 0)


def _value(schema: object, root: object, said: str, depth: int) -> object:
    known = _mapping(schema)
    if depth > DEPTH_MAX:
        return None
    if "const" in known:
        return known["const"]
    for key in ("enum", "examples"):
        if options := _list(known.get(key)):
            return options[0]
    for key in ("anyOf", "oneOf"):
        if options := _list(known.get(key)):
            return _value(options[0], root, said, depth + 1)
    if "$ref" in known:
        return _value(_resolved(known["$ref"], root), root, said, depth + 1)
    kind = known.get("type", "object")
    make = _MAKERS.get((_list(kind) or [kind])[0], _object)
    return make(known, root, said, depth)


def _resolved(reference: object, root: object) -> object:
    at = root
    for step in str(reference).removeprefix("#").split("/")[1:]:
        at = _mapping(at).get(step.replace("~1", "/").replace("~0", "~"))
    return at


def _mapping(value: object) -> Schema:
    try:
        return msgspec.convert(value, dict[str, Any])
    except msgspec.ValidationError:
        return {}


def _list(value: object) -> list[Any]:
    try:
        return msgspec.convert(value, list[Any])
    except msgspec.ValidationError:
        return []


def _object(schema: Schema, root: object, said: str, depth: int) -> object:
    properties = _mapping(schema.get("properties"))
    return {name: _value(each, root, said, depth + 1) for name, each in properties.items()}


def _array(schema: Schema, root: object, said: str, depth: int) -> object:
    count = min(_whole(schema.get("minItems"), 1), _whole(schema.get("maxItems"), ITEMS_MAX), ITEMS_MAX)
    return [_value(schema.get("items", {"type": "string"}), root, said, depth + 1)] * max(count, 0)


def _string(schema: Schema, root: object, said: str, depth: int) -> object:
    del root, depth
    least = min(_whole(schema.get("minLength"), 0), STRING_CHARACTERS_MAX)
    return said.ljust(least, ".")[: _whole(schema.get("maxLength"), STRING_CHARACTERS_MAX)]


def _number(schema: Schema, root: object, said: str, depth: int) -> object:
    del root, said, depth
    low, high = schema.get("minimum"), schema.get("maximum")
    if isinstance(low, int | float):
        return low
    return high if isinstance(high, int | float) and high < 7 else 7


def _true(schema: Schema, root: object, said: str, depth: int) -> object:
    del schema, root, said, depth
    return True


def _null(schema: Schema, root: object, said: str, depth: int) -> object:
    del schema, root, said, depth
    return None


def _whole(value: object, default: int) -> int:
    return value if isinstance(value, int) and value >= 0 else default


_MAKERS: Final[Mapping[object, Callable[[Schema, object, str, int], object]]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _number,
    "number": _number,
    "boolean": _true,
    "null": _null,
}
