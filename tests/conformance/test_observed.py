import pytest

from routeproof_conformance.judge.outcome import NotTestable
from routeproof_conformance.observed import ErrorBody
from routeproof_spec.errors import Violation
from routeproof_spec.history import Ended
from tests.conformance.observing import ANSWER, SSE, attempt, observed

CHUNK = b'data: {"model":"m","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("status", "body", "ended", "is_ok"),
    [
        (200, ANSWER, Ended.COMPLETE, True),
        (200, ANSWER, Ended.CUT, False),
        (503, ANSWER, Ended.COMPLETE, False),
        (None, b"", Ended.RESET, False),
    ],
)
def test_whole_answer_is_ok_only_when_complete(status: int | None, body: bytes, ended: Ended, is_ok: bool) -> None:
    assert observed(status, body, ended=ended).ok is is_ok


@pytest.mark.parametrize(
    ("body", "is_ok"),
    [(CHUNK + DONE, True), (CHUNK, False), (CHUNK + b'data: {"error":{"message":"cut"}}\n\n', False), (b"", False)],
)
def test_stream_is_ok_only_with_done_and_without_error(body: bytes, is_ok: bool) -> None:
    assert observed(body=body, headers=SSE).ok is is_ok


def test_text_and_usage_are_the_same_words_whole_and_streamed() -> None:
    usage = b'data: {"model":"m","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}\n\n'
    whole, stream = observed(), observed(body=CHUNK + usage + DONE, headers=SSE)
    assert (whole.text, whole.usage, whole.model) == (stream.text, stream.usage, stream.model)
    assert whole.text == "Hi"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b"\xff", b"[" * 100_000])
def test_body_that_is_no_object_is_a_violation_and_its_parts_are_none(body: bytes) -> None:
    seen = observed(body=body)
    assert seen.at("choices", 0, "message") is None
    assert (seen.text, seen.usage, seen.model) == ("", None, None)
    with pytest.raises(Violation, match=r"chat\.response\.shape: expected a body that is a JSON object"):
        _ = seen.json
    with pytest.raises(Violation, match=r"expected a JSON body with error\.message"):
        _ = seen.error


def test_error_body_is_read() -> None:
    seen = observed(401, b'{"error":{"type":"t","message":"m","code":7}}')
    assert seen.error == ErrorBody(type="t", message="m", code="")


def test_stream_that_is_no_utf8_is_a_violation() -> None:
    with pytest.raises(Violation, match="expected an event stream"):
        _ = observed(body=b"data: \xff\n\n", headers=SSE).events


def test_events_bear_the_time_of_their_last_byte() -> None:
    assert [at for at, _ in observed(body=CHUNK + DONE, headers=SSE).timed_events] == [100.3, 100.3]


def test_provider_of_a_success_is_the_last_that_was_asked() -> None:
    seen = observed(attempts=[attempt("alpha", 503), attempt("beta")])
    assert (seen.providers, seen.first, seen.served_by) == (("alpha", "beta"), "alpha", "beta")
    assert observed(503, attempts=[attempt("alpha", 503)]).served_by is None


def test_journal_of_others_cannot_be_read() -> None:
    with pytest.raises(NotTestable, match="not ours"):
        _ = observed(attempts=None).attempts


def test_headers_go_by_role_or_by_name() -> None:
    seen = observed(headers=(("x-inferoute-provider", "alpha"), ("x-other", "1")))
    assert (seen.header("provider"), seen.header("X-Other"), seen.header("latency_ms")) == ("alpha", "1", None)
