"""One number of a spelled behaviour, step by step. No clock, no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final, TypeAlias, TypeGuard, get_args, get_type_hints

import msgspec
from msgspec import Meta

from routeproof_simulator import spelling
from routeproof_simulator.algebra import BY_NAME, Behaviour
from routeproof_simulator.ranges import NUMBER_MAX
from routeproof_spec.errors import ConfigError

Tree: TypeAlias = "Mapping[str, Tree] | Sequence[Tree] | float | None"

STEPS_MAX: Final = 100


class Ramp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One number of a behaviour goes from what stands there to *to*, in equal *steps* of which both ends are two."""

    attribute: str  # "latency.seconds": the behaviour's name and the attribute's
    to: Annotated[float, Meta(ge=-NUMBER_MAX, le=NUMBER_MAX)]
    steps: Annotated[int, Meta(ge=2, le=STEPS_MAX)] = 10

    def steps_of(self, spelled: Tree, *, file: str, key: str) -> Iterator[Behaviour]:
        """Yield the behaviours that *spelled* becomes; raise `ConfigError`, with *key* the place of the ramp."""
        name, _, attribute = self.attribute.partition(".")
        start = self._start(spelled, name, attribute, file=file, key=key)
        hint = get_type_hints(BY_NAME[name])[attribute]
        is_whole = float not in (hint, *get_args(hint))
        for step in range(self.steps):
            share = step / (self.steps - 1)
            value = start * (1 - share) + self.to * share  # ends at `to` exactly, where a sum of steps would miss it
            changed = _with(spelled, name, attribute, round(value) if is_whole else value)
            try:
                yield spelling.decode(changed, file=file)
            except ConfigError as error:
                raise ConfigError(file=file, key=f"{key}.to", found=f"{self.to:g}", wanted=error.wanted) from error

    def _start(self, spelled: Tree, name: str, attribute: str, *, file: str, key: str) -> float:
        match list(_values(spelled, name, attribute)) if name in BY_NAME else []:
            case [int() | float() as start] if not isinstance(start, bool) and abs(start) <= NUMBER_MAX:
                return start
            case _:
                wanted = "NAME.ATTRIBUTE of one number that the behaviour spells, as latency.seconds"
                raise ConfigError(file=file, key=f"{key}.attribute", found=repr(self.attribute), wanted=wanted)


def _values(tree: Tree, name: str, attribute: str) -> Iterator[Tree]:
    """Yield what stands under *attribute* in the tables of *name*, at any depth."""
    match tree:
        case dict():
            for key, inner in tree.items():
                if _is_place(inner, key == name, attribute):
                    yield inner[attribute]
                yield from _values(inner, name, attribute)
        case list():
            for each in tree:
                yield from _values(each, name, attribute)
        case _:
            pass


def _with(tree: Tree, name: str, attribute: str, value: float) -> Tree:
    """Return *tree* with *value* in place of what `_values` yields."""
    match tree:
        case dict():
            return {
                key: {**inner, attribute: value}
                if _is_place(inner, key == name, attribute)
                else _with(inner, name, attribute, value)
                for key, inner in tree.items()
            }
        case list():
            return [_with(each, name, attribute, value) for each in tree]
        case _:
            return tree


def _is_place(inner: Tree, is_named: bool, attribute: str) -> TypeGuard[dict[str, Tree]]:
    return is_named and isinstance(inner, dict) and attribute in inner
