"""What becomes of a request does not depend on the API in which its provider fails: each fault, behind each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import httpx2
import pytest

from routeproof_simulator import Behaviour
from routeproof_simulator.behaviours import (
    answer,
    bad_json,
    cut,
    drip,
    empty,
    empty_completion,
    error_in_200,
    fail,
    gzip,
    no_done,
    no_finish,
    no_usage,
    only_comments,
    refusal,
    reset,
    schema_drift,
    slicer,
    stall,
    stream_error,
    wrong_content_type,
)
from routeproof_spec.sse import DONE, SSEDecoder
from tests.end_to_end.mixed import APIS, MODEL
from tests.end_to_end.stack import KEY, Stack

pytestmark = pytest.mark.end_to_end

BREATH = 0.02  #: seconds between the last good event and what breaks a stream, so that it has gone out
EVENTS = 9  # of a stream: some text has come, and not all

ANY: Mapping[str, Behaviour] = {
    **{str(status): fail(status) for status in (401, 403, 404, 408, 429, 500, 502, 503, 529)},
    "HTML with 502": fail(502, body="<html>Bad gateway</html>", content_type="text/html"),
    "reset before the head": reset(before="headers"),
    "reset after the head": reset(frames=0),
    "silent": stall(before="headers"),
    "silent after the head": stall(frames=0),
    "labelled as a page": wrong_content_type("text/html"),
    "no body": empty(),
    "words": answer("Hello!"),
    "an error in a 200": error_in_200(),
    "broken JSON": bad_json(),
    "dripping": drip(0.1),
}
BEFORE_THE_FIRST_TOKEN: Mapping[str, Behaviour] = {
    "comments alone": only_comments(0.05),
    "cut before content": cut(before="content"),
    "reset before content": reset(before="content"),
    "stalled before content": stall(before="content"),
    "an error first": stream_error(0),
    "nothing but an end": cut(bytes=20),
}
IN_THE_ANSWER: Mapping[str, Behaviour] = {
    "cut in the body": cut(bytes=20),
    "reset in the body": reset(bytes=20),
    "stalled in the body": stall(bytes=20),
}


def after_text(behaviour: Behaviour) -> Behaviour:
    return stall(before="finish", seconds=BREATH) | behaviour


BROKEN: Mapping[str, Behaviour] = {
    "cut": after_text(cut(before="finish")),
    "reset": after_text(reset(before="finish")),
    "stalled": after_text(stall(before="finish")),
    "an error": stall(frames=EVENTS - 1, seconds=BREATH) | stream_error(EVENTS),
    "broken JSON": stall(frames=EVENTS, seconds=BREATH) | bad_json(EVENTS),
    "no finish reason": after_text(no_finish()),
}
GOOD: Mapping[str, Behaviour] = {
    "a byte at a time": slicer(1),
    "compressed": gzip(),
    "newer than this": schema_drift("unknown_field"),
    "null for what is absent": schema_drift("null_for_absent"),
    "nothing to say": empty_completion(),
    "uncounted": no_usage(),
    "refusing": refusal(),
}


@pytest.fixture
def client(mixed: Stack) -> Iterator[httpx2.Client]:
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx2.Client(base_url=mixed.base_url, headers=headers, timeout=10.0, trust_env=False) as client:
        yield client


def asked(client: httpx2.Client, api: str, *, stream: bool, fallback: str = "") -> httpx2.Response:
    body = {"model": f"{api}/{MODEL}", "messages": [{"role": "user", "content": "Hello."}], "stream": stream}
    headers = {"x-inferoute-fallback": f"{fallback}/{MODEL}"} if fallback else {}
    return client.post("/chat/completions", json=body, headers=headers)


def events(response: httpx2.Response) -> list[str]:
    return [event.data for event in SSEDecoder().feed(response.content)]


def other(api: str) -> str:
    return APIS[(APIS.index(api) + 1) % len(APIS)]


def tried(mixed: Stack) -> list[str]:
    return [attempt.provider for api in APIS for attempt in mixed.fleet[api].seen.attempts]


CASES = [
    pytest.param(behaviour, stream, id=f"{name}-{'stream' if stream else 'whole'}")
    for faults, forms in ((ANY, (False, True)), (BEFORE_THE_FIRST_TOKEN, (True,)), (IN_THE_ANSWER, (False,)))
    for name, behaviour in faults.items()
    for stream in forms
]


@pytest.mark.parametrize(("behaviour", "stream"), CASES)
@pytest.mark.parametrize("api", APIS)
def test_a_failure_falls_back_where_asked_and_is_told_where_not(
    mixed: Stack, client: httpx2.Client, api: str, behaviour: Behaviour, stream: bool
) -> None:
    mixed.fleet[api].behave(behaviour)
    told = asked(client, api, stream=stream)
    is_limited = behaviour == ANY["429"]
    assert told.status_code == (429 if is_limited else 503)
    assert told.json()["error"]["type"] == ("rate_limit_error" if is_limited else "provider_error")
    helped = asked(client, api, stream=stream, fallback=other(api))
    assert (helped.status_code, helped.headers["x-inferoute-provider"]) == (200, other(api))
    assert not stream or events(helped)[-1] == DONE
    assert sorted(tried(mixed)) == sorted([api, api, other(api)])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize("api", APIS)
def test_a_client_s_mistake_keeps_its_status_and_never_falls_back(
    mixed: Stack, client: httpx2.Client, api: str, status: int, stream: bool
) -> None:
    mixed.fleet[api].behave(fail(status, message="Too many tokens."))
    told = asked(client, api, stream=stream, fallback=other(api))
    assert (told.status_code, told.json()["error"]["message"]) == (status, "Too many tokens.")
    assert tried(mixed) == [api]


@pytest.mark.parametrize("behaviour", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("api", APIS)
def test_a_stream_that_breaks_ends_in_an_error_event_and_is_never_restarted(
    mixed: Stack, client: httpx2.Client, api: str, behaviour: Behaviour
) -> None:
    mixed.fleet[api].behave(behaviour)
    told = asked(client, api, stream=True, fallback=other(api))
    *_, last = events(told)
    assert told.status_code == 200
    assert '"provider_error"' in last
    assert DONE not in events(told)
    assert tried(mixed) == [api]


@pytest.mark.parametrize(("api", "is_whole"), [("openai", False), ("anthropic", False), ("gemini", True)])
def test_the_last_event_is_lacking_where_an_api_has_one(
    mixed: Stack, client: httpx2.Client, api: str, is_whole: bool
) -> None:
    mixed.fleet[api].behave(stall(before="done", seconds=BREATH) | no_done())
    assert (DONE in events(asked(client, api, stream=True))) is is_whole


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("behaviour", GOOD.values(), ids=GOOD)
@pytest.mark.parametrize("api", APIS)
def test_what_is_unusual_and_right_is_served(
    mixed: Stack, client: httpx2.Client, api: str, behaviour: Behaviour, stream: bool
) -> None:
    mixed.fleet[api].behave(behaviour)
    told = asked(client, api, stream=stream)
    assert told.status_code == 200
    if stream:
        assert events(told)[-1] == DONE
    else:
        assert told.json()["choices"][0]["finish_reason"] in ("stop", "content_filter")


def test_the_gateway_s_wrong_key_is_no_mistake_of_the_client_s(mixed: Stack, client: httpx2.Client) -> None:
    body = '{"error": {"code": 400, "message": "API key not valid.", "details": [{"reason": "API_KEY_INVALID"}]}}'
    mixed.fleet["gemini"].behave(fail(400, body=body))
    assert asked(client, "gemini", stream=False).status_code == 503
    assert asked(client, "gemini", stream=False, fallback="openai").status_code == 200


def test_a_wait_that_stands_in_the_body_is_handed_on(mixed: Stack, client: httpx2.Client) -> None:
    body = '{"error": {"code": 429, "message": "Later.", "details": [{"retryDelay": "6.5s"}]}}'
    mixed.fleet["gemini"].behave(fail(429, body=body))
    told = asked(client, "gemini", stream=True)
    assert (told.status_code, told.headers["retry-after"]) == (429, "7")
