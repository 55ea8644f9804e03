"""The contract as values: what the document binds, and schemas that stand on their own."""

from __future__ import annotations

import jsonschema
import jsonschema_rs
import pytest

from routeproof_spec._self_contained import self_contained
from routeproof_spec.contract import ErrorRow, Limits, Schema, load_contract
from routeproof_spec.requirement import SOURCES

CONTRACT = load_contract()


def test_operations_are_bound_to_methods_and_paths() -> None:
    assert CONTRACT.prefix == "/v1"
    bound = {
        operation.id: (operation.method, operation.path, operation.model_optional_with_header)
        for operation in CONTRACT.operations.values()
    }
    assert bound == {
        "createChatCompletion": ("POST", "/chat/completions", True),
        "createCompletion": ("POST", "/completions", True),
        "createEmbedding": ("POST", "/embeddings", True),
        "listModels": ("GET", "/models", False),
        "retrieveModel": ("GET", "/models/{model}", False),
    }


def test_operations_hold_the_schemas_of_their_bodies() -> None:
    def title(schema: Schema | None) -> object:
        return schema and schema["title"]

    bodies = {
        operation.id: (title(operation.request), title(operation.response), title(operation.event))
        for operation in CONTRACT.operations.values()
    }
    assert bodies == {
        "createChatCompletion": ("CreateChatCompletionRequest", "ChatCompletion", "ChatCompletionChunk"),
        "createCompletion": ("CreateCompletionRequest", "Completion", "CompletionChunk"),
        "createEmbedding": ("CreateEmbeddingRequest", "CreateEmbeddingResponse", None),
        "listModels": (None, "ModelList", None),
        "retrieveModel": (None, "Model", None),
    }


def test_headers_are_found_by_role() -> None:
    assert CONTRACT.headers == {
        "strategy": "X-Inferoute-Strategy",
        "fallback": "X-Inferoute-Fallback",
        "provider": "X-Inferoute-Provider",
        "request_id": "X-Inferoute-Request-Id",
        "latency_ms": "X-Inferoute-Latency-Ms",
        "ratelimit_limit_requests": "X-RateLimit-Limit-Requests",
        "ratelimit_remaining_requests": "X-RateLimit-Remaining-Requests",
        "ratelimit_reset_requests": "X-RateLimit-Reset-Requests",
        "retry_after": "Retry-After",
        "challenge": "WWW-Authenticate",
    }


def test_error_table_is_that_of_the_contract() -> None:
    table = {row.name: (row.status, row.type, row.code) for row in CONTRACT.errors.values()}
    assert table == {
        "malformed_request": (400, "invalid_request_error", "malformed_request"),
        "invalid_strategy": (400, "invalid_request_error", "invalid_strategy"),
        "unsupported_parameter": (400, "invalid_request_error", "unsupported_parameter"),
        "invalid_api_key": (401, "authentication_error", "invalid_api_key"),
        "model_not_allowed": (404, "not_found_error", "model_not_found"),
        "usage_limit_exceeded": (402, "usage_limit_exceeded", "usage_limit_exceeded"),
        "model_not_found": (404, "not_found_error", "model_not_found"),
        "path_not_found": (404, "not_found_error", "path_not_found"),
        "method_not_allowed": (405, "invalid_request_error", "method_not_allowed"),
        "request_timeout": (408, "invalid_request_error", "request_timeout"),
        "payload_too_large": (413, "invalid_request_error", "payload_too_large"),
        "out_of_range": (422, "invalid_request_error", "out_of_range"),
        "rate_limit_exceeded": (429, "rate_limit_error", "rate_limit_exceeded"),
        "headers_too_large": (431, "invalid_request_error", "headers_too_large"),
        "internal_error": (500, "api_error", "internal_error"),
        "provider_unavailable": (503, "provider_error", "provider_unavailable"),
        "shutting_down": (503, "api_error", "shutting_down"),
        "overloaded": (503, "api_error", "overloaded"),
        "provider_rejected": (400, "invalid_request_error", "provider_rejected"),
    }


def test_every_error_says_when_it_is_given_and_on_whose_word() -> None:
    for row in CONTRACT.errors.values():
        assert row.when
        assert row.sources
        assert set(row.sources) <= SOURCES.keys()


def test_only_the_refused_key_has_a_fixed_message() -> None:
    fixed = [row for row in CONTRACT.errors.values() if row.message is not None]
    assert fixed == [
        ErrorRow(
            name="invalid_api_key",
            status=401,
            type="authentication_error",
            code="invalid_api_key",
            message="Invalid API key provided.",
            when=CONTRACT.errors["invalid_api_key"].when,
            sources=("authentication", "errors"),
        )
    ]


def test_model_that_is_forbidden_looks_like_one_that_is_unknown() -> None:
    unknown, forbidden = CONTRACT.errors["model_not_found"], CONTRACT.errors["model_not_allowed"]
    assert (unknown.status, unknown.type, unknown.code) == (forbidden.status, forbidden.type, forbidden.code)


def test_routing_words_are_those_of_the_contract() -> None:
    assert CONTRACT.strategies == ("cost", "latency", "availability", "round-robin")
    assert CONTRACT.relayed_statuses == {400, 413, 422}


def test_limits_are_bounded_and_positive() -> None:
    assert CONTRACT.limits == Limits(
        body_bytes_max=10 * 2**20,
        header_bytes_max=16 * 2**10,
        messages_max=2048,
        model_chars_max=256,
        fallback_items_max=16,
        response_bytes_max=32 * 2**20,
        event_bytes_max=4 * 2**20,
        stream_bytes_max=128 * 2**20,
    )


def test_what_is_not_understood_is_a_400_and_what_is_out_of_range_a_422() -> None:
    assert {keyword for keyword, status in CONTRACT.validation.items() if status == 400} == {"type", "required"}
    assert set(CONTRACT.validation.values()) == {400, 422}


def test_contract_is_read_once() -> None:
    assert load_contract() is CONTRACT


@pytest.mark.parametrize("name", CONTRACT.schemas)
def test_schema_compiles_in_both_libraries(name: str) -> None:
    schema = CONTRACT.schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema_rs.Draft202012Validator(schema)


def test_schema_needs_no_other_document() -> None:
    schema = CONTRACT.schema("ModelList")
    assert schema["properties"] == {
        "object": {"const": "list"},
        "data": {"type": "array", "items": {"$ref": "#/$defs/Model"}},
    }
    assert schema["$defs"] == {"Model": CONTRACT.schemas["Model"]}


def test_schema_that_does_not_exist_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="ChatCompletionz"):
        CONTRACT.schema("ChatCompletionz")


def test_schema_may_refer_to_itself_and_in_a_circle() -> None:
    schemas: dict[str, Schema] = {
        "A": {"properties": {"a": {"$ref": "#/components/schemas/A"}, "b": {"$ref": "#/components/schemas/B"}}},
        "B": {"type": "object", "items": [{"$ref": "#/components/schemas/A"}]},
        "C": {"description": "not reached"},
    }
    assert self_contained(schemas, "B") == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "B",
        "type": "object",
        "items": [{"$ref": "#/$defs/A"}],
        "$defs": {
            "A": {"properties": {"a": {"$ref": "#/$defs/A"}, "b": {"$ref": "#/$defs/B"}}},
            "B": {"type": "object", "items": [{"$ref": "#/$defs/A"}]},
        },
    }
