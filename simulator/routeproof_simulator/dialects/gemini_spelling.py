"""The JSON of protocol buffers in its freer spellings, and what Google says of what is none (ProtoJSON format)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple, cast

import msgspec
from msgspec import Struct
from msgspec.inspect import ListType, StructType, Type, UnionType

from routeproof_simulator.dialects import bodies, gemini_errors

_TYPES: Final[Mapping[str, str]] = {
    "str": "TYPE_STRING",
    "int": "TYPE_INT32",
    "float": "TYPE_FLOAT",
    "bool": "TYPE_BOOL",
    "array": "TYPE_MESSAGE",
    "object": "TYPE_MESSAGE",
}
_EXPECTED: Final = re.compile(r"Expected `(?P<wanted>\w+)")
_BOUND: Final = re.compile(r"Expected `(?:int|float)` (?P<bound><=?|>=?) (?P<value>\S+)$")


class _Field(NamedTuple):
    camel: str
    snake: str
    inner: type[Struct] | None  # the message that it holds, or that its items are
    is_list: bool


def plain(tree: object, kind: type[Struct]) -> tuple[object, list[tuple[str, str]]]:
    """Return *tree* in plain spelling, and the fields that *kind* does not know: name, and place in snake case."""
    unknown: list[tuple[str, str]] = []
    return _plain(tree, kind, "", unknown), unknown


def unknown(names: list[tuple[str, str]]) -> gemini_errors.RefusedError:
    """Return the refusal of *names*, each with its place."""
    flaws: list[tuple[str, str]] = []
    for name, place in names:
        where = f" at '{place}'" if place else ""
        flaws.append((place, f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.'))
    return gemini_errors.violations(*flaws)


def wrong(sentence: str, tree: object) -> gemini_errors.RefusedError:
    """Return the refusal of *tree*, of which msgspec says *sentence*."""
    said, place = bodies.parted(sentence)
    shown = _snake(place)
    if bound := _BOUND.match(said):
        limit = f"{bound['bound']} {float(bound['value']):g}"
        return gemini_errors.invalid(f"the value must be {limit}", f"{shown}")
    expected = _EXPECTED.match(said)
    wanted = _TYPES.get(expected["wanted"], "TYPE_ENUM") if expected else "TYPE_ENUM"
    found = msgspec.json.encode(bodies.at(tree, place)).decode()
    return gemini_errors.violations((shown, f"Invalid value at '{shown}' ({wanted}), {found}"))


def _plain(tree: object, kind: type[Struct], place: str, unknown: list[tuple[str, str]]) -> object:
    if not isinstance(tree, dict):
        return tree
    spelled: dict[str, object] = {}
    for name, value in msgspec.convert(tree, dict[str, Any]).items():
        field = _fields(kind).get(name)
        if field is None:
            unknown.append((name, place))
        elif value is not None:
            spelled[field.camel] = _value(value, field, f"{place}.{field.snake}".lstrip("."), unknown)
    return spelled


def _value(value: object, field: _Field, place: str, unknown: list[tuple[str, str]]) -> object:
    if not field.is_list:
        return value if field.inner is None else _plain(value, field.inner, place, unknown)
    items: list[object] = cast("list[object]", value) if isinstance(value, list) else [value]
    if field.inner is None:
        return items
    return [_plain(each, field.inner, f"{place}[{index}]", unknown) for index, each in enumerate(items)]


@cache
def _fields(kind: type[Struct]) -> Mapping[str, _Field]:
    """Return the fields of *kind* by both of their names."""
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, StructType)
    known: dict[str, _Field] = {}
    for each in info.fields:
        held = _held(each.type)
        item = _held(held.item_type) if isinstance(held, ListType) else held
        inner = item.cls if isinstance(item, StructType) else None
        field = _Field(each.encode_name, each.name, inner, isinstance(held, ListType))
        known[each.name] = known[each.encode_name] = field
    return known


def _held(kind: Type) -> Type:
    """Return what *kind* is where it is not null."""
    if isinstance(kind, UnionType):
        return next(each for each in kind.types if not isinstance(each, msgspec.inspect.NoneType))
    return kind


def _snake(place: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: f"_{found[0].lower()}", place)
