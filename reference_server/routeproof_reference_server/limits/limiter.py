"""Holds every key to its limits.

Rule 1. What is refused consumes nothing. A month that is used up (402) is told before a minute that is (429), for
        waiting does not help.
Rule 2. A request counts once, when it is admitted, whatever becomes of it.
Rule 3. Its tokens and its money are reserved by an estimate, and settled by what it is billed (`bill.py`).
Rule 4. Where no provider served, all that was reserved is given back. Where an answer broke, nothing is billed to the
        month, but the minute keeps the estimate: its tokens were made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, final

import msgspec

from routeproof_reference_server.errors import GatewayError
from routeproof_reference_server.headers import (
    RATELIMIT_LIMIT_REQUESTS,
    RATELIMIT_REMAINING_REQUESTS,
    RATELIMIT_RESET_REQUESTS,
    RETRY_AFTER,
)
from routeproof_reference_server.limits.bill import bill
from routeproof_reference_server.limits.estimate import estimate, max_tokens
from routeproof_reference_server.limits.month import Amount, Budget, month_of
from routeproof_reference_server.limits.rules import UNLIMITED, KeyLimits
from routeproof_reference_server.limits.seam import Measure, SlidingSum, Spent, Sums
from routeproof_reference_server.limits.window import Window
from routeproof_reference_server.records import AttemptEnd, AttemptRecord, RequestRecord
from routeproof_reference_server.routing.catalogue import Deployment

_BILLED: Final = frozenset({AttemptEnd.SERVED, AttemptEnd.LEFT})


@dataclass(slots=True)
class _Reservation:
    """What one request under way holds of its key's limits."""

    key: str
    amount: Amount
    slot: int  # of the window of tokens


