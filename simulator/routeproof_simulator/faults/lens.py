"""Where in the JSON of an answer something stands, and how to change it there.

A path is the names of keys, parted by dots; `*` is every element of a list: `choices.*.delta.content`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeGuard

import msgspec

from routeproof_simulator.script import Kind, Op, Script, Send, refitted
from routeproof_spec.errors import NOT_JSON

Tree: TypeAlias = dict[str, Any]
#: None: the frame is not sent, unless it is no event of its own: a body, or a part of an array.
Edit: TypeAlias = Callable[[Tree, Kind], Tree | None]

DATA: Final = b"data: "


@dataclass(frozen=True, slots=True)
class Spot:
    """One key of one JSON object; the key may be absent."""

    holder: Tree
    key: str

    @property
    def is_there(self) -> bool:
        """Whether the object has the key."""
        return self.key in self.holder

    @property
    def value(self) -> Any:
        """What stands there, or None."""
        return self.holder.get(self.key)

    def put(self, value: object) -> None:
        """Let *value* stand there."""
        self.holder[self.key] = value

    def remove(self) -> None:
        """Let the object not have the key."""
        self.holder.pop(self.key, None)


def spots(tree: object, paths: Iterable[str]) -> Iterator[Spot]:
    """Yield the places in *tree* to which *paths* lead; all but the last step must be there."""
    for path in paths:
        *steps, key = path.split(".")
        for holder in _holders(tree, steps):
            if is_table(holder):
                yield Spot(holder, key)


def is_table(value: object) -> TypeGuard[Tree]:
    """Whether *value* is a JSON object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether *value* is a JSON array."""
    return isinstance(value, list)


def edited(script: Script, edit: Edit) -> Script:
    """Return *script* with the JSON object of each of its frames changed by *edit*; what is not one stays."""
    ops: list[Op] = []
    for op in script:
        one = _edited(op, edit) if isinstance(op, Send) else op
        if one is not None:
            ops.append(one)
    changed = tuple(ops)
    return script if changed == script else refitted(changed)


def json_of(send: Send) -> tuple[bytes, bytes, bytes]:
    """Return what stands before the JSON of a frame (`data: `, or what parts an array), the JSON, and what follows."""
    data = send.data.rstrip(b"\r\n")
    start = data.find(b"{")
    if start < 0:
        start = data.find(DATA) + len(DATA) if DATA in data else 0
    return data[:start], data[start:], send.data[len(data) :]


def _edited(send: Send, edit: Edit) -> Send | None:
    before, data, after = json_of(send)
    try:
        tree = msgspec.json.decode(data, type=dict[str, Any])
    except NOT_JSON:
        return send
    was = msgspec.json.encode(tree)
    changed = edit(tree, send.kind)
    if changed is None and b"data:" in before:
        return None
    now = msgspec.json.encode(tree if changed is None else changed)
    return send if now == was else Send(before + now + after, send.kind)


def _holders(tree: object, steps: list[str]) -> Iterator[object]:
    found: list[object] = [tree]
    for step in steps:
        if step == "*":
            found = [element for each in found if is_list(each) for element in each]
        else:
            found = [each[step] for each in found if is_table(each) and step in each]
    yield from found
