from __future__ import annotations

import math
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_simulator.algebra import Situation
from routeproof_simulator.allowance import Allowance, Standing
from routeproof_simulator.answers import Mark, read_stream, read_whole
from routeproof_simulator.behaviours import finish_reason, usage, wrong_index, wrong_model
from routeproof_simulator.behaviours import refusal as refused
from routeproof_simulator.dialects import DIALECTS, Answer, Call, Persona
from routeproof_simulator.dialects.persona import Strictness
from routeproof_simulator.received import Received, RequestHead
from routeproof_simulator.script import EVENT_STREAM, Head, Kind, Send
from routeproof_spec.marker import find_marker, in_text
from routeproof_spec.redaction import redact_headers
from routeproof_spec.sse import SSEDecoder
from tests.simulator.asking import body_of, tree_of

KEY = "AIza-alpha-test"
MODEL = "gemini-2.5-flash"
GEMINI = DIALECTS["gemini"]
PATH = f"/v1beta/models/{MODEL}"


def persona(strict: Strictness = True) -> Persona:
    models = (MODEL, "gemini-embedding-001")
    return Persona(name="alpha", key=KEY, models=models, seed="a seed", tokens=12, strict=strict)


def asking(**more: object) -> dict[str, object]:
    return {"contents": [{"role": "user", "parts": [{"text": "Say hi."}]}], **more}


def ask(
    body: object = None,
    *,
    path: str = f"{PATH}:generateContent",
    method: str = "POST",
    key: str | None = KEY,
    strict: Strictness = True,
) -> Answer:
    headers = (("x-goog-api-key", key),) if key is not None else ()
    data = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
    received = Received(head=RequestHead(method=method, target=path, headers=headers), body=data, at=1.0)
    return GEMINI.answer(Call(request=received, marker="m1", attempt=0, created=1_700_000_000), persona(strict))


def whole(**more: object) -> dict[str, Any]:
    return tree_of(ask(asking(**more)).script)


def pieces(**more: object) -> list[dict[str, Any]]:
    decoder = SSEDecoder()
    events = list(decoder.feed(body_of(ask(asking(**more), path=f"{PATH}:streamGenerateContent?alt=sse").script)))
    assert decoder.is_clean
    return [msgspec.json.decode(each.data, type=dict[str, Any]) for each in events]


def said(tree: dict[str, Any], index: int = 0) -> str:
    found = [each for each in tree["candidates"] if each["index"] == index]
    return "".join(part["text"] for each in found for part in each["content"]["parts"])


def refusal(body: object, **more: Any) -> dict[str, Any]:
    script = ask(body, **more).script
    head = script[0]
    assert isinstance(head, Head)
    error: dict[str, Any] = tree_of(script)["error"]
    assert head.status == error["code"]
    return error


def test_a_text_names_its_provider_and_the_answer_who_it_is() -> None:
    answered = whole()
    (candidate,) = answered["candidates"]
    assert candidate["content"]["role"] == "model"
    assert (said(answered)[:14], candidate["finishReason"]) == ("alpha: é 漢 🚀 b", "STOP") or said(
        answered
    ).startswith("alpha: é 漢 🚀 ")
    assert answered["modelVersion"] == MODEL
    assert answered["responseId"]
    assert answered["usageMetadata"] == {
        "promptTokenCount": 6,
        "candidatesTokenCount": 12,
        "totalTokenCount": 18,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 6}],
    }


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"candidateCount": 2},
        {"maxOutputTokens": 3},
        {"stopSequences": [" 漢"]},
        {"responseMimeType": "application/json"},
    ],
)
def test_whole_and_stream_say_the_same(config: dict[str, Any]) -> None:
    answered = whole(generationConfig=config)
    told = pieces(generationConfig=config)
    assert {(each["responseId"], each["modelVersion"]) for each in told} == {(answered["responseId"], MODEL)}
    assert told[-1]["usageMetadata"] == answered["usageMetadata"]
    for candidate in answered["candidates"]:
        index = candidate["index"]
        assert "".join(said(each, index) for each in told) == said(answered, index)
        mine = [one for each in told for one in each["candidates"] if one["index"] == index]
        reasons = [one.get("finishReason") for one in mine]
        assert reasons == [None] * (len(mine) - 1) + [candidate["finishReason"]]


