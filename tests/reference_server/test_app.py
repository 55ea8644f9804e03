"""What the operations promise, seen by a client and by the providers behind."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import msgspec
import pytest
import trio

from routeproof_reference_server.errors import ECHO_CHARS_MAX, echoed
from routeproof_reference_server.limits.limiter import Limiter
from routeproof_simulator.world.clock import run_virtual
from routeproof_spec.contract import load_contract
from tests.reference_server.gateway import CONFIG, chat, events, failure, gateway
from tests.reference_server.scripted import (
    DONE,
    EMPTY,
    HI,
    ROLE,
    STOP,
    Reply,
    ScriptedProviders,
    chunk,
    streamed,
)

Client = httpx2.AsyncClient


def run(test: Callable[[Client, ScriptedProviders], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        async with gateway(**options) as (client, providers):
            await test(client, providers)

    run_virtual(main)


def test_a_whole_answer_is_the_providers_under_the_gateways_label() -> None:
    async def test(client: Client, providers: ScriptedProviders) -> None:
        response = await client.post("/chat/completions", json=chat())
        answer = response.json()
        assert answer.pop("id").startswith("chatcmpl-th-")
        assert answer == {
            "object": "chat.completion",
            "created": 1767225600,
            "model": "gpt-4o",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        }
        assert response.headers["x-inferoute-provider"] == "beta"
        assert response.headers["content-type"] == "application/json"
        assert int(response.headers["content-length"]) == len(response.content)
        assert providers.tried == ["beta"]

    run(test)


def test_a_stream_is_the_providers_under_the_gateways_label() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    last = chunk({}, choices=[], usage=usage, created=1)
    reply = streamed(b": wait\r\n\r\n", ROLE[:7], ROLE[7:], HI.replace(b"data: ", b"data:"), STOP, last, DONE)

    async def test(client: Client, _: ScriptedProviders) -> None:
        response = await client.post("/chat/completions", json=chat(stream=True))
        *chunks, done = [event.data for event in events(response.content)]
        assert done == "[DONE]"
        trees = [msgspec.json.decode(each) for each in chunks]
        constant = {(each["id"], each["model"], each["created"]) for each in trees}
        assert len(constant) == 1
        assert constant.pop()[0].startswith("chatcmpl-th-")
        assert [each["choices"] for each in trees] == [
            [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}],
            [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}],
            [{"index": 0, "delta": {}, "finish_reason": "stop"}],
            [],
        ]
        assert trees[-1]["usage"] == usage
        assert response.headers["content-type"] == "text/event-stream"

    run(test, replies={"beta": [reply]})


def test_every_piece_is_passed_on_when_it_comes() -> None:
    async def test(client: Client, _: ScriptedProviders) -> None:
        async with client.stream("POST", "/chat/completions", json=chat(stream=True)) as response:
            assert response.headers["x-inferoute-latency-ms"] == "1500"
            came = [(trio.current_time(), len(events(piece))) async for piece in response.aiter_bytes()]
        assert came == [(1.5, 1), (2.5, 1), (2.5, 1), (2.5, 1)]

    run(test, replies={"beta": [streamed(1.5, HI, 1.0, HI, STOP, DONE)]})


def test_a_role_alone_waits_for_the_first_content() -> None:
    async def test(client: Client, _: ScriptedProviders) -> None:
        async with client.stream("POST", "/chat/completions", json=chat(stream=True)) as response:
            assert response.headers["x-inferoute-latency-ms"] == "2500"
            came = [(trio.current_time(), len(events(piece))) async for piece in response.aiter_bytes()]
        assert came == [(2.5, 3), (2.5, 1), (2.5, 1)]

    run(test, replies={"beta": [streamed(1.5, ROLE, EMPTY, 1.0, HI, STOP, DONE)]})


def test_the_payload_reaches_the_provider_byte_for_byte_but_for_the_model() -> None:
    sent = b'{"temperature":1.0e0, "model":"gpt-4o","seed":123456789012345678901, "x":{"b":"\\u00e9"},"messages":'
    sent += b'[{"role":"user","content":"Hi. [[rp:abc]]"}]}'

    async def test(client: Client, providers: ScriptedProviders) -> None:
        headers = {"x-routeproof-marker": "abc", "cookie": "a=b", "openai-organization": "us"}
        response = await client.post("/chat/completions", content=sent, headers=headers)
        assert response.status_code == 200
        (seen,) = providers.seen
        assert seen.body == (
            b'{"temperature":1.0e0,"model":"gpt-4o-2024","seed":123456789012345678901,"x":{"b":"\\u00e9"},"messages":'
            b'[{"role":"user","content":"Hi. [[rp:abc]]"}]}'
        )
        assert dict(seen.headers) == {
            "host": "127.0.0.1:8702",
            "authorization": "Bearer sk-beta-local",
            "content-type": "application/json",
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": "routeproof",
            "content-length": str(len(seen.body)),
        }
        assert seen.path == "/v1/chat/completions"

    first, *rest = CONFIG.models
    deployments = tuple(msgspec.structs.replace(each, model="gpt-4o-2024") for each in first.deployments)
    models = (msgspec.structs.replace(first, deployments=deployments), *rest)
    run(test, config=msgspec.structs.replace(CONFIG, models=models))


def test_embeddings_pass_number_for_number() -> None:
    body = (
        b'{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,-2.50e-3]}],"model":"x","usage":{}}'
    )

    async def test(client: Client, providers: ScriptedProviders) -> None:
        response = await client.post("/embeddings", json={"model": "text-embedding-3-small", "input": "Hi."})
        assert response.content == body.replace(b'"x"', b'"text-embedding-3-small"')
        assert providers.seen[0].path == "/v1/embeddings"

    run(test, replies={"alpha": [Reply(body=[body])]})


def test_completions_have_their_own_ids_and_path() -> None:
    piece = b'data: {"id":"x","object":"text_completion","created":1,"model":"y","choices":[{"index":0,"text":"a",'

    async def test(client: Client, providers: ScriptedProviders) -> None:
        asked = {"model": "gpt-3.5-turbo-instruct", "prompt": "Once", "stream": True}
        response = await client.post("/completions", json=asked)
        first, _ = events(response.content)
        assert msgspec.json.decode(first.data)["id"].startswith("cmpl-th-")
        assert providers.seen[0].path == "/v1/completions"

    run(test, replies={"alpha": [streamed(piece + b'"finish_reason":"stop"}]}\n\n', DONE)]})


@pytest.mark.parametrize(
    ("model", "headers", "tried"),
    [
        ("gamma/gpt-4o", {}, "gamma"),
        ("gpt-4o-mini", {}, "alpha"),
        ("premium", {}, "beta"),
        ("auto", {}, "alpha"),
        (None, {"x-inferoute-strategy": "cost"}, "alpha"),
        ("gpt-4o", {"x-inferoute-strategy": "latency"}, "alpha"),
        ("gpt-4o", {"X-INFEROUTE-STRATEGY": "round-robin"}, "alpha"),
    ],
)
def test_name_and_strategy_choose_the_provider(model: str | None, headers: dict[str, str], tried: str) -> None:
    async def test(client: Client, providers: ScriptedProviders) -> None:
        response = await client.post("/chat/completions", json=chat(model), headers=headers)
        assert response.status_code == 200
        assert providers.tried == [tried]

    run(test)


REFUSALS: list[tuple[str, dict[str, Any], tuple[int, str, str]]] = [
    ("no JSON", {"content": b"{"}, (400, "invalid_request_error", "malformed_request")),
    ("no UTF-8", {"content": b'{"messages":"\xff"}'}, (400, "invalid_request_error", "malformed_request")),
    ("too deep", {"content": b"[" * 100_000}, (400, "invalid_request_error", "malformed_request")),
    ("nothing", {"content": b""}, (400, "invalid_request_error", "malformed_request")),
    ("no messages", {"json": {"model": "gpt-4o"}}, (400, "invalid_request_error", "malformed_request")),
    ("no model", {"json": chat(None)}, (400, "invalid_request_error", "malformed_request")),
    ("a wrong type", {"json": chat(temperature="hot")}, (400, "invalid_request_error", "malformed_request")),
    ("out of range", {"json": chat(temperature=3)}, (422, "invalid_request_error", "out_of_range")),
    ("both", {"json": chat(temperature=3, n="x")}, (400, "invalid_request_error", "malformed_request")),
    ("unknown model", {"json": chat("GPT-4o")}, (404, "not_found_error", "model_not_found")),
    ("wrong operation", {"json": chat("text-embedding-3-small")}, (404, "not_found_error", "model_not_found")),
    (
        "unknown fallback",
        {"json": chat(), "headers": {"x-inferoute-fallback": "gpt-4o-mini, nope"}},
        (404, "not_found_error", "model_not_found"),
    ),
    (
        "too long a fallback",
        {"json": chat(), "headers": {"x-inferoute-fallback": ",".join(map(str, range(17)))}},
        (400, "invalid_request_error", "malformed_request"),
    ),
    (
        "no strategy of these",
        {"json": chat(), "headers": {"x-inferoute-strategy": "Cost"}},
        (400, "invalid_request_error", "invalid_strategy"),
    ),
    (
        "an empty strategy",
        {"json": chat(), "headers": {"x-inferoute-strategy": ""}},
        (400, "invalid_request_error", "invalid_strategy"),
    ),
    ("too large", {"content": b" " * 10_485_761}, (413, "invalid_request_error", "payload_too_large")),
]


@pytest.mark.parametrize(("request_", "expected"), [pytest.param(*rest, id=id_) for id_, *rest in REFUSALS])
def test_a_clients_mistake_is_refused_and_never_sent(request_: dict[str, Any], expected: tuple[int, str, str]) -> None:
    async def test(client: Client, providers: ScriptedProviders) -> None:
        response = await client.post("/chat/completions", **request_)
        assert failure(response) == expected
        assert response.headers["content-type"] == "application/json"
        assert response.headers["x-inferoute-request-id"]
        assert "x-inferoute-provider" not in response.headers
        assert providers.seen == []

    run(test)


LONG = "y" * 100_000


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        (chat(LONG), "model"),
        (chat(temperature=LONG), "temperature"),
        (chat(logit_bias={LONG: "x"}), "logit_bias.yy"),
    ],
    ids=["an unknown model", "a wrong value", "a wrong value's name"],
)
def test_a_refusal_repeats_little_of_what_the_client_sent(asked: dict[str, Any], param: str) -> None:
    async def test(client: Client, _: ScriptedProviders) -> None:
        error = (await client.post("/chat/completions", json=asked)).json()["error"]
        assert error["param"].startswith(param)
        assert len(error["param"]) <= ECHO_CHARS_MAX
        assert "yy [...] " in error["message"]
        assert len(error["message"]) <= 3 * ECHO_CHARS_MAX

    run(test)


@pytest.mark.parametrize("length", [0, ECHO_CHARS_MAX, ECHO_CHARS_MAX + 1, 10 * ECHO_CHARS_MAX])
def test_an_echo_keeps_to_its_limit_and_both_ends(length: int) -> None:
    text = "".join(chr(ord("a") + each % 26) for each in range(length))
    found = echoed(text)
    assert len(found) <= ECHO_CHARS_MAX
    assert (found == text) == (length <= ECHO_CHARS_MAX)
    assert found[:90] == text[:90]
    assert found[-90:] == text[-90:]


def test_a_refusal_names_the_place() -> None:
    async def test(client: Client, _: ScriptedProviders) -> None:
        asked = chat()
        asked["messages"].append({"role": "user", "content": [{"type": "text"}]})
        response = await client.post("/chat/completions", json=asked)
        assert response.json()["error"] == {
            "type": "invalid_request_error",
            "message": 'messages[1].content[0]: "text" is a required property.',
            "code": "malformed_request",
            "param": "messages[1].content[0]",
        }

    run(test)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "th-local",
        "Basic th-local",
        "Bearer th-unknown",
        "Bearer th-local th-local",
        "Bearer th-local-expired",
        "Bearer th-local-revoked",
    ],
)
def test_no_valid_key_is_401_whatever_the_reason(authorization: str | None) -> None:
    async def test(client: Client, providers: ScriptedProviders) -> None:
        del client.headers["authorization"]
        headers = {"x-api-key": "th-local", **({} if authorization is None else {"authorization": authorization})}
        for response in (
            await client.post("/chat/completions", json=chat(), headers=headers),
            await client.get("/models", headers=headers),
        ):
            assert response.status_code == 401
            assert response.json()["error"] == {
                "type": "authentication_error",
                "message": "Invalid API key provided.",
                "code": "invalid_api_key",
            }
            assert response.headers["www-authenticate"].startswith("Bearer")
            assert response.headers["x-inferoute-request-id"]
        assert providers.seen == []

    run(test)


def test_the_scheme_has_no_case() -> None:
    async def test(client: Client, _: ScriptedProviders) -> None:
        assert (await client.get("/models", headers={"authorization": "bEARER th-local"})).status_code == 200

    run(test)


def test_a_restricted_key_reaches_nothing_else() -> None:
    async def test(client: Client, providers: ScriptedProviders) -> None:
        one_model = {"authorization": "Bearer th-local-one-model"}
        response = await client.post("/chat/completions", json=chat("gpt-4o-mini"), headers=one_model)
        assert failure(response) == (404, "not_found_error", "model_not_found")
        listed = (await client.get("/models", headers=one_model)).json()["data"]
        assert [each["id"] for each in listed] == ["gpt-4o", "alpha/gpt-4o", "beta/gpt-4o", "gamma/gpt-4o"]
        one_provider = {"authorization": "Bearer th-local-one-provider", "x-inferoute-fallback": "gpt-4o-mini"}
        await client.post("/chat/completions", json=chat(), headers=one_provider)
        assert providers.tried == ["alpha"]

    run(test)


def test_a_model_is_listed_and_described_alike() -> None:
    async def test(client: Client, _: ScriptedProviders) -> None:
        listed = (await client.get("/models")).json()
        assert listed["object"] == "list"
        for entry in listed["data"]:
            assert (await client.get(f"/models/{entry['id']}")).json() == entry
        assert failure(await client.get("/models/nope")) == (404, "not_found_error", "model_not_found")

    run(test)


@pytest.mark.parametrize("path", ["/", "/chat", "/chat/completions/", "//models", "/models//", "/models/"])
def test_an_unknown_path_is_404_in_the_envelope(path: str) -> None:
    async def test(client: Client, _: ScriptedProviders) -> None:
        response = await client.get(f"http://gateway.test/v1{path}")
        assert failure(response)[:2] == (404, "not_found_error")
        assert response.headers["x-inferoute-request-id"]

    run(test)


@pytest.mark.parametrize("model", ["a%0Ab", "%0A", "a/b", "a%2Fb", "%F1%87%86%A4"])
def test_any_text_is_the_id_of_a_model(model: str) -> None:
    async def main() -> None:
        async with gateway() as (client, _):
            unknown = await client.get(f"/models/{model}")
            assert failure(unknown)[0] == 404
            assert unknown.json()["error"]["param"] == "model"
            assert (await client.get(f"/models/{model}", headers={"authorization": ""})).status_code == 401

    run_virtual(main)


@pytest.mark.parametrize(
    ("method", "path", "allow"), [("GET", "/embeddings", "POST"), ("OPTIONS", "/models", "GET, HEAD")]
)
def test_a_wrong_method_is_405_and_names_the_right_one(method: str, path: str, allow: str) -> None:
    async def test(client: Client, _: ScriptedProviders) -> None:
        response = await client.request(method, path)
        assert failure(response) == (405, "invalid_request_error", "method_not_allowed")
        assert response.headers["allow"] == allow

    run(test)


def test_request_ids_are_unique() -> None:
    async def test(client: Client, _: ScriptedProviders) -> None:
        ids = {(await client.get("/models")).headers["x-inferoute-request-id"] for _ in range(20)}
        assert len(ids) == 20

    run(test)


def test_a_fault_of_our_own_is_500_and_logged_under_the_request_id(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Limiter, "admit", broken)

    async def test(client: Client, providers: ScriptedProviders) -> None:
        response = await client.post("/chat/completions", json=chat())
        assert failure(response) == (500, "api_error", "internal_error")
        assert response.headers["x-inferoute-request-id"] in caplog.text
        assert "ZeroDivisionError" in caplog.text
        assert providers.seen == []

    with caplog.at_level(logging.ERROR):
        run(test)


def test_the_same_seed_gives_the_same_bytes() -> None:
    async def main() -> list[bytes]:
        async with gateway({"beta": [streamed(0.5, ROLE, HI, STOP, DONE)]}) as (client, _):
            responses = [await client.post("/chat/completions", json=chat(stream=True)) for _ in range(3)]
            return [bytes(str(each.headers), "ascii") + each.content for each in responses]

    assert run_virtual(main) == run_virtual(main)


def test_every_operation_of_the_contract_is_bound() -> None:
    async def test(client: Client, _: ScriptedProviders) -> None:
        for operation in load_contract().operations.values():
            path = operation.path.replace("{model}", "gpt-4o")
            response = await client.request(operation.method, path)
            assert response.status_code in {200, 400}

    run(test)


def test_the_content_type_of_a_request_is_not_asked_for() -> None:
    async def test(client: Client, _: ScriptedProviders) -> None:
        for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            content = msgspec.json.encode(chat())
            response = await client.post("/chat/completions", content=content, headers={"content-type": content_type})
            assert response.status_code == 200

    run(test)
