"""Every behaviour, described by what its class says: for forms, tables and whoever else wants to offer them.

A behaviour's group is the module of `faults` in which it lives, its summary the first line of its docstring, and the
attributes are the fields, with what their types say (`ranges`).
"""

from __future__ import annotations

import math
from dataclasses import MISSING, fields
from types import NoneType
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args, get_origin

from msgspec import Struct

from routeproof_simulator import faults
from routeproof_simulator.algebra import BY_NAME, Behaviour
from routeproof_simulator.ranges import Range, Words, hints_of, rules_of

__all__ = ["GROUPS", "Attribute", "Description", "describe"]

#: Groups in the order of tables; each with the modules that make it up.
GROUPS: Final = {
    "timing": ("timing", "profile"),
    "wire": ("wire",),
    "http": ("http", "errors"),
    "stream": ("stream",),
    "meaning": ("meaning",),
    "capacity": ("capacity", "limits"),
    "when": ("algebra",),
}

assert faults.Fail.name in BY_NAME  # importing the module is what fills the table

Type: TypeAlias = Literal["integer", "number", "numbers", "boolean", "text", "choice", "number or text", "behaviour"]

_TYPES: Final[dict[Any, Type]] = {bool: "boolean", int: "integer", float: "number", str: "text", Behaviour: "behaviour"}


class Attribute(Struct, frozen=True, kw_only=True):
    """One attribute of a behaviour; *min* is itself no value where *is_above* says so."""

    name: str
    type: Type
    required: bool
    default: Any = None
    unit: str | None = None
    choices: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None
    is_above: bool = False
    length_max: int | None = None


class Description(Struct, frozen=True, kw_only=True):
    """One behaviour: its name in every spelling, its group, what the provider does, and its attributes."""

    name: str
    group: str
    summary: str
    attributes: tuple[Attribute, ...]


def describe() -> tuple[Description, ...]:
    """Return all behaviours by group and name; msgspec turns them into JSON as they stand."""
    order = list(GROUPS)
    described = [_described(kind) for kind in BY_NAME.values()]
    return tuple(sorted(described, key=lambda each: (order.index(each.group), each.name)))


def _described(kind: type[Behaviour]) -> Description:
    module = kind.__module__.rpartition(".")[2]
    return Description(
        name=kind.name,
        group=next(group for group, modules in GROUPS.items() if module in modules),
        summary=(kind.__doc__ or "").partition("\n")[0],
        attributes=_attributes(kind),
    )


def _attributes(kind: type[Behaviour]) -> tuple[Attribute, ...]:
    hints = hints_of(kind)
    return tuple(
        _attribute(field.name, hints[field.name], required=field.default is MISSING, default=field.default)
        for field in fields(kind)
    )


def _attribute(name: str, hint: Any, *, required: bool, default: Any) -> Attribute:
    rules = rules_of(hint)
    counted = next((each for each in rules if isinstance(each, Range)), None)
    written = next((each for each in rules if isinstance(each, Words)), None)
    return Attribute(
        name=name,
        type=_type(hint),
        required=required,
        default=None if required else default,
        unit=counted.unit if counted else None,
        choices=next((each for each in rules if isinstance(each, tuple)), ()),
        min=counted.low if counted else None,
        max=counted.high if counted and math.isfinite(counted.high) else None,
        is_above=counted.above if counted else False,
        length_max=written.length if written else None,
    )


def _type(hint: Any) -> Type:
    if hint in _TYPES:
        return _TYPES[hint]
    origin = get_origin(hint)
    if origin is Literal:
        return "choice"
    if origin is tuple:
        return "numbers"
    if origin is Annotated:
        return _type(get_args(hint)[0])
    options: list[Type] = [_type(each) for each in get_args(hint) if each is not NoneType]
    assert len(options) == 1 or options == ["number", "text"]
    return options[0] if len(options) == 1 else "number or text"
