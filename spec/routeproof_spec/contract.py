"""The contract as values, read from openapi.yaml: no other file spells a path, a header or an error type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import final

import msgspec
import yaml

from routeproof_spec._self_contained import COMPONENT, Schema, self_contained

__all__ = ["Contract", "ErrorRow", "Limits", "Operation", "Schema", "load_contract"]

# The C loader takes a tenth of the time. Some distributions build PyYAML without it.
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method on one path; its schemas need no other document and are not to be changed."""

    id: str
    method: str
    path: str  #: below the prefix; a parameter stands in braces
    request: Schema | None
    response: Schema
    event: Schema | None  #: of a piece of the streamed answer: neither an error nor `[DONE]`
    requirements: tuple[str, ...]
    model_optional_with_header: bool  #: a request that names a strategy may leave `model` out


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRow:
    """One error that the gateway gives: what the wire says, and when."""

    name: str
    status: int
    type: str
    code: str
    message: str | None = None  #: where the contract fixes it
    when: str
    sources: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that a gateway takes in or holds."""

    body_bytes_max: int
    header_bytes_max: int  #: of a whole head
    messages_max: int
    model_chars_max: int
    fallback_items_max: int
    response_bytes_max: int
    event_bytes_max: int  #: of one event of a stream
    stream_bytes_max: int  #: of a whole stream, as the provider sends it


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """All that the document says."""

    version: str
    prefix: str  #: of every path: `/v1`
    operations: Mapping[str, Operation]  #: by id
    headers: Mapping[str, str]  #: role to name, of requests and responses
    errors: Mapping[str, ErrorRow]  #: by name
    strategies: tuple[str, ...]
    relayed_statuses: frozenset[int]  #: a provider's answers that reach the client and never fall back
    limits: Limits
    validation: Mapping[str, int]  #: keyword of JSON Schema to the status of a body that fails it; the smallest wins
    requirements: tuple[str, ...]  #: those that belong to no single operation
    schemas: Mapping[str, Schema]  #: by name, as they stand in the document
    document: Mapping[str, object]  #: the whole of it, as parsed

    def schema(self, name: str) -> Schema:
        """Return schema *name* (JSON Schema 2020-12) with all that it refers to; raise KeyError where there is none."""
        return self_contained(self.schemas, name)


@cache
def load_contract() -> Contract:
    """Return the contract that this package carries."""
    text = files("routeproof_spec").joinpath("openapi.yaml").read_text(encoding="utf-8")
    tree = msgspec.convert(_Loader(text).get_single_data(), dict[str, object])
    document = msgspec.convert(tree, _Document)
    errors = {row.name: row for row in document.errors}
    return Contract(
        version=document.info.version,
        prefix=document.servers[0].url.removeprefix("{base}"),
        operations=MappingProxyType({operation.id: operation for operation in _operations(document)}),
        headers=MappingProxyType(dict(document.components.roles())),
        errors=MappingProxyType(errors),
        strategies=tuple(strategy.name for strategy in document.strategies),
        relayed_statuses=frozenset(document.fallback.provider_verdicts_relayed),
        limits=document.limits,
        validation=MappingProxyType({keyword: errors[row].status for keyword, row in document.validation.items()}),
        requirements=document.requirements,
        schemas=MappingProxyType(document.components.schemas),
        document=MappingProxyType(tree),
    )


def _operations(document: _Document) -> Iterator[Operation]:
    schemas = document.components.schemas
    for path, item in document.paths.items():
        for method, entry in item.items():
            asked = entry.request_body.content["application/json"].schema if entry.request_body else None
            answered = entry.responses["200"].content
            streamed = answered["text/event-stream"].event if "text/event-stream" in answered else None
            yield Operation(
                id=entry.operation_id,
                method=method.upper(),
                path=path,
                request=self_contained(schemas, asked.name) if asked else None,
                response=self_contained(schemas, answered["application/json"].schema.name),
                event=self_contained(schemas, streamed.name) if streamed else None,
                requirements=entry.requirements,
                model_optional_with_header=entry.required_unless_header is not None,
            )


# What is read of the document; the rest of it is for people and their tools.


class _Reference(msgspec.Struct, frozen=True):
    ref: str = msgspec.field(name="$ref")

    @property
    def name(self) -> str:
        return self.ref.removeprefix(COMPONENT)


class _MediaType(msgspec.Struct, frozen=True):
    schema: _Reference
    event: _Reference | None = msgspec.field(name="x-event", default=None)


class _Body(msgspec.Struct, frozen=True):
    content: dict[str, _MediaType] = {}  # a response that is a reference shows none; only the 200 is looked into


class _Entry(msgspec.Struct, frozen=True):
    operation_id: str = msgspec.field(name="operationId")
    requirements: tuple[str, ...] = msgspec.field(name="x-requirements")
    responses: dict[str, _Body]
    request_body: _Body | None = msgspec.field(name="requestBody", default=None)
    required_unless_header: str | None = msgspec.field(name="x-required-unless-header", default=None)


class _Parameter(msgspec.Struct, frozen=True):
    name: str
    role: str = msgspec.field(name="x-role")


class _Header(msgspec.Struct, frozen=True):
    role: str = msgspec.field(name="x-role")


class _Components(msgspec.Struct, frozen=True):
    schemas: dict[str, Schema]
    parameters: dict[str, _Parameter]
    headers: dict[str, _Header]

    def roles(self) -> Iterator[tuple[str, str]]:
        for parameter in self.parameters.values():
            yield parameter.role, parameter.name
        for name, header in self.headers.items():
            yield header.role, name


class _Info(msgspec.Struct, frozen=True):
    version: str


class _Server(msgspec.Struct, frozen=True):
    url: str


class _Strategy(msgspec.Struct, frozen=True):
    name: str


class _Fallback(msgspec.Struct, frozen=True):
    provider_verdicts_relayed: tuple[int, ...]


class _Document(msgspec.Struct, frozen=True):
    info: _Info
    servers: tuple[_Server, ...]
    paths: dict[str, dict[str, _Entry]]
    components: _Components
    requirements: tuple[str, ...] = msgspec.field(name="x-requirements")
    errors: tuple[ErrorRow, ...] = msgspec.field(name="x-errors")
    strategies: tuple[_Strategy, ...] = msgspec.field(name="x-strategies")
    fallback: _Fallback = msgspec.field(name="x-fallback")
    validation: dict[str, str] = msgspec.field(name="x-validation")
    limits: Limits = msgspec.field(name="x-limits")
