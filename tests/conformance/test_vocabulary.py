"""What the suite's checks share is held to the contract, and reads what it is meant to read."""

import base64
import gzip
import json
import struct

import jsonschema
import pytest

from routeproof_conformance.ask import MARK, Ask, Raw, compose
from routeproof_conformance.dialect import load_dialect
from routeproof_conformance.dig import dig, fields_of, parsed
from routeproof_conformance.expect import Expect
from routeproof_conformance.forms import CHAT, CHAT_STREAM, COMPLETION, EMBEDDING, FORMS, Form
from routeproof_conformance.vocabulary.content import content, unzipped
from routeproof_conformance.vocabulary.parameters import additions, changes, groups
from routeproof_conformance.vocabulary.provider_errors import HIDDEN, SHAPES, TEXT
from routeproof_conformance.vocabulary.refusals import NOT_JSON, refusals
from routeproof_conformance.vocabulary.shape import answer_schema, conform, operation_of
from routeproof_conformance.vocabulary.vectors import are_close, numbers
from routeproof_spec.contract import load_contract
from routeproof_spec.errors import Violation
from routeproof_spec.marker import find_marker
from tests.conformance.observing import case

#: What every request of the suite bears by itself, and what says which form it has.
OF_ITSELF = {"model", "stream", "messages", "prompt", "input"}

SETTINGS = [pytest.param(form, group, id=f"{form}-{group}") for form in FORMS for group in groups(form)]
PLAIN = json.dumps({"choices": [{"index": 0, "message": {"content": "Hi"}}]}).encode()


def sent(ask: Ask | Raw) -> bytes:
    return compose(ask, dialect=load_dialect("tokenhub"), model="m", marker="mark1").body


# Parameters


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_no_parameter_of_the_contract_is_forgotten(form: Form) -> None:
    known = set(fields_of(dig(operation_of(form).request, "properties")))
    asked = {name for fields in groups(form).values() for name in fields}
    assert known - asked - OF_ITSELF <= (set[str]() if form.stream else {"stream_options"})


@pytest.mark.parametrize(("form", "group"), SETTINGS)
def test_a_group_of_parameters_is_a_request_of_the_contract(form: Form, group: str) -> None:
    body = sent(Ask(form=form, body=groups(form)[group]))
    assert find_marker((), body) == "mark1"
    request = operation_of(form).request
    assert request is not None
    jsonschema.validate(parsed(body), request)


@pytest.mark.parametrize(
    ("value", "arrived"), [(1, True), (0.25, 0.2), ([1, 2], [2, 1]), ({"a": None}, {}), ("7", 7), (None, 0)]
)
def test_another_value_is_a_change(value: object, arrived: object) -> None:
    assert list(changes({"x": value}, {"x": arrived})) == [f"x arrived as {arrived!r} instead of {value!r}"]


def test_a_number_is_the_same_however_it_is_spelled_and_members_have_no_order() -> None:
    assert not list(changes({"x": {"a": 1, "b": [2.0]}}, {"x": {"b": [2], "a": 1.0}}))


def test_what_is_missing_and_what_is_added_is_told_but_for_the_model() -> None:
    assert list(changes({"model": "a", "n": 2}, {"model": "b"})) == ["n did not arrive"]
    assert list(additions({"n": 2}, {"model": "b", "n": 2, "top_p": 1})) == ["top_p: 1"]


# Refusals


@pytest.mark.parametrize("flaw", NOT_JSON)
def test_what_is_no_json_is_none_and_bears_the_marker(flaw: str) -> None:
    body = sent(Raw(method="POST", path="/completions", body=NOT_JSON[flaw]))
    assert parsed(body) is None
    assert find_marker((), body) == ("mark1" if body else None)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_refusal_is_a_row_of_the_contract(form: Form) -> None:
    found = [refusal.status for refusal in refusals(form, case().bench.target)]
    assert found == [400, 400, 401, 404, *([] if form == EMBEDDING else [422])]
    assert set(found) <= {row.status for row in load_contract().errors.values()}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_providers_error_holds_its_text_once_and_what_is_hidden(shape: str) -> None:
    body = SHAPES[shape].body
    assert body.count(TEXT) == SHAPES[shape].speaks
    assert (HIDDEN in body.lower()) is (shape != "plain text")


# Answers


def test_what_fits_the_contract_conforms() -> None:
    examples = fields_of(dig(dict(load_contract().document), "components", "examples"))
    conform(Expect(case()), dig(examples["ChatAnswerWithLogprobs"], "value"), "ChatCompletion", "an answer")


def test_what_does_not_fit_is_told_with_its_place() -> None:
    with pytest.raises(
        Violation, match=r"an answer that fits .* ModelList; got at \$\.data: 'data' is a required|data"
    ):
        conform(Expect(case()), {"object": "list"}, "ModelList", "an answer")
    with pytest.raises(Violation, match=r"at \$\.error\.type: 7 is not of type 'string'"):
        conform(Expect(case()), {"error": {"type": 7, "message": "No.", "code": "no"}}, "ErrorEnvelope", "an error")


def test_a_form_knows_the_schema_of_its_answer() -> None:
    assert [answer_schema(form) for form in (CHAT, CHAT_STREAM, COMPLETION, EMBEDDING)] == [
        "ChatCompletion",
        "ChatCompletionChunk",
        "Completion",
        "CreateEmbeddingResponse",
    ]


@pytest.mark.parametrize(
    ("form", "body", "says"),
    [
        (CHAT, PLAIN, {"0": "Hi"}),
        (CHAT, PLAIN[:-2], None),
        (COMPLETION, b'{"choices": [{"index": 1, "text": "Hi"}]}', {"1": "Hi"}),
        (EMBEDDING, b'{"data": [{"embedding": [0.5]}]}', [[0.5]]),
        (EMBEDDING, b'{"data": []}', None),
        (
            CHAT_STREAM,
            b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}\n\ndata: [DONE]\n\n',
            {"0": "Hi"},
        ),
        (CHAT_STREAM, b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}\n\n', None),
    ],
)
def test_content_is_what_a_whole_answer_says(form: Form, body: bytes, says: object) -> None:
    assert content(body, form) == says


def test_what_was_compressed_is_had_whole_or_not_at_all() -> None:
    packed = gzip.compress(PLAIN)
    assert unzipped(packed) == PLAIN
    assert unzipped(packed[:-3]) == unzipped(PLAIN) == b""


def test_vectors_are_read_in_both_encodings() -> None:
    packed = base64.b64encode(struct.pack("<2f", 0.5, -0.25)).decode()
    assert numbers([0.5, -0.25]) == numbers(packed) == (0.5, -0.25)
    assert numbers("?") == numbers([True]) == numbers(["1"]) == numbers(None) == numbers("AAA=") == ()


def test_bytes_in_the_wrong_order_are_not_close() -> None:
    wrong = base64.b64encode(struct.pack(">2f", 0.5, -0.25)).decode()
    assert are_close((0.5, -0.25), (0.500001, -0.25))
    assert not are_close((0.5, -0.25), numbers(wrong))
    assert not are_close((0.5,), (0.5, 0.5))


def test_the_mark_stands_for_the_marker() -> None:
    assert sent(Ask(body={"n": MARK})).count(b"[[rp:mark1]]") == 2
