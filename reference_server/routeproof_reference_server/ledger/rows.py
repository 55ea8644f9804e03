"""Requests as rows of the ledger. Pure.

A request is written once: when its answer is complete, before its last byte goes out, or else when it is over. What it
is billed is said by `limits/bill.py`.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from routeproof_reference_server.limits.bill import bill
from routeproof_reference_server.records import AttemptEnd, RequestRecord

REFUSED: Final = "refused"  # before any attempt was made

AttemptRow = tuple[str, int, str, str, str, int | None, float, float]


class RequestRow(Struct, frozen=True):
    """One request; its fields are the columns of the table, in order."""

    id: str
    key: str  # its name
    began: float  #: Unix seconds
    seconds: float  # until it was written
    operation: str
    model: str  # as the client asked for it
    strategy: str
    status: int | None  # None: the client left before there was one
    error: str | None  # the code that the client was told
    end: str  # how its last attempt ended (`AttemptEnd`), or that there was none
    provider: str | None  # who was tried last
    served_model: str | None
    prompt_tokens: int
    completion_tokens: int
    cost: int  #: pico-USD


def rows_of(request: RequestRecord, *, now: float, at: float) -> tuple[RequestRow, list[AttemptRow]] | None:
    """Return *request* and its attempts, or None where nobody is accountable for it: no valid key was shown.

    *now* is Trio's clock, *at* the Unix time of the same moment.
    """
    caller, body = request.caller, request.body
    if caller is None or body is None or request.operation is None:
        return None
    attempts = request.attempts
    last = attempts[-1] if attempts else None
    is_served = last is not None and last.end is AttemptEnd.SERVED
    billed = bill(request)
    began = at - (now - request.began)
    row = RequestRow(
        id=request.id,
        key=caller.key,
        began=began,
        seconds=now - request.began,
        operation=request.operation,
        model=body.model,
        strategy=request.strategy.value if request.strategy is not None else "",
        status=200 if is_served else request.status,
        error=request.error,
        end=REFUSED if last is None or last.end is None else last.end.value,
        provider=None if last is None else last.deployment.provider,
        served_model=last.deployment.model if last is not None and is_served else None,
        prompt_tokens=billed.prompt_tokens,
        completion_tokens=billed.completion_tokens,
        cost=billed.cost,
    )
    tried: list[AttemptRow] = [
        (
            request.id,
            index,
            each.deployment.provider,
            each.deployment.model,
            (each.end or AttemptEnd.LEFT).value,
            each.status,
            at - (now - each.began),
            each.seconds,
        )
        for index, each in enumerate(attempts)
    ]
    return row, tried
