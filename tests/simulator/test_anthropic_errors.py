"""Errors, ids and rate limits in Anthropic's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from routeproof_simulator.allowance import Allowance, Standing
from routeproof_simulator.script import Head, head_of
from routeproof_spec.history import first_header
from tests.simulator.asking import tree_of
from tests.simulator.asking_anthropic import ANTHROPIC, answer, body, events, request


def test_the_error_bears_the_id_that_the_header_bears() -> None:
    def header(script: Any, name: str) -> str | None:
        head = head_of(script)
        assert head is not None
        return first_header(head.headers, name)

    refused = answer(request(b"{"))
    assert (header(refused.script, "request-id") or "").startswith("req_01")
    assert tree_of(refused.script)["request_id"] == header(refused.script, "request-id")
    assert header(refused.script, "x-should-retry") == "false"
    good = answer(request(body()))
    assert good.voice is not None
    assert json.loads(good.voice.error(529, None, None)) == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded"},
        "request_id": header(good.script, "request-id"),
    }
    assert (header(good.script, "anthropic-organization-id") or "").count("-") == 4
    assert header(good.script, "x-should-retry") is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (409, "conflict_error"),
        (413, "request_too_large"),
        (418, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (503, "api_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
def test_every_status_has_its_type_of_error(status: int, kind: str) -> None:
    told = json.loads(ANTHROPIC.error(status, None, None))
    assert (told["type"], told["error"]["type"], told["request_id"]) == ("error", kind, None)
    assert told["error"]["message"]
    worded = json.loads(ANTHROPIC.error(status, "As told.", "a_code"))["error"]
    assert worded == {"type": kind, "message": "As told.", "details": {"error_code": "a_code"}}


def test_an_error_in_a_stream_is_an_event_of_its_own() -> None:
    (told,) = events(ANTHROPIC.stream_error("Halfway.", None))
    assert told == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Halfway."},
        "request_id": None,
    }


def test_rate_limits_are_told_with_resets_as_times() -> None:
    requests = Allowance(limit=50, remaining=49, reset=0.2)
    tokens = Allowance(limit=20_000, remaining=0, reset=60.0)
    told = dict(ANTHROPIC.rate_limit_headers(Standing(requests=requests, tokens=tokens), now=1_700_000_000))
    assert {name: told[f"anthropic-ratelimit-requests-{name}"] for name in ("limit", "remaining", "reset")} == {
        "limit": "50",
        "remaining": "49",
        "reset": "2023-11-14T22:13:21Z",
    }
    for kind in ("tokens", "input-tokens", "output-tokens"):
        assert told[f"anthropic-ratelimit-{kind}-limit"] == "20000"
        assert told[f"anthropic-ratelimit-{kind}-remaining"] == "0"
        assert told[f"anthropic-ratelimit-{kind}-reset"] == "2023-11-14T22:14:20Z"
    assert len(told) == 12
    assert ANTHROPIC.rate_limit_headers(Standing(), now=0) == ()


def test_what_is_no_request_is_answered_in_anthropics_shape() -> None:
    script = ANTHROPIC.refuse(413, "Too long.", created=1)
    head = script[0]
    assert isinstance(head, Head)
    assert (head.status, tree_of(script)["error"]["type"]) == (413, "request_too_large")
    assert first_header(head.headers, "connection") == "close"
