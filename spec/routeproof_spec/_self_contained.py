"""Cut one schema out of an OpenAPI document, with all that it refers to and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias, cast

Schema: TypeAlias = dict[str, object]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
COMPONENT: Final = "#/components/schemas/"


def self_contained(schemas: Mapping[str, Schema], name: str) -> Schema:
    """Return schema *name* as a document of its own; raise KeyError where it, or one that it needs, is missing."""
    needed: set[str] = set()
    root = _localised(schemas[name], needed)
    definitions: dict[str, Schema] = {}
    while missing := needed - definitions.keys():
        for reached in missing:
            definitions[reached] = _localised(schemas[reached], needed)
    return {"$schema": DIALECT, "title": name, **root, "$defs": dict(sorted(definitions.items()))}


def _localised(schema: Schema, needed: set[str]) -> Schema:
    """Return a copy whose references lead to `$defs`, and add the names that they lead to to *needed*."""
    return {key: _localised_value(key, value, needed) for key, value in schema.items()}


def _localised_value(key: str, value: object, needed: set[str]) -> object:
    match value:
        case str() if key == "$ref":
            name = value.removeprefix(COMPONENT)
            assert name != value, f"a schema refers to {value}, which is no schema of the same document"
            needed.add(name)
            return f"#/$defs/{name}"
        case dict():
            return _localised(cast("Schema", value), needed)
        case list():
            return [_localised_value("", item, needed) for item in cast("list[object]", value)]
        case _:
            return value