def test_a_stream_ends_with_why_it_ends_and_with_no_done() -> None:
    script = ask(asking(), path=f"{PATH}:streamGenerateContent?alt=sse").script
    sent = [op for op in script if isinstance(op, Send)]
    assert [op.kind for op in sent] == [Kind.CONTENT] * 12 + [Kind.FINISH]
    assert all(op.data.startswith(b"data: {") and op.data.endswith(b"}\r\n\r\n") for op in sent)
    marks = read_stream(body_of(script)).marks
    assert (marks[-1], Mark.DONE in marks, Mark.BROKEN in marks) == (Mark.FINISH, False, False)


def test_without_alt_sse_a_stream_is_one_json_array_in_pieces() -> None:
    answer = ask(asking(), path=f"{PATH}:streamGenerateContent")
    head, *sent = answer.script
    assert isinstance(head, Head)
    assert dict(head.headers)["content-type"] != EVENT_STREAM
    assert len(sent) == 14
    body = body_of(answer.script)
    assert msgspec.json.decode(body, type=list[dict[str, Any]]) == pieces()
    assert read_whole(body).said == read_whole(msgspec.json.encode(whole())).said


def test_an_error_within_a_stream_keeps_its_framing() -> None:
    event = GEMINI.stream_error("Halfway.", None)
    assert read_stream(event).marks == (Mark.ERROR,)
    answer = ask(asking(), path=f"{PATH}:streamGenerateContent")
    assert answer.voice is not None
    *begun, error = msgspec.json.decode(
        body_of(answer.script[:3]) + answer.voice.stream_error("Halfway.", None), type=list[dict[str, Any]]
    )
    assert len(begun) == 2
    assert error == {"error": {"code": 503, "message": "Halfway.", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize("query", ["", "?alt=sse"])
def test_faults_find_what_they_mean(query: str) -> None:
    answer = ask(asking(), path=f"{PATH}:streamGenerateContent{query}")
    circumstances = Situation(attempt=0, tokens=12, voice=GEMINI, draw=lambda: 0.5)
    for behaviour, found in (
        (wrong_model("another"), b'"modelVersion":"another"'),
        (finish_reason("SAFETY"), b'"finishReason":"SAFETY"'),
        (usage(7, 8), b'"totalTokenCount":15'),
        (wrong_index(3), b'"index":3'),
        (refused("No."), b'"text":"No."'),
    ):
        assert found in body_of(behaviour(answer.script, circumstances))


SCHEMA = {
    "type": "OBJECT",
    "properties": {
        "where": {"type": "STRING"},
        "tags": {"type": "ARRAY", "items": {"type": "STRING"}, "minItems": "2"},
    },
    "required": ["where", "tags"],
}
PLAIN_SCHEMA = {
    "type": "object",
    "properties": {"where": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2}},
    "required": ["where", "tags"],
}
TOOLS = [{"functionDeclarations": [{"name": "find", "parameters": SCHEMA}, {"name": "other"}]}]


@pytest.mark.parametrize(
    ("calling", "called"),
    [
        ({}, "find"),
        ({"mode": "AUTO"}, "find"),
        ({"mode": "ANY", "allowedFunctionNames": ["other"]}, "other"),
        ({"mode": "NONE"}, None),
    ],
)
def test_a_function_is_called_as_the_config_says(calling: dict[str, Any], called: str | None) -> None:
    more: dict[str, Any] = {"tools": TOOLS, "toolConfig": {"functionCallingConfig": calling}}
    for told in (whole(**more), *pieces(**more)[:1]):
        (part, *_) = told["candidates"][0]["content"]["parts"]
        assert part.get("functionCall", {}).get("name") == called


def test_the_arguments_of_a_call_fit_googles_schema_and_come_in_one_piece() -> None:
    (candidate,) = whole(tools=TOOLS)["candidates"]
    (part,) = candidate["content"]["parts"]
    jsonschema.validate(part["functionCall"]["args"], PLAIN_SCHEMA)
    assert candidate["finishReason"] == "STOP"
    begun, last = pieces(tools=TOOLS)
    assert begun["candidates"][0]["content"]["parts"] == [part]
    assert last["candidates"][0]["finishReason"] == "STOP"


def test_half_a_call_is_no_call() -> None:
    (candidate,) = whole(tools=TOOLS, generationConfig={"maxOutputTokens": 1})["candidates"]
    assert (candidate["content"]["parts"], candidate["finishReason"]) == ([], "MAX_TOKENS")


def turns(*responses: str) -> list[dict[str, Any]]:
    return [
        {"role": "user", "parts": [{"text": "?"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "find", "args": {"where": "x"}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": each, "response": {"a": 1}}} for each in responses]},
    ]


def test_a_functions_result_is_answered_with_text() -> None:
    assert said(whole(contents=turns("find"), tools=TOOLS)).startswith("alpha: ")


def test_as_many_functions_answer_as_were_called() -> None:
    assert "number of function response parts" in refusal(asking(contents=turns("find", "find")))["message"]


@pytest.mark.parametrize("key", ["responseSchema", "response_schema"])
def test_structured_output_fits_its_schema(key: str) -> None:
    answered = whole(generationConfig={"responseMimeType": "application/json", key: SCHEMA})
    jsonschema.validate(msgspec.json.decode(said(answered)), PLAIN_SCHEMA)


def test_snake_case_texts_for_numbers_null_and_single_objects_mean_the_same() -> None:
    plain = whole(
        generationConfig={"maxOutputTokens": 3, "temperature": 1.5},
        systemInstruction={"parts": [{"text": "Be kind."}]},
    )
    free = tree_of(
        ask(
            {
                "contents": {"parts": {"text": "Say hi."}},
                "generation_config": {"max_output_tokens": "3", "temperature": "1.5", "top_p": None},
                "system_instruction": {"parts": {"text": "Be kind."}},
            }
        ).script
    )
    assert free == plain
    assert plain["usageMetadata"]["candidatesTokenCount"] == 3


CALLING = "tool_config.function_calling_config"
VIOLATION = "type.googleapis.com/google.rpc.BadRequest"


WRONG: list[tuple[object, str, str | None]] = [
    (b"{", "Invalid JSON payload received. Unexpected token.", None),
    (asking(generationConfig={"temperature": "hot"}), '(TYPE_FLOAT), "hot"', "generation_config.temperature"),
    (asking(generationConfig={"temperature": 3}), "must be <= 2", None),
    (asking(generationConfig={"candidateCount": 0}), "must be >= 1", None),
    (
        asking(generationConfig={"responseMimeType": "image/png"}),
        "TYPE_ENUM",
        "generation_config.response_mime_type",
    ),
    (asking(generationConfig={"responseSchema": SCHEMA}), "only supported with", None),
    (asking(stream=True), 'Unknown name "stream": Cannot find field.', None),
    (
        asking(generationConfig={"max_tokens": 3}),
        "Unknown name \"max_tokens\" at 'generation_config': Cannot find field.",
        "generation_config",
    ),
    (
        {"contents": [{"parts": [{"txt": "hi"}]}]},
        "Unknown name \"txt\" at 'contents[0].parts[0]': Cannot find field.",
        "contents[0].parts[0]",
    ),
    ({"contents": [{"parts": [{"text": 1}]}]}, "(TYPE_STRING), 1", "contents[0].parts[0].text"),
    ({}, "contents is not specified", None),
    ({"contents": [{"role": "assistant", "parts": [{"text": "hi"}]}]}, "valid role: user, model", None),
    ({"contents": [{"role": "user"}]}, "parts must not be empty", None),
    ({"contents": [{"parts": [{}]}]}, "required oneof field 'data'", None),
    (asking(toolConfig={"functionCallingConfig": {"mode": "ANY"}}), "without function_declarations", None),
    (
        asking(tools=TOOLS, toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["x"]}}),
        "should be a subset",
        None,
    ),
]


@pytest.mark.parametrize(("body", "message", "field"), WRONG)
def test_a_wrong_request_is_refused_in_googles_words(body: object, message: str, field: str | None) -> None:
    error = refusal(body)
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert message in error["message"]
    told = [each for detail in error.get("details", ()) for each in detail["fieldViolations"]]
    assert [each.get("field") for each in told if "field" in each] == ([field] if field else [])
    assert all(detail["@type"] == VIOLATION for detail in error.get("details", ()))


def test_unknown_fields_are_all_named_at_once() -> None:
    assert refusal(asking(stream=True, model_name="x"))["message"].count("Cannot find field.") == 2


def test_values_alone_are_checked_where_unknown_fields_may_pass() -> None:
    assert tree_of(ask(asking(stream=True), strict="values").script)["candidates"]
    assert refusal(asking(stream=True, generationConfig={"temperature": 3}), strict="values")["code"] == 400


@pytest.mark.parametrize(
    "more",
    [
        {"generationConfig": {"temperature": "hot", "candidateCount": 99, "stopSequences": 7}},
        {"tools": [{"functionDeclarations": [{"name": 3}]}], "safetySettings": 7, "foo": 1},
        {"contents": []},
    ],
)
def test_whatever_can_be_answered_is_answered_leniently(more: dict[str, Any]) -> None:
    assert said(tree_of(ask(asking(**more), strict=False).script)).startswith("alpha: ")


def test_a_key_comes_in_a_header_or_in_the_query_and_a_wrong_one_is_a_400() -> None:
    assert ask(asking(), key=None, path=f"{PATH}:generateContent?key={KEY}").tokens == 12
    wrong = refusal(asking(), key="AIza-other")
    assert (wrong["code"], wrong["status"], wrong["details"][0]["reason"]) == (
        400,
        "INVALID_ARGUMENT",
        "API_KEY_INVALID",
    )
    assert refusal(asking(), key=None, path=f"{PATH}:generateContent?key=x") == wrong
    assert refusal(asking(), key=None)["status"] == "PERMISSION_DENIED"


def test_a_bearer_token_is_no_key() -> None:
    head = RequestHead(method="POST", target=f"{PATH}:generateContent", headers=(("authorization", f"Bearer {KEY}"),))
    call = Call(request=Received(head=head, body=b"{}", at=1.0), marker="", attempt=0, created=0)
    assert tree_of(GEMINI.answer(call, persona()).script)["error"]["status"] == "UNAUTHENTICATED"


def test_a_key_in_a_header_is_recorded_as_its_fingerprint() -> None:
    ((name, value),) = redact_headers((("x-goog-api-key", KEY),))
    assert (name, KEY in value) == ("x-goog-api-key", False)


@pytest.mark.parametrize(
    "path",
    ["/v1beta/models/nothing:generateContent", f"{PATH}:fly", "/v1beta/models:generateContent", "/v1/chat/completions"],
)
def test_what_is_not_there_is_not_found(path: str) -> None:
    assert refusal(asking(), path=path)["status"] == "NOT_FOUND"


@pytest.mark.parametrize("version", ["v1beta", "v1"])
def test_models_are_listed_and_shown(version: str) -> None:
    listed = tree_of(ask(path=f"/{version}/models", method="GET").script)["models"]
    assert [each["name"] for each in listed] == [f"models/{name}" for name in persona().models]
    assert tree_of(ask(path=f"/{version}/models/{MODEL}", method="GET").script) == listed[0]
    assert "embedContent" in listed[1]["supportedGenerationMethods"]


def test_tokens_are_counted_as_an_answer_counts_them() -> None:
    counted = tree_of(ask(asking(), path=f"{PATH}:countTokens").script)["totalTokens"]
    assert counted == whole()["usageMetadata"]["promptTokenCount"]
    inner = {"generateContentRequest": asking(systemInstruction={"parts": [{"text": "Be kind."}]})}
    assert tree_of(ask(inner, path=f"{PATH}:countTokens").script)["totalTokens"] > counted
    assert refusal({}, path=f"{PATH}:countTokens")["code"] == 400


EMBEDDER = "/v1beta/models/gemini-embedding-001"


def embedding(text: str, **more: object) -> dict[str, object]:
    return {"content": {"parts": [{"text": text}]}, **more}


def test_vectors_are_of_length_one_and_the_same_alone_and_in_a_batch() -> None:
    alone = tree_of(ask(embedding("one", outputDimensionality=8), path=f"{EMBEDDER}:embedContent").script)["embedding"]
    asked = [embedding("one", output_dimensionality=8), embedding("two")]
    batch = tree_of(ask({"requests": asked}, path=f"{EMBEDDER}:batchEmbedContents").script)["embeddings"]
    assert batch[0] == alone
    assert len(batch[1]["values"]) == 3072
    assert math.isclose(math.hypot(*alone["values"]), 1.0, rel_tol=1e-6)


@pytest.mark.parametrize("body", [{}, embedding(""), embedding("one", outputDimensionality=0)])
def test_a_wrong_embedding_request_is_a_400(body: object) -> None:
    assert refusal(body, path=f"{EMBEDDER}:embedContent")["status"] == "INVALID_ARGUMENT"


def test_an_empty_batch_is_a_400() -> None:
    assert refusal({"requests": []}, path=f"{EMBEDDER}:batchEmbedContents")["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("status", "canonical"),
    [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
    ],
)
def test_an_error_has_its_canonical_status(status: int, canonical: str) -> None:
    error = msgspec.json.decode(GEMINI.error(status, None, None), type=dict[str, Any])["error"]
    assert (error["code"], error["status"], "details" in error) == (status, canonical, False)
    assert error["message"]


def test_the_code_of_an_error_is_its_status_or_the_reason_of_a_detail() -> None:
    one = msgspec.json.decode(GEMINI.error(400, "As told.", "FAILED_PRECONDITION"), type=dict[str, Any])["error"]
    assert one == {"code": 400, "message": "As told.", "status": "FAILED_PRECONDITION"}
    other = msgspec.json.decode(GEMINI.error(429, "As told.", "RATE_LIMIT_EXCEEDED"), type=dict[str, Any])["error"]
    assert (other["status"], other["details"][0]["reason"]) == ("RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED")


def test_no_header_tells_what_is_left() -> None:
    standing = Standing(requests=Allowance(limit=1, remaining=0, reset=1.0), retry_after=1.0)
    assert GEMINI.rate_limit_headers(standing, now=0) == ()


def test_the_marker_is_found_in_the_last_text_of_the_user() -> None:
    contents = [
        {"role": "user", "parts": [{"text": f"Before {in_text('other')}"}]},
        {"role": "model", "parts": [{"text": "So."}]},
        {"role": "user", "parts": [{"text": f"Say hi. {in_text('mine')}"}]},
    ]
    body = msgspec.json.encode({"systemInstruction": {"parts": [{"text": "Be kind."}]}, "contents": contents})
    assert find_marker((), body) == "mine"


@given(st.binary(max_size=200), st.sampled_from(["generateContent", "countTokens", "batchEmbedContents"]))
def test_any_bytes_get_an_answer(body: bytes, method: str) -> None:
    assert isinstance(ask(body, path=f"{PATH}:{method}").script[0], Head)


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["contents", "parts", "text", "tools", "role", "generation_config", "temperature"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(TREES, st.sampled_from([True, "values", False]))
def test_any_json_gets_an_answer(tree: object, strict: Strictness) -> None:
    head = ask(tree, strict=strict).script[0]
    assert isinstance(head, Head)
    assert head.status in (200, 400)
