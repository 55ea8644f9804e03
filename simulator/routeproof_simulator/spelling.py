"""One spelling of behaviours for TOML files and the control API: `{"fail": {"status": 429, "retry_after": 2}}`.

A table has one key, the name; under it stand the attributes, as the class's own fields have them. A list composes from
left to right, and the empty list is `ok`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeAlias

import msgspec

from routeproof_simulator import faults
from routeproof_simulator.algebra import (
    BY_NAME,
    Behaviour,
    attributes,
    compose,
    normal,
    parts,
)
from routeproof_simulator.ranges import OutOfRangeError, hints_of, rules_of
from routeproof_spec.errors import ConfigError

__all__ = ["Spelled", "decode", "encode", "names"]

Spelled: TypeAlias = list[dict[str, dict[str, Any]]]

DEPTH_MAX = 8  # of behaviours inside behaviours
COUNT_MAX = 32  # behaviours in one list

assert faults.Fail.name in BY_NAME  # importing the module is what fills the table


def names() -> tuple[str, ...]:
    """Return the names of all behaviours, in alphabetical order."""
    return tuple(sorted(BY_NAME))


def encode(behaviour: Behaviour) -> Spelled:
    """Return *behaviour* as a list of tables; attributes at their defaults are left out."""
    return [{part.name: {name: _plain(value) for name, value in attributes(part).items()}} for part in parts(behaviour)]


def decode(tree: object, *, file: str, key: str = "behaviour", depth: int = 0) -> Behaviour:
    """Return the behaviour that *tree* spells; *file* and *key* name its place in the `ConfigError` it may raise."""
    if depth > DEPTH_MAX:
        raise ConfigError(file=file, key=key, found="a deeper one", wanted=f"behaviours at most {DEPTH_MAX} deep")
    if isinstance(tree, list | tuple):
        items: list[object] = list(tree)  # pyright: ignore[reportUnknownArgumentType] - what it holds is checked next
        if len(items) > COUNT_MAX:
            raise ConfigError(file=file, key=key, found=f"{len(items)} behaviours", wanted=f"at most {COUNT_MAX}")
        return compose(
            *(decode(each, file=file, key=f"{key}[{index}]", depth=depth + 1) for index, each in enumerate(items))
        )
    name, table = _named_table(tree, file, key)
    kind = BY_NAME.get(name)
    if kind is None:
        raise ConfigError(file=file, key=key, found=f"'{name}'", wanted=_nearest(name, BY_NAME))
    return _built(kind, table, file=file, key=f"{key}.{name}", depth=depth)


def _plain(value: object) -> object:
    return encode(value) if isinstance(value, Behaviour) else value


def _named_table(tree: object, file: str, key: str) -> tuple[str, dict[str, Any]]:
    try:
        table = msgspec.convert(tree, dict[str, Any])
    except msgspec.ValidationError:
        table = {}
    if len(table) != 1:
        example = 'one table of one name, as {"fail": {"status": 503}}, or a list of such'
        raise ConfigError(file=file, key=key, found=_short(tree), wanted=example)
    [(name, inner)] = table.items()
    try:
        return name, msgspec.convert(inner, dict[str, Any])
    except msgspec.ValidationError:
        raise ConfigError(
            file=file, key=f"{key}.{name}", found=_short(inner), wanted="a table of its attributes"
        ) from None


def _built(kind: type[Behaviour], table: Mapping[str, Any], *, file: str, key: str, depth: int) -> Behaviour:
    wanted = hints_of(kind)
    for name in table:
        if name not in wanted:
            raise ConfigError(file=file, key=f"{key}.{name}", found="an unknown key", wanted=_nearest(name, wanted))
    values: dict[str, Any] = {}
    for field in fields(kind):
        name, place = field.name, f"{key}.{field.name}"
        if name not in table:
            if field.default is MISSING:
                raise ConfigError(file=file, key=place, found="nothing", wanted="this key, which is required")
        elif wanted[name] is Behaviour:
            values[name] = decode(table[name], file=file, key=place, depth=depth + 1)
        else:
            values[name] = _converted(table[name], wanted[name], file, place)
    try:
        return normal(kind(**values))
    except OutOfRangeError as error:
        # A rule about several attributes at once bears a name that is none of them.
        place = f"{key}.{error.field}" if error.field in wanted else key
        raise ConfigError(file=file, key=place, found=_short(error.found), wanted=error.wanted) from None


def _converted(value: object, hint: Any, file: str, key: str) -> object:
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        choices = [", ".join(map(repr, rule)) for rule in rules_of(hint) if isinstance(rule, tuple)]
        expected = str(error).removeprefix("Expected ").split(", got")[0].replace(" | null", "")
        wanted = f"one of {choices[0]}" if choices else expected
        raise ConfigError(file=file, key=key, found=_short(value), wanted=wanted) from None


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    options = ", ".join(sorted(known))
    if near:
        return f"'{near[0]}'"
    return f"one of {options}" if options else "no attribute: it has none"


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."
