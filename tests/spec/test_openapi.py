"""The document agrees with OpenAPI 3.1, with its own examples, with the official client, and with itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Protocol, TypeAlias, cast

import jsonschema
import jsonschema_rs
import openapi_spec_validator
import pytest
import yaml
from openai.pagination import SyncPage
from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from routeproof_spec.contract import Schema, load_contract
from routeproof_spec.sse import DONE, EVENT_BYTES_MAX, SSEDecoder

Tree: TypeAlias = dict[str, object]

CONTRACT = load_contract()
DOCUMENT = CONTRACT.document
REQUESTS = {operation.id: operation.request for operation in CONTRACT.operations.values() if operation.request}


class Judge(Protocol):
    """A validator of jsonschema, whose own types know no plain object."""

    def iter_errors(self, instance: object) -> Iterable[jsonschema.ValidationError]: ...


def failures(schema: Schema, value: object) -> set[str]:
    """Return the keywords of *schema* that *value* fails, on which both libraries have to agree."""
    slow = cast("Judge", jsonschema.Draft202012Validator(schema))
    by_slow = {str(error.validator) for error in slow.iter_errors(value)}
    by_fast = {error.kind.name for error in jsonschema_rs.Draft202012Validator(schema).iter_errors(value)}
    assert by_slow == by_fast
    return by_slow


def child(tree: object, *steps: str) -> Tree:
    for step in steps:
        tree = cast("Tree", tree)[step]
    return cast("Tree", tree)


def resolve(tree: Tree) -> Tree:
    """Follow a reference, if *tree* is one."""
    match tree:
        case {"$ref": str(reference)}:
            root, *steps = reference.split("/")
            assert root == "#", reference
            return child(DOCUMENT, *steps)
        case _:
            return tree


def mappings(tree: object) -> Iterator[Tree]:
    match tree:
        case Mapping():
            mapping = cast("Tree", tree)
            yield mapping
            for value in mapping.values():
                yield from mappings(value)
        case list():
            for item in cast("list[object]", tree):
                yield from mappings(item)
        case _:
            pass


def subschemas(schema: object) -> Iterator[Tree]:
    """Yield *schema* and all schemas within it; what stands in examples or defaults is not one."""
    if not isinstance(schema, dict):
        return
    here = cast("Tree", schema)
    yield here
    for key, value in here.items():
        if key in {"properties", "$defs"}:
            for named in cast("Tree", value).values():
                yield from subschemas(named)
        elif key in {"allOf", "anyOf", "oneOf", "prefixItems"}:
            for item in cast("list[object]", value):
                yield from subschemas(item)
        elif key in {"items", "additionalProperties", "propertyNames", "contentSchema", "if", "then", "else", "not"}:
            yield from subschemas(value)


def operations() -> Iterator[tuple[str, Tree]]:
    for item in child(DOCUMENT, "paths").values():
        for entry in cast("dict[str, Tree]", item).values():
            yield cast("str", entry["operationId"]), entry


def responses() -> Iterator[tuple[str, str, Tree]]:
    for operation_id, entry in operations():
        for status, response in child(entry, "responses").items():
            yield operation_id, status, resolve(cast("Tree", response))


def examples(owner: str, body: Tree) -> Iterator[tuple[str, str, Tree, object]]:
    """Yield (where, media type, schema, value) for each example of a request or response."""
    for media_type, media in child(body, "content").items():
        for name, example in cast("Tree", cast("Tree", media).get("examples", {})).items():
            schema = child(media, "schema")
            yield f"{owner} {name}", media_type, schema, resolve(cast("Tree", example))["value"]


def all_examples() -> Iterator[tuple[str, str, Tree, object]]:
    for operation_id, entry in operations():
        if "requestBody" in entry:
            yield from examples(f"{operation_id} request", child(entry, "requestBody"))
    for operation_id, status, response in responses():
        yield from examples(f"{operation_id} {status}", response)


EXAMPLES = {f"{where} ({media})": (media, schema, value) for where, media, schema, value in all_examples()}
WHOLE = {
    where: (cast("str", schema["$ref"]).rpartition("/")[2], value)
    for where, (media, schema, value) in EXAMPLES.items()
    if media == "application/json"
}
STREAMS = {where: cast("str", value) for where, (media, _, value) in EXAMPLES.items() if media == "text/event-stream"}


def test_document_is_valid_openapi() -> None:
    assert str(DOCUMENT["openapi"]).startswith("3.1.")
    openapi_spec_validator.validate(dict(DOCUMENT))


def test_every_loader_of_yaml_reads_the_same() -> None:
    """The C loader is laxer than the one in Python; other people's tools are as strict as either."""
    text = files("routeproof_spec").joinpath("openapi.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text) == DOCUMENT


def test_every_reference_leads_somewhere() -> None:
    references = [mapping for mapping in mappings(DOCUMENT) if "$ref" in mapping]
    assert references
    for reference in references:
        assert resolve(reference), reference


def test_every_component_is_used() -> None:
    used = {cast("str", mapping["$ref"]) for mapping in mappings(DOCUMENT) if "$ref" in mapping}
    components = child(DOCUMENT, "components")
    declared = {
        f"#/components/{kind}/{name}"
        for kind in components.keys() - {"securitySchemes"}
        for name in child(components, kind)
    }
    assert declared - used == set()


def test_schemas_hold_only_keywords_of_json_schema() -> None:
    """A comma in an unquoted sentence turns its second half into a keyword that nobody knows."""
    known = {"$ref", "type", "enum", "const", "required", "properties", "additionalProperties", "propertyNames"}
    known |= {"items", "prefixItems", "allOf", "anyOf", "oneOf", "not", "if", "then", "else"}
    known |= {"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "maxProperties"}
    known |= {"contentEncoding", "contentMediaType", "contentSchema"}
    known |= {"title", "description", "default", "deprecated", "examples"}
    for name, schema in CONTRACT.schemas.items():
        for subschema in subschemas(schema):
            assert subschema.keys() <= known, name


@pytest.mark.parametrize("operation_id", REQUESTS)
def test_a_request_schema_always_tells_which_keyword_failed(operation_id: str) -> None:
    keywords = {keyword for schema in subschemas(REQUESTS[operation_id]) for keyword in schema}
    assert keywords & {"anyOf", "oneOf", "not", "dependentSchemas"} == set()


@pytest.mark.parametrize("operation_id", REQUESTS)
def test_every_keyword_that_a_request_can_fail_has_a_status(operation_id: str) -> None:
    harmless = {"$schema", "$defs", "$ref", "title", "description", "deprecated", "default", "examples"}
    harmless |= {"properties", "items", "prefixItems", "additionalProperties", "allOf", "if", "then", "else"}
    harmless |= {"contentEncoding"}
    keywords = {keyword for schema in subschemas(REQUESTS[operation_id]) for keyword in schema}
    assert keywords - harmless <= CONTRACT.validation.keys()


@pytest.mark.parametrize("operation_id", REQUESTS)
def test_null_stands_for_an_optional_field_that_is_absent(operation_id: str) -> None:
    schema = REQUESTS[operation_id]
    optional = child(schema, "properties").keys() - set(cast("list[str]", schema["required"])) - {"model"}
    assert failures(schema, dict.fromkeys(optional)) == {"required"}


@pytest.mark.parametrize("where", WHOLE)
def test_example_fits_its_schema(where: str) -> None:
    name, value = WHOLE[where]
    assert failures(CONTRACT.schema(name), value) == set()


def payloads(stream: str) -> list[str]:
    decoder = SSEDecoder()
    events = [event.data for event in decoder.feed(stream.encode())]
    assert decoder.is_clean
    return events


def event_name(where: str, keyword: str) -> str:
    media = child(DOCUMENT, "paths", "/chat/completions" if "Chat" in where else "/completions", "post", "responses")
    reference = child(media, "200", "content", "text/event-stream", keyword)["$ref"]
    return cast("str", reference).rpartition("/")[2]


@pytest.mark.parametrize("where", STREAMS)
def test_stream_example_consists_of_events(where: str) -> None:
    schema = CONTRACT.schema(event_name(where, "schema"))
    for data in payloads(STREAMS[where]):
        assert failures(schema, {"data": data}) == set()


@pytest.mark.parametrize("where", STREAMS)
def test_stream_example_holds_chunks_and_then_done_or_an_error(where: str) -> None:
    *chunks, last = payloads(STREAMS[where])
    schema = CONTRACT.schema(event_name(where, "x-event"))
    for chunk in chunks:
        assert failures(schema, json.loads(chunk)) == set()
    if last != DONE:
        assert failures(CONTRACT.schema("ErrorEnvelope"), json.loads(last)) == set()
    assert any(payloads(stream)[-1] != DONE for stream in STREAMS.values())


@pytest.mark.parametrize("name", ["ChatCompletionEvent", "CompletionEvent"])
def test_event_schema_tells_done_from_json(name: str) -> None:
    """Where a validator reads `contentSchema`, the end must not be taken for a chunk, nor a chunk for the end."""
    end, payload = cast("list[Tree]", child(CONTRACT.schemas[name], "properties", "data")["oneOf"])
    assert jsonschema_rs.is_valid(end, DONE)
    assert not jsonschema_rs.is_valid(end, "{}")
    assert jsonschema_rs.is_valid(payload, "{}")
    assert not jsonschema_rs.is_valid(payload, DONE)


CLIENT_TYPES: dict[str, type[BaseModel]] = {
    "ChatCompletion": ChatCompletion,
    "Completion": Completion,
    "CreateEmbeddingResponse": CreateEmbeddingResponse,
    "ModelList": SyncPage[Model],
    "Model": Model,
}


@pytest.mark.parametrize(
    "where",
    # The client takes base64 for itself, before its type sees it.
    [where for where, (name, _) in WHOLE.items() if name in CLIENT_TYPES and "base64" not in where],
)
def test_official_client_reads_the_answer_without_loss(where: str) -> None:
    name, value = WHOLE[where]
    answer = CLIENT_TYPES[name].model_validate(value, strict=True)
    assert answer.model_dump(mode="json", exclude_unset=True) == value


def test_official_client_has_read_every_kind_of_answer() -> None:
    assert {name for name, _ in WHOLE.values()} >= CLIENT_TYPES.keys()


@pytest.mark.parametrize("where", [where for where in STREAMS if "Chat" in where])
def test_official_client_reads_the_chunk_without_loss(where: str) -> None:
    chunks = [json.loads(data) for data in payloads(STREAMS[where]) if data != DONE]
    assert chunks
    for chunk in chunks:
        if "error" not in chunk:
            assert ChatCompletionChunk.model_validate(chunk, strict=True).model_dump(exclude_unset=True) == chunk


def test_error_examples_are_rows_of_the_table() -> None:
    shown = {
        (int(where.split()[1]), error["type"], error["code"])
        for where, (name, value) in WHOLE.items()
        if name == "ErrorEnvelope"
        for error in [child(value, "error")]
    }
    assert shown
    assert shown <= {(row.status, row.type, row.code) for row in CONTRACT.errors.values()}


def test_every_response_names_the_headers_that_it_bears() -> None:
    roles = CONTRACT.headers
    limits = {name for role, name in roles.items() if role.startswith("ratelimit_")}
    assert len(limits) == 3
    for operation_id, status, response in responses():
        expected = {roles["request_id"]}
        if status not in {"401", "431"}:
            expected |= limits
        if status == "401":
            expected |= {roles["challenge"]}
        if status == "503" or (status == "200" and CONTRACT.operations[operation_id].request):
            expected |= {roles["provider"], roles["latency_ms"]}
        if status in {"429", "503"}:
            expected |= {roles["retry_after"]}
        assert child(response, "headers").keys() == expected, (operation_id, status)
        for name, reference in child(response, "headers").items():
            assert reference == {"$ref": f"#/components/headers/{name}"}


def test_every_error_status_is_a_response_of_a_routed_operation() -> None:
    for operation_id, entry in operations():
        statuses = {int(status) for status in child(entry, "responses")} - {200}
        table = {row.status for row in CONTRACT.errors.values()}
        # No operation answers 405: it is what a method gets that is none.
        assert statuses <= table - {405}, operation_id
        if operation_id in REQUESTS:
            assert statuses == table - {405}, operation_id


def test_strategies_are_those_that_the_header_takes() -> None:
    schema = child(DOCUMENT, "components", "parameters", "Strategy", "schema")
    assert list(CONTRACT.strategies) == schema["enum"]


def test_model_may_be_left_out_only_where_a_strategy_may_stand() -> None:
    for operation_id, entry in operations():
        assert entry.get("x-required-unless-header") == (
            CONTRACT.headers["strategy"] if operation_id in REQUESTS else None
        )


def test_limits_are_those_of_the_schemas() -> None:
    limits = CONTRACT.limits
    request = child(CONTRACT.schemas, "CreateChatCompletionRequest", "properties")
    assert child(request, "messages")["maxItems"] == limits.messages_max
    assert child(CONTRACT.schemas, "ModelName")["maxLength"] == limits.model_chars_max
    fallback = child(DOCUMENT, "components", "parameters", "Fallback", "schema")
    assert fallback["maxItems"] == limits.fallback_items_max
    assert limits.event_bytes_max == EVENT_BYTES_MAX


def test_only_statuses_of_the_table_stay_with_their_attempt() -> None:
    rules = child(DOCUMENT, "x-fallback")
    mistakes = cast("list[int]", rules["client_mistakes"])
    assert set(mistakes) <= {row.status for row in CONTRACT.errors.values() if row.status < 500}
    assert CONTRACT.relayed_statuses <= set(mistakes)
    assert CONTRACT.errors["provider_rejected"].status in CONTRACT.relayed_statuses
