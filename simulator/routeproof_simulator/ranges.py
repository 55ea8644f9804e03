"""What the attributes of a behaviour may be, and what they count: types that say it once, for checks, forms and tables.

`seconds: Seconds` is a float of at least 0; `before: Place | None` is one of the words of its Literal, or nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

NUMBER_MAX: Final = 1e15  # of any number: what is made of two of them is finite still, and JSON can tell it
BYTES_MAX: Final = 64 * 2**20  # that one fault may add to an answer
TEXT_MAX: Final = 2**20  # characters that a fault may say
REPEATED_MAX: Final = 1_000  # times that a fault may do the same


class OutOfRangeError(ValueError):
    """An attribute of a behaviour has a value that means nothing: *field*, what was *found*, what is *wanted*."""

    def __init__(self, field: str, *, found: object, wanted: str) -> None:
        super().__init__(field, found, wanted)
        self.field = field
        self.found = found
        self.wanted = wanted

    def __str__(self) -> str:
        return f"{self.field} must be {self.wanted}, not {self.found!r}"


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from *low* (*above*: greater than it) to *high*, counted in *unit*."""

    low: float = 0.0
    high: float = math.inf
    above: bool = False
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """Text of at most *length* characters; *is_printable*: of ASCII that a header can hold (RFC 9110, section 5.5)."""

    length: int = TEXT_MAX
    is_printable: bool = False


Seconds: TypeAlias = Annotated[float, Range(unit="seconds")]
MoreSeconds: TypeAlias = Annotated[float, Range(above=True, unit="seconds")]  # more than none
Share: TypeAlias = Annotated[float, Range(high=1.0)]
Rate: TypeAlias = Annotated[float, Range(above=True, unit="tokens a second")]
Frames: TypeAlias = Annotated[int, Range(unit="frames")]
Tokens: TypeAlias = Annotated[int, Range(unit="tokens")]
Attempts: TypeAlias = Annotated[int, Range(unit="attempts")]
Offset: TypeAlias = Annotated[int, Range(unit="bytes")]
Size: TypeAlias = Annotated[int, Range(low=1, high=BYTES_MAX, unit="bytes")]
Times: TypeAlias = Annotated[int, Range(low=1, high=REPEATED_MAX, unit="times")]
Status: TypeAlias = Annotated[int, Range(low=300, high=599)]
Text: TypeAlias = Annotated[str, Words()]
Header: TypeAlias = Annotated[str, Words(length=2**10, is_printable=True)]


def within(field: str, value: float | None, *, low: float, high: float = math.inf, above: bool = False) -> None:
    """Raise `OutOfRangeError` unless *value* is None or from *low* (*above*: greater than it) to *high*."""
    if value is None:
        return
    most = min(high, max(low, NUMBER_MAX))
    if not low <= value <= most or (above and value == low):
        least = f"greater than {low:.15g}" if above else f"at least {low:.15g}"
        wanted = least if high == math.inf and not value > most else f"{least}, at most {most:.15g}"
        raise OutOfRangeError(field, found=value, wanted=wanted)


def check(values: DataclassInstance) -> None:
    """Raise `OutOfRangeError` unless every field of *values* is what its type says."""
    hints = hints_of(type(values))
    for field in fields(values):
        value = getattr(values, field.name)
        if value is not None:
            for rule in rules_of(hints[field.name]):
                _check(field.name, value, rule)


@cache
def hints_of(kind: type[DataclassInstance]) -> dict[str, Any]:
    """Return the types of the fields of *kind* by name, with what they say about ranges."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in fields(kind)}


def rules_of(hint: Any) -> tuple[Range | Words | tuple[str, ...], ...]:
    """Return what *hint* says about values: ranges, lengths, and the words of a Literal."""
    return tuple(_rules(hint))


def _rules(hint: Any) -> Iterator[Range | Words | tuple[str, ...]]:
    if get_origin(hint) is Literal:
        yield get_args(hint)
    elif get_origin(hint) is Annotated:
        yield from (each for each in hint.__metadata__ if isinstance(each, Range | Words))
    else:
        for each in get_args(hint):
            yield from _rules(each)


def _check(field: str, value: object, rule: Range | Words | tuple[str, ...]) -> None:
    match rule, value:
        case Range(), int() | float():
            within(field, value, low=rule.low, high=rule.high, above=rule.above)
        case Words(), str():
            if rule.is_printable and not (value.isascii() and value.isprintable()):
                raise OutOfRangeError(field, found=value, wanted="printable ASCII")
            if len(value) > rule.length:
                raise OutOfRangeError(field, found=f"{len(value)} characters", wanted=f"at most {rule.length} long")
        case tuple(), _ if value not in rule:
            raise OutOfRangeError(field, found=value, wanted="one of " + ", ".join(map(str, rule)))
        case _:
            pass
