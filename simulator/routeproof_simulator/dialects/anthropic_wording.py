"""How Anthropic says what is wrong with a request: `messages.0.role: Input should be 'user' or 'assistant'`.

The validator's own sentence is put into Anthropic's words. A place names the kinds of the blocks on its way:
`messages.0.content.0.text.text`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias, get_args

import msgspec

from routeproof_simulator.dialects import bodies
from routeproof_simulator.dialects.anthropic_blocks import MediaType, Role

Step: TypeAlias = str | int
Place: TypeAlias = tuple[Step, ...]

_STEP: Final = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_MISSING: Final = re.compile(r"Object missing required field `(?P<field>[^`]*)`$")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<field>.*)`$")
_BOUND: Final = re.compile(r"Expected `(?P<kind>\w+)[^`]*`(?P<length> of length)? (?P<sign>[<>]=) (?P<limit>[\d.]+)")
_PATTERN: Final = re.compile(r"Expected `str` matching regex (?P<pattern>'.*')$")
_KIND: Final = re.compile(r"Expected `(?P<kinds>[^`]*)`")
_TAG: Final = re.compile(r"Invalid value (?P<tag>'.*')$")

#: What is said of a value of another kind; of several that would do, the first of these is named.
_KINDS: Final[Mapping[str, str]] = {
    "array": "Input should be a valid list",
    "object": "Input should be a valid dictionary",
    "str": "Input should be a valid string",
    "int": "Input should be a valid integer",
    "float": "Input should be a valid number",
    "bool": "Input should be a valid boolean",
}

_TAGS: Final[Mapping[str, tuple[str, ...]]] = {
    "content": ("document", "image", "redacted_thinking", "text", "thinking", "tool_result", "tool_use"),
    "system": ("text",),
    "source": ("base64", "file", "url"),
    "tool_choice": ("any", "auto", "none", "tool"),
    "thinking": ("adaptive", "between_tools", "disabled", "enabled"),
    "format": ("json_schema",),
}

_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "role": get_args(Role),
    "media_type": get_args(MediaType),
    "service_tier": ("auto", "standard_only"),
    "speed": ("standard", "fast"),
}

#: What Anthropic says of these in words of its own, whatever exactly is wrong with their bounds.
_BOUNDS: Final[Mapping[str, str]] = {
    "messages": "at least one message is required",
    "temperature": "range: 0..1",
    "top_p": "range: 0..1",
}


def unknown_field(sentence: str) -> str | None:
    """Return the field that the validator's *sentence* does not know, or None where it says another thing."""
    found = _UNKNOWN.match(sentence)
    return found["field"] if found else None


def worded(sentence: str, tree: object) -> str:
    """Return the validator's *sentence* on the request *tree* in Anthropic's words."""
    wrong, where = bodies.parted(sentence)
    place: Place = tuple(int(index) if index else name for index, name in _STEP.findall(where))
    missing, unknown, tag = _MISSING.match(wrong), unknown_field(wrong), _TAG.match(wrong)
    if missing:
        place, said = (*place, missing["field"]), "Field required"
    elif unknown is not None:
        place, said = (*place, unknown), "Extra inputs are not permitted"
    elif tag:
        place = place[:-1]
        said = f"Input tag {tag['tag']} found using 'type' does not match any of the expected tags: {_tags(place)}"
    else:
        said = _said(wrong, str(place[-1]) if place else "")
    told = told_place(place, tree)
    return f"{told}: {said}" if told else said


def told_place(place: Place, tree: object) -> str:
    """Return *place* as Anthropic tells it: with the kind of each block that it leads into."""
    told: list[str] = []
    for index, step in enumerate(place):
        told.append(str(step))
        tree = _at(tree, step)
        rest = place[index + 1 :]
        if rest and rest != ("type",) and (kind := _kind(tree, place[index - 1] if isinstance(step, int) else step)):
            told.append(kind)
    return ".".join(told)


def _said(wrong: str, name: str) -> str:
    if wrong.startswith("Invalid enum value") and name in _CHOICES:
        return f"Input should be {_either(_CHOICES[name])}"
    if pattern := _PATTERN.match(wrong):
        return f"String should match pattern {pattern['pattern']}"
    if bound := _BOUND.match(wrong):
        return _BOUNDS.get(name) or _bounded(bound)
    kinds = _KIND.match(wrong)
    wanted = kinds["kinds"].split(" | ") if kinds else []
    return next((said for kind, said in _KINDS.items() if kind in wanted), wrong)


def _bounded(bound: re.Match[str]) -> str:
    is_least = bound["sign"] == ">="
    if bound["length"] is None:
        return f"Input should be {'greater' if is_least else 'less'} than or equal to {bound['limit']}"
    what, unit = ("String", "character") if bound["kind"] == "str" else ("List", "item")
    plural = "" if bound["limit"] == "1" else "s"
    return f"{what} should have at {'least' if is_least else 'most'} {bound['limit']} {unit}{plural}"


def _tags(place: Place) -> str:
    name = next((step for step in reversed(place) if isinstance(step, str)), "")
    return ", ".join(f"'{each}'" for each in _TAGS.get(name, ()))


def _either(choices: tuple[str, ...]) -> str:
    *first, last = (f"'{each}'" for each in choices)
    return f"{', '.join(first)} or {last}"


def _kind(tree: object, name: Step) -> str | None:
    """Return the kind of the block *tree*, which stands at *name*, or None where blocks have none there."""
    if not isinstance(tree, dict) or (name != "tools" and name not in _TAGS):
        return None
    kind = msgspec.convert(tree, dict[str, Any]).get("type", "custom" if name == "tools" else None)
    return kind if isinstance(kind, str) else None


def _at(tree: object, step: Step) -> object:
    match tree, step:
        case dict(), str():
            return msgspec.convert(tree, dict[str, Any]).get(step)
        case list(), int():
            items = msgspec.convert(tree, list[Any])
            return items[step] if step < len(items) else None
        case _:
            return None