@final
class Limiter:
    """The limits of all keys, of one gateway; an `Observer` that learns what became of what it admitted.

    *wall* is Unix time; *spent*, *elsewhere* and *sums* are where sums are kept (`seam.py`).
    """

    def __init__(
        self,
        wall: Callable[[], float],
        *,
        spent: Spent = lambda _key, _month: Amount(),
        elsewhere: Spent = lambda _key, _month: Amount(),
        sums: Sums = lambda _key, _measure, seconds: Window(seconds),
    ) -> None:
        self._wall = wall
        self._spent = spent
        self._elsewhere = elsewhere
        self._sums = sums
        self._sliding: dict[tuple[str, Measure], SlidingSum] = {}
        self._budgets: dict[str, Budget] = {}
        self._open: dict[str, _Reservation] = {}  # by the id of the request

    def admit(self, record: RequestRecord, deployments: Callable[[], Iterable[Deployment]], *, answers: bool) -> None:
        """Let the request pass, or raise `GatewayError` (402, 422, 429).

        *deployments* are those that may serve it; *answers*: it is answered in tokens.
        """
        caller, body = record.caller, record.body
        assert caller is not None
        assert body is not None
        limits, key, now = caller.limits, caller.key, self._wall()
        _check_answer(limits, body.fields)
        amount = Amount()
        if limits.reserves:
            amount = estimate(body.fields, deployments(), answers=answers, completion=limits.completion_estimate)
            self._check_month(key, limits, amount, now)
        requests = self._sum(key, Measure.REQUESTS, limits)
        used = self._sum(key, Measure.TOKENS, limits)
        refusals = [
            *_over(requests, Measure.REQUESTS, 1, limits.requests_per_minute, now),
            *_over(used, Measure.TOKENS, amount.tokens, limits.tokens_per_minute, now),
        ]
        if refusals:  # the longest wait is the true one
            wait, text = max(refusals)
            raise GatewayError("rate_limit_exceeded", text, headers={RETRY_AFTER: str(wait)})
        requests.add(1, now)
        if limits.reserves:
            self._budget(key, now).reserved += amount
            self._open[record.id] = _Reservation(key, amount, used.add(amount.tokens, now))

    def headers(self, key: str, limits: KeyLimits) -> dict[str, str]:
        """Return the headers that tell the holder of *key* where it stands."""
        now = self._wall()
        limit = limits.requests_per_minute
        if limit is None:
            told = UNLIMITED, UNLIMITED, math.ceil(now)
        else:
            window = self._sum(key, Measure.REQUESTS, limits)
            told = limit, max(0, limit - window.used(now)), math.ceil(window.empty_at(now))
        names = RATELIMIT_LIMIT_REQUESTS, RATELIMIT_REMAINING_REQUESTS, RATELIMIT_RESET_REQUESTS
        return dict(zip(names, map(str, told), strict=True))

    @property
    def reserved(self) -> Amount:
        """What requests under way hold, of all keys together."""
        return sum((held.amount for held in self._open.values()), Amount())

    def request_began(self, request: RequestRecord) -> None:
        """Nothing is known of it yet."""

    def attempt_began(self, request: RequestRecord, attempt: AttemptRecord) -> None:
        """Only how it ends matters."""

    def attempt_ended(self, request: RequestRecord, attempt: AttemptRecord) -> None:
        """Settle what *attempt* took, where its answer was served, or left in its midst."""
        if attempt.end not in _BILLED or attempt.first is None:
            return
        if (held := self._open.pop(request.id, None)) is not None:
            billed = bill(request)
            self._settle(held, Amount(billed.tokens, billed.cost), in_minute=billed.tokens)

    def request_ended(self, request: RequestRecord) -> None:
        """Give back what was reserved and not settled."""
        if (held := self._open.pop(request.id, None)) is not None:
            was_heard = request.served is not None  # an answer that broke
            self._settle(held, Amount(), in_minute=held.amount.tokens if was_heard else 0)

    def _settle(self, held: _Reservation, amount: Amount, *, in_minute: int) -> None:
        budget = self._budget(held.key, self._wall())
        budget.reserved -= held.amount
        budget.settled += amount
        self._sliding[held.key, Measure.TOKENS].correct(held.slot, in_minute - held.amount.tokens)

    def _check_month(self, key: str, limits: KeyLimits, amount: Amount, now: float) -> None:
        budget = self._budget(key, now)
        after = budget.settled + self._elsewhere(key, budget.month) + budget.reserved + amount
        for what, limit, wanted in (
            ("tokens", limits.tokens_per_month, after.tokens),
            ("spend", limits.spend_per_month, after.spend),
        ):
            if limit is not None and wanted > limit:
                raise GatewayError("usage_limit_exceeded", f"The key's limit of {what} a month is reached.")

    def _budget(self, key: str, now: float) -> Budget:
        month = month_of(now)
        if (budget := self._budgets.get(key)) is None:
            budget = self._budgets[key] = Budget(month, self._spent(key, month))
        budget.turn(month)
        return budget

    def _sum(self, key: str, measure: Measure, limits: KeyLimits) -> SlidingSum:
        found = self._sliding.get((key, measure))
        if found is None or found.seconds != limits.minute:
            found = self._sliding[key, measure] = self._sums(key, measure, limits.minute)
        return found


def _check_answer(limits: KeyLimits, fields: Mapping[str, msgspec.Raw]) -> None:
    bound = None if limits.max_tokens is None else max_tokens(fields)
    if limits.max_tokens is not None and bound is not None and bound[1] > limits.max_tokens:
        wanted = f"{bound[0]} is {bound[1]}; the key may ask for at most {limits.max_tokens}."
        raise GatewayError("out_of_range", wanted, param=bound[0])


def _over(used: SlidingSum, what: Measure, amount: int, limit: int | None, now: float) -> Iterator[tuple[int, str]]:
    """Yield how many seconds *amount* has to wait, and what its client is told, where it is over *limit*."""
    if limit is None or used.used(now) + amount <= limit:
        return
    wait = max(1, math.ceil(used.room_at(amount, limit, now) - now))
    if amount > limit:
        yield wait, f"The request needs about {amount} {what}, more than the key's limit of {limit} a minute."
    else:
        yield wait, f"The key's limit of {limit} {what} a minute is reached; ask again in {wait} seconds."
