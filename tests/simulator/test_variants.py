"""Those who speak OpenAI's API in a manner of their own, as OpenAI's official SDK meets them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import openai
import pytest

from routeproof_simulator import FleetThread
from routeproof_simulator.allowance import Allowance, Standing
from routeproof_simulator.answers import Mark, read_stream
from routeproof_simulator.behaviours import fail, stream_error
from routeproof_simulator.dialects import DIALECTS, Answer, Call, Persona
from routeproof_simulator.dialects.vllm import MODEL_TOKENS_MAX
from routeproof_simulator.fleet import FleetConfig, ProviderConfig
from routeproof_simulator.received import Received, RequestHead
from routeproof_simulator.script import Head, Kind, Send
from routeproof_spec.history import Headers
from tests.simulator.asking import body_of, chat, chunks_of, tree_of

KEY = "key-of-the-variant"
VARIANTS = ("azure", "openrouter", "vllm", "vllm-nested")
CHAT = {
    "azure": "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
    "openrouter": "/api/v1/chat/completions",
    "vllm": "/v1/chat/completions",
    "vllm-nested": "/v1/chat/completions",
}
FLEET = FleetConfig(
    providers=tuple(
        ProviderConfig(name=each, key=KEY, models=("gpt-4o",), dialect=each, tokens=12) for each in VARIANTS
    )
)
SAFE = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}

variants = pytest.mark.parametrize("variant", VARIANTS)


def ask(
    variant: str,
    body: object = None,
    *,
    path: str | None = None,
    method: str = "POST",
    headers: Headers = (("authorization", f"Bearer {KEY}"),),
) -> Answer:
    persona = Persona(name="alpha", key=KEY, models=("gpt-4o",), seed="s", tokens=12)
    head = RequestHead(method=method, target=path or CHAT[variant], headers=headers)
    data = b"" if body is None else msgspec.json.encode(body)
    call = Call(request=Received(head=head, body=data, at=1.0), marker="m1", attempt=0, created=1_700_000_000)
    return DIALECTS[variant].answer(call, persona)


def status(answer: Answer) -> int:
    head = answer.script[0]
    assert isinstance(head, Head)
    return head.status


def names(answer: Answer) -> set[str]:
    head = answer.script[0]
    assert isinstance(head, Head)
    return {name for name, _ in head.headers}


@pytest.fixture(scope="module")
def fleet() -> Iterator[FleetThread]:
    with FleetThread(FLEET) as running:
        yield running


def client_of(fleet: FleetThread, variant: str, key: str = KEY) -> openai.OpenAI:
    url = fleet.base_urls[variant].removesuffix("/v1")
    if variant == "azure":
        return openai.AzureOpenAI(azure_endpoint=url, api_key=key, api_version="2024-10-21", max_retries=0)
    return openai.OpenAI(
        base_url=f"{url}/api/v1" if variant == "openrouter" else f"{url}/v1", api_key=key, max_retries=0
    )


def say(client: openai.OpenAI, model: str = "gpt-4o") -> str | None:
    answered = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}])
    return answered.choices[0].message.content


def stream(client: openai.OpenAI) -> str:
    chunks = client.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "hi"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


@variants
def test_the_sdk_reads_every_good_answer(fleet: FleetThread, variant: str) -> None:
    fleet.heal()
    with client_of(fleet, variant) as client:
        assert (say(client) or "").startswith(f"{variant}: é 漢 🚀")
        assert stream(client) == say(client)
        assert len(client.embeddings.create(model="gpt-4o", input="one", dimensions=8).data[0].embedding) == 8
        assert [each.id for each in client.models.list()] == ["gpt-4o"]
        assert client.completions.create(model="gpt-4o", prompt="Once").choices[0].text.startswith(f"{variant}:")


@variants
@pytest.mark.parametrize(
    ("code", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_every_failure_is_the_sdks_own_error(
    fleet: FleetThread, variant: str, code: int, error: type[openai.APIStatusError]
) -> None:
    fleet.set_behaviour(variant, fail(code, message="As told."))
    with client_of(fleet, variant) as client, pytest.raises(error) as caught:
        say(client)
    assert "As told." in caught.value.message or (code == 401 and variant.startswith("vllm"))


@variants
def test_wrong_keys_models_and_values_are_the_sdks_own_errors(fleet: FleetThread, variant: str) -> None:
    fleet.heal()
    with client_of(fleet, variant, "another") as stranger, pytest.raises(openai.AuthenticationError):
        say(stranger)
    with client_of(fleet, variant) as client:
        with pytest.raises(openai.NotFoundError):
            say(client, "nothing")
        with pytest.raises(openai.BadRequestError, match="temperature"):
            client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}], temperature=3)


@variants
def test_an_error_within_a_stream_is_one(variant: str) -> None:
    event = DIALECTS[variant].stream_error("Halfway.", None)
    assert read_stream(event).marks == (Mark.ERROR,)


@pytest.mark.parametrize("variant", ["azure", "openrouter", "vllm-nested"])
def test_the_sdk_raises_for_an_error_within_a_stream(fleet: FleetThread, variant: str) -> None:
    fleet.set_behaviour(variant, stream_error(4, message="Halfway."))
    with client_of(fleet, variant) as client, pytest.raises(openai.APIError, match="Halfway"):
        stream(client)


def test_the_sdk_takes_a_flat_error_within_a_stream_for_a_chunk(fleet: FleetThread) -> None:
    fleet.set_behaviour("vllm", stream_error(2, message="Halfway."))
    with client_of(fleet, "vllm") as client:
        chunks = client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        assert [chunk.to_dict()["object"] for chunk in chunks][-1] == "error"


@variants
def test_no_variant_shows_the_headers_of_openai(variant: str) -> None:
    assert not {name for name in names(ask(variant, chat())) if name.startswith("openai-")}


def test_azure_says_what_its_filters_found() -> None:
    tree = tree_of(ask("azure", chat(n=2)).script)
    assert tree["prompt_filter_results"] == [{"prompt_index": 0, "content_filter_results": SAFE}]
    assert [each["content_filter_results"] for each in tree["choices"]] == [SAFE, SAFE]
    first, *rest = chunks_of(body_of(ask("azure", chat(stream=True)).script))
    assert (first["choices"], first["prompt_filter_results"]) == ([], tree["prompt_filter_results"])
    assert [each["choices"][0]["content_filter_results"] for each in rest] == [SAFE] * len(rest)


def test_azure_names_the_request_and_the_region() -> None:
    assert {"apim-request-id", "x-request-id", "x-ms-region"} <= names(ask("azure", chat()))
    assert ask("azure", chat()).script == ask("azure", chat()).script


def test_a_deployment_is_asked_for_by_its_path() -> None:
    assert tree_of(ask("azure", chat(model="something else")).script)["model"] == "gpt-4o"
    assert tree_of(ask("azure", {"messages": chat()["messages"]}).script)["model"] == "gpt-4o"
    unknown = ask("azure", chat(), path="/openai/deployments/x/chat/completions?api-version=1")
    assert (status(unknown), tree_of(unknown.script)["error"]["code"]) == (404, "DeploymentNotFound")


def test_azure_wants_a_version_below_deployments_and_none_below_v1() -> None:
    assert status(ask("azure", chat(), path="/openai/deployments/gpt-4o/chat/completions")) == 404
    assert status(ask("azure", chat(), path="/openai/v1/chat/completions")) == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [((("api-key", KEY),), 200), ((("api-key", "other"),), 401), ((), 401)],
)
def test_azure_takes_its_own_header_for_a_key(headers: Headers, code: int) -> None:
    assert status(ask("azure", chat(), headers=headers)) == code


def error_of(variant: str, code: int, name: str | None = None) -> dict[str, Any]:
    return msgspec.json.decode(DIALECTS[variant].error(code, None, name), type=dict[str, Any])


def test_azures_gateway_and_its_models_word_errors_differently() -> None:
    assert error_of("azure", 429)["error"].keys() == {"code", "message"}
    assert error_of("azure", 429)["error"]["code"] == "429"
    assert error_of("azure", 400)["error"].keys() == {"message", "type", "param", "code"}
    filtered = error_of("azure", 400, "content_filter")["error"]
    assert (filtered["status"], filtered["innererror"]["code"]) == (400, "ResponsibleAIPolicyViolation")
    assert filtered["innererror"]["content_filter_result"]["violence"] == {"filtered": True, "severity": "medium"}


def test_azure_tells_in_milliseconds_when_to_try_again() -> None:
    standing = Standing(requests=Allowance(limit=60, remaining=0, reset=59.5), retry_after=0.4)
    assert dict(DIALECTS["azure"].rate_limit_headers(standing, now=0)) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "60",
        "retry-after-ms": "400",
    }


def test_vllm_words_errors_flat_and_later_nested() -> None:
    told = {"message": "The model does not exist.", "type": "NotFoundError", "param": None, "code": 404}
    assert error_of("vllm", 404) == {"object": "error", **told}
    assert error_of("vllm-nested", 404) == {"error": told}
    assert error_of("vllm", 401) == {"error": "Unauthorized"}


def test_vllm_needs_no_key_and_refuses_a_wrong_one() -> None:
    assert status(ask("vllm", chat(), headers=())) == 200
    assert status(ask("vllm", chat(), headers=(("authorization", "Bearer other"),))) == 401


def test_vllm_says_how_it_is_and_what_it_serves() -> None:
    health = ask("vllm", path="/health", method="GET", headers=())
    assert (status(health), body_of(health.script)) == (200, b"")
    assert tree_of(ask("vllm", path="/version", method="GET").script)["version"]
    (model,) = tree_of(ask("vllm", path="/v1/models", method="GET").script)["data"]
    assert (model["id"], model["owned_by"], model["max_model_len"]) == ("gpt-4o", "vllm", MODEL_TOKENS_MAX)


def test_vllm_has_fields_of_its_own() -> None:
    tree = tree_of(ask("vllm", chat()).script)
    assert (tree["prompt_logprobs"], tree["system_fingerprint"]) == (None, None)
    assert tree["choices"][0]["stop_reason"] is None
    chunks = chunks_of(body_of(ask("vllm", chat(stream=True)).script))
    assert all("system_fingerprint" not in each for each in chunks)
    assert all("stop_reason" in each["choices"][0] for each in chunks)


@pytest.mark.parametrize(("variant", "code"), [("azure", 400), ("openrouter", 200), ("vllm", 200)])
def test_unknown_fields_are_refused_where_the_provider_refuses_them(variant: str, code: int) -> None:
    assert status(ask(variant, chat(repetition_penalty=1.1))) == code


def test_openrouter_comments_while_it_waits_and_says_whom_it_asked() -> None:
    script = ask("openrouter", chat(stream=True)).script
    assert script[1] == Send(b": OPENROUTER PROCESSING\n\n", Kind.OTHER)
    chunks = chunks_of(body_of(script))
    assert {(each["provider"], each["id"][:4]) for each in chunks} == {("OpenAI", "gen-")}
    assert chunks[-1]["choices"][0]["native_finish_reason"] == "stop"
    assert tree_of(ask("openrouter", chat()).script)["provider"] == "OpenAI"


@variants
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"model": 1}'])
def test_any_body_gets_an_answer(variant: str, body: bytes) -> None:
    head = RequestHead(method="POST", target=CHAT[variant], headers=(("authorization", f"Bearer {KEY}"),))
    call = Call(request=Received(head=head, body=body, at=1.0), marker="", attempt=0, created=0)
    persona = Persona(name="alpha", key=KEY, models=(), seed="s", tokens=1)
    assert status(DIALECTS[variant].answer(call, persona)) == 400
