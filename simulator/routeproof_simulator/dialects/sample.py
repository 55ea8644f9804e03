"""A value that fits a JSON Schema, for tool arguments and structured answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

DEPTH_MAX = 16
STRING_CHARACTERS_MAX = 4096  # whatever minLength says
ITEMS_MAX = 16  # whatever minItems says

Schema = Mapping[str, Any]


def sample(schema: object, *, said: str) -> object:
    """Return a value that fits *schema*, the same one each time; its free texts are *said*.

    Knows types, const, enum, anyOf, oneOf, allOf of objects, local references and plain bounds; what it does not know
    it ignores.
    """
    return _value(schema, schema, said, 0)


def _value(schema: object, root: object, said: str, depth: int) -> object:
    if not isinstance(schema, dict) or depth > DEPTH_MAX:
        return None
    known: dict[str, Any] = schema  # pyright: ignore[reportUnknownVariableType] - a JSON object's keys are texts
    if "$ref" in known:
        return _value(_resolved(known["$ref"], root), root, said, depth + 1)
    if "const" in known:
        return known["const"]
    for key in ("enum", "examples"):
        if isinstance(known.get(key), list) and known[key]:
            return known[key][0]
    for key in ("anyOf", "oneOf"):
        if isinstance(known.get(key), list) and known[key]:
            return _value(known[key][0], root, said, depth + 1)
    kind = known.get("type", "object" if "properties" in known else None)
    if isinstance(kind, list):
        kind = kind[0] if kind else None  # pyright: ignore[reportUnknownVariableType]
    make = _MAKERS.get(kind) if isinstance(kind, str) else None
    return make(known, root, said, depth) if make is not None else {}


def _resolved(reference: object, root: object) -> object:
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    at: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        at = at.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(at, dict) else None
    return at


def _object(schema: Schema, root: object, said: str, depth: int) -> object:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return {}
    return {str(name): _value(each, root, said, depth + 1) for name, each in properties.items()}


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


def _whole(value: object, default: int) -> int:
    return value if isinstance(value, int) and value >= 0 else default


_MAKERS: Final[Mapping[str, Callable[[Schema, object, str, int], object]]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _number,
    "number": _number,
    "boolean": lambda *_: True,
    "null": lambda *_: None,
}
