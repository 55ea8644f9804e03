"""The configuration described for editors and for people, from the one place where it is defined.

A key's description is the comment beside it, or on the line above it, in the source of its table; its type and default
are its own: so neither the JSON Schema nor the page can say something else than the program.
`python -m routeproof_reference_server.describe` writes both anew.
"""

from __future__ import annotations

import ast
import inspect
import io
import textwrap
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from routeproof_reference_server.config import GatewayConfig

SCHEMA_FILE: Final = Path(__file__).with_name("gateway.schema.json")
_PAGE: Final = "docs/configuration.md"

_HEAD: Final = """\
# Configuration of the gateway

Every key of `gateway.toml`, with its type and its default. This page is written by
`python -m routeproof_reference_server.describe`, from the same source as the program's own check and the JSON Schema.

```
routeproof config check gateway.toml                    # is it right? One sentence says what is not, and where
routeproof config show gateway.toml                     # what holds: defaults filled in, secrets as fingerprints
routeproof config schema > gateway.schema.json          # for an editor
```
An editor that knows Taplo (VS Code's *Even Better TOML*, Helix, Neovim, Zed) completes and checks a file whose first
line is `#:schema ./gateway.schema.json`.
"""

Tree = dict[str, Any]  # a JSON Schema, which only this module looks into


def tables(kind: object = GatewayConfig) -> Iterator[type[msgspec.Struct]]:
    """Yield every table that may stand in a file, each once, the outermost first."""
    found: dict[type[msgspec.Struct], None] = {}
    waiting = [kind]
    while waiting:
        each = waiting.pop(0)
        waiting += getattr(each, "__args__", ())
        if isinstance(each, type) and issubclass(each, msgspec.Struct) and each not in found:
            found[each] = None
            waiting += [field.type for field in msgspec.structs.fields(each)]
    yield from found


def descriptions(table: type[msgspec.Struct]) -> Mapping[str, str]:
    """Return the comment beside each key of *table*, or above it where there is none."""
    source = textwrap.dedent(inspect.getsource(table))
    comments = {
        token.start[0]: token.string.lstrip("#: ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef)
    keys = [each for each in definition.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)]
    return {ast.unparse(each.target): _comment(each, comments) for each in keys}


def _comment(key: ast.AnnAssign, comments: Mapping[int, str]) -> str:
    return comments.get(key.end_lineno or 0) or comments.get(key.lineno - 1, "")


def schema() -> Tree:
    """Return the JSON Schema of a configuration file."""
    tree: Tree = msgspec.json.schema(GatewayConfig)
    for table in tables():
        for key, text in descriptions(table).items():
            tree["$defs"][table.__name__]["properties"][key]["description"] = text
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gateway.toml of routeproof's reference gateway",
        **tree,
    }


def schema_text() -> str:
    """Return the JSON Schema as its file holds it."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n"


def page() -> str:
    """Return the page for people."""
    tree = schema()["$defs"]
    return _HEAD + "".join(_section(name, table, tree) for name, table in _named(GatewayConfig, "", {}).items())


def _named(
    table: type[msgspec.Struct], place: str, found: dict[str, type[msgspec.Struct]]
) -> dict[str, type[msgspec.Struct]]:
    """Return the tables by the place at which they stand in a file, as TOML writes it."""
    for field in msgspec.structs.fields(table):
        for inner in _inner(field.type):
            name = f"{place}.{field.name}" if place else field.name
            is_list = "tuple" in str(field.type)
            found[f"[[{name}]]" if is_list else f"[{name}]"] = inner
            _named(inner, name, found)
    return found


def _inner(kind: object) -> list[type[msgspec.Struct]]:
    if isinstance(kind, type):
        return [kind] if issubclass(kind, msgspec.Struct) else []
    arguments: tuple[object, ...] = getattr(kind, "__args__", ())
    return [each for arg in arguments for each in _inner(arg)]


def _section(place: str, table: type[msgspec.Struct], tree: Tree) -> str:
    properties: Tree = tree[table.__name__]["properties"]
    required: list[str] = tree[table.__name__].get("required", [])
    rows = [
        f"| `{key}` | {_kind(each, tree)} | {_default(each, is_required=key in required)} | {each['description']} |"
        for key, each in properties.items()
    ]
    text = inspect.getdoc(table) or ""
    return "\n".join(["", f"## `{place}`", "", text, "", "| key | type | default | |", "|---|---|---|---|", *rows, ""])


def _default(each: Tree, *, is_required: bool) -> str:
    if is_required:
        return "required"
    value = each.get("default")
    return "" if value in (None, "", [], {}) else f"`{msgspec.json.encode(value).decode()}`"


def _kind(each: Tree, tree: Tree) -> str:
    """Return what may stand there, in words."""
    if "$ref" in each:
        target: Tree = tree[each["$ref"].rpartition("/")[2]]
        return " or ".join(f"`{value}`" for value in target["enum"]) if "enum" in target else "a table, below"
    if "anyOf" in each:
        return " or ".join(_kind(one, tree) for one in each["anyOf"] if one.get("type") != "null")
    if each["type"] == "array":
        return "tables, below" if "$ref" in each["items"] else f"list of {_kind(each['items'], tree)}"
    return " ".join([_TYPES[each["type"]], *(f"{words} {each[key]}" for key, words in _RANGES.items() if key in each)])


_TYPES: Final = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
_RANGES: Final = {"exclusiveMinimum": "above", "minimum": "from", "maximum": "to"}


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), "utf-8")
    Path(_PAGE).write_text(page(), "utf-8")
