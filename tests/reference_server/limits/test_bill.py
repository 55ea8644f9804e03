"""What a request is billed: by what was told, else by what was asked and said; never for a failure."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_reference_server.limits.bill import NOTHING, Bill, bill
from routeproof_reference_server.limits.estimate import estimate, prompt_tokens
from routeproof_reference_server.records import AttemptEnd, AttemptRecord, Observers, RequestRecord
from routeproof_reference_server.routing import Deployment
from routeproof_reference_server.validation import Body

PLACE = Deployment(model="m", provider="p", upstream_model="m", prompt_price=3, completion_price=5)
FIELDS = {"messages": msgspec.Raw(b'[{"role":"user","content":"Hello."}]')}  # 36 bytes, 9 tokens
ASKED = prompt_tokens(FIELDS)


def request(
    end: AttemptEnd | None, *, usage: bytes | None = None, said: int = 0, first: float | None = 1.0
) -> RequestRecord:
    attempt = AttemptRecord(
        deployment=PLACE,
        began=0.0,
        first=first,
        end=end,
        usage=None if usage is None else msgspec.Raw(usage),
        said=said,
    )
    body = Body(model="m", stream=True, fields=FIELDS)
    return RequestRecord(id="r", began=0.0, observer=Observers(), body=body, attempts=[attempt])


def billed(prompt: int, completion: int) -> Bill:
    return Bill(prompt, completion, 3 * prompt + 5 * completion)


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (request(AttemptEnd.SERVED, usage=b'{"prompt_tokens":7,"completion_tokens":2}', said=400), billed(7, 2)),
        (request(AttemptEnd.SERVED, usage=b'{"prompt_tokens":7}'), billed(7, 0)),  # an embedding
        (request(AttemptEnd.SERVED, said=400), billed(ASKED, 100)),
        (request(AttemptEnd.SERVED, said=1), billed(ASKED, 1)),
        (request(AttemptEnd.SERVED, usage=b'{"prompt_tokens":-1,"completion_tokens":2}', said=4), billed(ASKED, 1)),
        (request(AttemptEnd.SERVED, usage=b'{"prompt_tokens":1e99}', said=4), billed(ASKED, 1)),
        (request(AttemptEnd.SERVED, usage=b'"many"', said=4), billed(ASKED, 1)),
        (request(AttemptEnd.LEFT, said=400), billed(ASKED, 100)),
        (request(AttemptEnd.LEFT, first=None), NOTHING),  # before there was anything
        (request(AttemptEnd.BROKEN, said=400), NOTHING),
        (request(AttemptEnd.FAILED, first=None), NOTHING),
        (request(AttemptEnd.REJECTED, first=None), NOTHING),
        (request(None), NOTHING),  # it goes on
    ],
)
def test_a_request_is_billed_by_what_was_told_or_else_by_what_was_said(made: RequestRecord, wanted: Bill) -> None:
    assert bill(made) == wanted


@given(st.sampled_from(AttemptEnd), st.none() | st.binary(max_size=30), st.integers(0, 10**9), st.booleans())
def test_no_bill_is_negative_and_its_money_is_that_of_its_tokens(
    end: AttemptEnd, usage: bytes | None, said: int, began: bool
) -> None:
    found = bill(request(end, usage=usage, said=said, first=1.0 if began else None))
    assert min(found) >= 0
    assert found == billed(found.prompt_tokens, found.completion_tokens)
    assert found.tokens > 0 or end not in (AttemptEnd.SERVED, AttemptEnd.LEFT) or not began or usage is not None


@pytest.mark.parametrize(
    ("fields", "answers"),
    [
        ({}, 1),
        ({"n": b"3"}, 3),
        ({"n": b"2", "best_of": b"5"}, 5),
        ({"best_of": b"null"}, 1),
        ({"prompt": b'"one"'}, 1),
        ({"prompt": b'["one","two"]'}, 2),
        ({"prompt": b"[1,2,3]"}, 1),  # the tokens of one
        ({"prompt": b"[[1,2],[3]]", "n": b"2"}, 4),
        ({"prompt": b'{"id":"of a chat, which knows no such field"}'}, 1),
        ({"prompt": b'["one",{}]', "best_of": b'"all"', "n": b"2"}, 2),
    ],
)
def test_every_answer_that_a_request_makes_is_reserved(fields: dict[str, bytes], answers: int) -> None:
    raw = {name: msgspec.Raw(value) for name, value in fields.items()}
    found = estimate(raw, [PLACE], answers=True, completion=10)
    assert found.tokens == prompt_tokens(raw) + 10 * answers
