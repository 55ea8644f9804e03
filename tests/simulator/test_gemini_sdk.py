"""A verified fake: Google's official SDK reads every good answer, and raises its own error for every bad one."""

# The SDK's types name those of an image library that is not installed.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from google import genai
from google.genai import errors, types

from routeproof_simulator import FleetThread
from routeproof_simulator.behaviours import cut, fail, no_finish, stream_error
from routeproof_simulator.fleet import FleetConfig, ProviderConfig

MODEL = "gemini-2.5-flash"
EMBEDDER = "gemini-embedding-001"
KEY = "AIza-alpha-test"
FLEET = FleetConfig(
    providers=(ProviderConfig(name="alpha", key=KEY, models=(MODEL, EMBEDDER), dialect="gemini", tokens=12),)
)
FIND = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="find",
            parameters=types.Schema(
                type=types.Type.OBJECT,
                properties={"where": types.Schema(type=types.Type.STRING)},
                required=["where"],
            ),
        )
    ]
)


@pytest.fixture(scope="module")
def fleet() -> Iterator[FleetThread]:
    with FleetThread(FLEET) as running:
        yield running


def client_of(fleet: FleetThread, key: str) -> genai.Client:
    url = fleet.base_urls["alpha"].removesuffix("/v1")
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=url, client_args={"trust_env": False}))


@pytest.fixture(scope="module")
def client(fleet: FleetThread) -> Iterator[genai.Client]:
    with client_of(fleet, KEY) as each:  # which takes the SDK half a second
        yield each


@pytest.fixture(autouse=True)
def healed(fleet: FleetThread) -> None:
    fleet.heal()


def say(client: genai.Client, config: types.GenerateContentConfig | None = None) -> types.GenerateContentResponse:
    return client.models.generate_content(model=MODEL, contents="Say hi.", config=config)


def stream(client: genai.Client, config: types.GenerateContentConfig | None = None) -> list[str]:
    told = client.models.generate_content_stream(model=MODEL, contents="Say hi.", config=config)
    return [piece.text or "" for piece in told]


def test_whole_and_stream_are_read_the_same(client: genai.Client) -> None:
    answered = say(client)
    assert (answered.text or "").startswith("alpha: é 漢 🚀")
    assert "".join(stream(client)) == answered.text
    assert answered.model_version == MODEL
    assert answered.usage_metadata is not None
    assert answered.usage_metadata.candidates_token_count == 12
    assert answered.candidates is not None
    assert answered.candidates[0].finish_reason is types.FinishReason.STOP


def test_a_limit_and_a_system_instruction_are_understood(client: genai.Client) -> None:
    config = types.GenerateContentConfig(max_output_tokens=2, system_instruction="Be kind.", temperature=0.5)
    answered = say(client, config)
    assert answered.text == "alpha: é"
    assert answered.candidates is not None
    assert answered.candidates[0].finish_reason is types.FinishReason.MAX_TOKENS


def test_a_function_is_called_whole_and_streamed(client: genai.Client) -> None:
    config = types.GenerateContentConfig(tools=[FIND])
    (call,) = say(client, config).function_calls or []
    assert call.name == "find"
    assert str((call.args or {})["where"]).startswith("alpha:")
    told = client.models.generate_content_stream(model=MODEL, contents="Say hi.", config=config)
    assert [each for piece in told for each in piece.function_calls or []] == [call]


def test_what_a_function_returned_is_answered_with_text(client: genai.Client) -> None:
    asked = types.Content(role="user", parts=[types.Part(text="?")])
    called = types.Content(role="model", parts=[types.Part.from_function_call(name="find", args={"where": "x"})])
    told = types.Content(role="user", parts=[types.Part.from_function_response(name="find", response={"at": "y"})])
    config = types.GenerateContentConfig(tools=[FIND])
    answered = client.models.generate_content(model=MODEL, contents=[asked, called, told], config=config)
    assert (answered.text or "").startswith("alpha:")


