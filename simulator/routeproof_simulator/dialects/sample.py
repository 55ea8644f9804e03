"""A value that fits a JSON Schema, for tool arguments and structured answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias, final

import msgspec

DEPTH_MAX: Final = 16
VALUES_MAX: Final = 2000  # of one sample, so that a schema that refers to itself many times over ends soon
STRING_CHARACTERS_MAX: Final = 4096  # whatever minLength says
ITEMS_MAX: Final = 16  # whatever minItems says

Schema: TypeAlias = Mapping[str, Any]


def sample(schema: object, *, said: str) -> object:
    """Return a value that fits *schema*, the same one each time; its free texts are *said*.

    Knows types, const, enum, anyOf, oneOf, local references and plain bounds; what it does not know it ignores.
    """
    return _Sampler(schema, said).value(schema, 0)


@final
class _Sampler:
    def __init__(self, root: object, said: str) -> None:
        self._root = root
        self._said = said
        self._left = VALUES_MAX

    def value(self, schema: object, depth: int) -> object:
        self._left -= 1
        if depth > DEPTH_MAX or self._left < 0:
            return None
        known = _mapping(schema)
        if "const" in known:
            return known["const"]
        if options := _list(known.get("enum")):
            return options[0]
        if options := _list(known.get("anyOf")) or _list(known.get("oneOf")):
            return self.value(options[0], depth + 1)
        if "$ref" in known:
            return self.value(self._resolved(known["$ref"]), depth + 1)
        return self._of_type(known, depth)

    def _of_type(self, schema: Schema, depth: int) -> object:
        kind = schema.get("type")
        match (_list(kind) or [kind])[0]:
            case "string":
                least = min(_count(schema.get("minLength"), 0), STRING_CHARACTERS_MAX)
                return self._said.ljust(least, ".")[: _count(schema.get("maxLength"), STRING_CHARACTERS_MAX)]
            case "integer" | "number":
                return _number(schema)
            case "boolean":
                return True
            case "null":
                return None
            case "array":
                count = min(max(1, _count(schema.get("minItems"), 1)), _count(schema.get("maxItems"), 1_000), ITEMS_MAX)
                return [self.value(schema.get("items", {"type": "string"}), depth + 1) for _ in range(count)]
            case _:
                return {name: self.value(each, depth + 1) for name, each in _mapping(schema.get("properties")).items()}

    def _resolved(self, reference: object) -> object:
        at = self._root
        for step in str(reference).removeprefix("#").split("/")[1 : DEPTH_MAX + 1]:
            at = _mapping(at).get(step.replace("~1", "/").replace("~0", "~"))
        return at


def _number(schema: Schema) -> int | float:
    low, high = schema.get("minimum"), schema.get("maximum")
    if isinstance(low, int | float):
        return int(low) if float(low).is_integer() else low  # Gemini's SDK spells whole bounds as 3.0
    return high if isinstance(high, int | float) and high < 7 else 7


def _count(value: object, default: int) -> int:
    return value if isinstance(value, int) and value >= 0 else default


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