def test_structured_output_tokens_vectors_and_models_are_read(client: genai.Client) -> None:
    config = types.GenerateContentConfig(
        response_mime_type="application/json",
        response_schema=types.Schema(
            type=types.Type.OBJECT, properties={"n": types.Schema(type=types.Type.INTEGER, minimum=3)}
        ),
    )
    assert say(client, config).text == '{"n":3}'
    assert client.models.count_tokens(model=MODEL, contents="Say hi.").total_tokens == 6
    told = client.models.embed_content(
        model=EMBEDDER, contents=["one", "two"], config=types.EmbedContentConfig(output_dimensionality=8)
    )
    assert [len(each.values or ()) for each in told.embeddings or ()] == [8, 8]
    assert [each.name for each in client.models.list()] == [f"models/{MODEL}", f"models/{EMBEDDER}"]
    assert client.models.get(model=MODEL).max_temperature == 2


@pytest.mark.parametrize(
    ("status", "canonical", "error"),
    [
        (400, "INVALID_ARGUMENT", errors.ClientError),
        (401, "UNAUTHENTICATED", errors.ClientError),
        (403, "PERMISSION_DENIED", errors.ClientError),
        (404, "NOT_FOUND", errors.ClientError),
        (408, "DEADLINE_EXCEEDED", errors.ClientError),
        (409, "ABORTED", errors.ClientError),
        (413, "INVALID_ARGUMENT", errors.ClientError),
        (429, "RESOURCE_EXHAUSTED", errors.ClientError),
        (500, "INTERNAL", errors.ServerError),
        (502, "UNAVAILABLE", errors.ServerError),
        (503, "UNAVAILABLE", errors.ServerError),
        (504, "DEADLINE_EXCEEDED", errors.ServerError),
    ],
)
def test_every_failure_is_the_sdks_own_error(
    fleet: FleetThread, client: genai.Client, status: int, canonical: str, error: type[errors.APIError]
) -> None:
    fleet.set_behaviour("alpha", fail(status, message="As told."))
    for ask in (say, stream):
        with pytest.raises(error) as caught:
            ask(client)
        assert (caught.value.code, caught.value.status, caught.value.message) == (status, canonical, "As told.")


def test_an_error_within_a_stream_is_the_sdks_own_error(fleet: FleetThread, client: genai.Client) -> None:
    fleet.set_behaviour("alpha", stream_error(2, message="Halfway."))
    with pytest.raises(errors.ServerError, match="Halfway") as caught:
        stream(client)
    assert (caught.value.code, caught.value.status) == (503, "UNAVAILABLE")


def test_a_stream_that_breaks_off_is_felt_and_one_that_ends_without_a_reason_is_not(
    fleet: FleetThread, client: genai.Client
) -> None:
    full = stream(client)
    fleet.set_behaviour("alpha", cut(frames=3))
    with pytest.raises(httpx2.RemoteProtocolError):
        stream(client)
    fleet.set_behaviour("alpha", no_finish())
    assert "".join(stream(client)) == "".join(full)


def test_wrong_requests_are_the_sdks_own_errors(fleet: FleetThread, client: genai.Client) -> None:
    with pytest.raises(errors.ClientError, match="temperature"):
        say(client, types.GenerateContentConfig(temperature=3))
    with pytest.raises(errors.ClientError, match="is not found for API version"):
        client.models.generate_content(model="nothing", contents="Say hi.")
    with client_of(fleet, "AIza-other") as stranger, pytest.raises(errors.ClientError, match="API key not valid"):
        say(stranger)


def test_the_journal_knows_no_key(fleet: FleetThread, client: genai.Client) -> None:
    say(client)
    assert all(KEY not in value for each in fleet.attempts() for _, value in each.request_headers)
    assert {"sha256" in value for name, value in fleet.attempts()[-1].request_headers if name == "x-goog-api-key"} == {
        True
    }
