"""Wrong gateways that hold keys to the wrong limits, or tell them the wrong things."""

# A mutant reaches into what is private.
# pyright: reportPrivateUsage=false
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from routeproof_reference_server import headers
from routeproof_reference_server.errors import GatewayError
from routeproof_reference_server.limits import bill, limiter
from routeproof_reference_server.limits.limiter import Limiter
from routeproof_reference_server.limits.rules import KeyLimits
from routeproof_reference_server.limits.seam import Measure
from routeproof_reference_server.records import AttemptEnd, RequestRecord
from routeproof_reference_server.routing import Deployment
from tests.mutants.breaks import Break, _patch

_true_admit = Limiter.admit
_true_headers = Limiter.headers


def _admitting(change: Callable[[KeyLimits], KeyLimits]) -> None:
    """Let keys be held to other limits than they have."""

    def admit(
        self: Limiter, record: RequestRecord, deployments: Callable[[], Iterable[Deployment]], *, answers: bool
    ) -> None:
        assert record.caller is not None
        caller, record.caller = record.caller, replace(record.caller, limits=change(record.caller.limits))
        try:
            _true_admit(self, record, deployments, answers=answers)
        finally:
            record.caller = caller

    _patch(Limiter, "admit", admit)


def _refusing(change: Callable[[GatewayError], GatewayError]) -> None:
    """Let a refusal of the limits be another one."""

    def admit(self: Limiter, *args: Any, **more: Any) -> None:
        try:
            _true_admit(self, *args, **more)
        except GatewayError as error:
            raise change(error) from error

    _patch(Limiter, "admit", admit)


def _telling(change: Callable[[dict[str, str]], Mapping[str, str]]) -> None:
    """Let the headers say something else."""

    def told(self: Limiter, key: str, limits: KeyLimits) -> dict[str, str]:
        return dict(change(_true_headers(self, key, limits)))

    _patch(Limiter, "headers", told)


def _billing(change: Callable[[RequestRecord], bill.Bill | None]) -> None:
    """Let requests be billed otherwise, where *change* says how."""
    true_bill = bill.bill

    def billed(request: RequestRecord) -> bill.Bill:
        found = change(request)
        return true_bill(request) if found is None else found

    _patch(limiter, "bill", billed)


def counts_no_requests() -> None:
    """A key may ask as often as it likes."""
    _admitting(lambda limits: replace(limits, requests_per_minute=None))


def counts_no_tokens() -> None:
    """A key may use as many tokens a minute as it likes."""
    _admitting(lambda limits: replace(limits, tokens_per_minute=None))


def counts_no_stream() -> None:
    """A stream whose usage nobody asked for is free."""
    _billing(lambda request: bill.NOTHING if request.attempts[-1].usage is None else None)


def counts_nobody_who_leaves() -> None:
    """Who leaves a stream in its midst has used nothing."""
    _billing(lambda request: bill.NOTHING if request.attempts[-1].end is AttemptEnd.LEFT else None)


def counts_by_its_own_estimate() -> None:
    """A key is held to what its requests were thought to take, whatever they took."""
    _billing(lambda _: bill.Bill(prompt_tokens=3, completion_tokens=4))


def forgets_the_month() -> None:
    """A key may use as many tokens a month as it likes."""
    _admitting(lambda limits: replace(limits, tokens_per_month=None))


def counts_no_money() -> None:
    """A key may spend as much as it likes."""
    _admitting(lambda limits: replace(limits, spend_per_month=None))


def lets_any_answer_be_asked_for() -> None:
    """A key's largest answer is not looked at."""
    _admitting(lambda limits: replace(limits, max_tokens=None))


def counts_all_keys_together() -> None:
    """One key's requests use up another's."""
    true_sum = Limiter._sum
    few = 7

    def admit(
        self: Limiter, record: RequestRecord, deployments: Callable[[], Iterable[Deployment]], *, answers: bool
    ) -> None:
        assert record.caller is not None
        limits = record.caller.limits
        if (
            limits.requests_per_minute is None
            and true_sum(self, "few-requests", Measure.REQUESTS, limits).used(self._wall()) >= few
        ):
            raise GatewayError("rate_limit_exceeded", headers={headers.RETRY_AFTER: "1"})
        _true_admit(self, record, deployments, answers=answers)

    _patch(Limiter, "admit", admit)


def says_not_when_to_come_back() -> None:
    """A refusal bears no Retry-After."""
    _refusing(lambda error: GatewayError(error.row.name, error.message, param=error.param))


def says_to_come_back_too_early() -> None:
    """A refusal names a time at which it will be refused again."""
    _refusing(
        lambda error: (
            GatewayError(
                error.row.name, error.message, param=error.param, headers={**error.headers, headers.RETRY_AFTER: "0"}
            )
            if error.status == 429
            else error
        )
    )


def tells_another_limit() -> None:
    """The header names a limit that the key does not have."""
    _telling(lambda told: {**told, headers.RATELIMIT_LIMIT_REQUESTS: "60"})


def tells_always_the_same_is_left() -> None:
    """What is left never becomes less."""
    _telling(lambda told: {**told, headers.RATELIMIT_REMAINING_REQUESTS: told[headers.RATELIMIT_LIMIT_REQUESTS]})


def tells_the_reset_in_seconds() -> None:
    """The header says how long it takes, and not when it is."""
    _telling(lambda told: {**told, headers.RATELIMIT_RESET_REQUESTS: "4"})


LIMITS: Final = tuple(
    Break(requirement=requirement, apply=apply)
    for requirement, apply in (
        ("limits.requests.minute", counts_no_requests),
        ("limits.tokens.minute", counts_no_tokens),
        ("limits.tokens.streamed", counts_no_stream),
        ("limits.tokens.left", counts_nobody_who_leaves),
        ("usage.billing.follows", counts_by_its_own_estimate),
        ("limits.tokens.month", forgets_the_month),
        ("limits.spend.month", counts_no_money),
        ("limits.request.max_tokens", lets_any_answer_be_asked_for),
        ("limits.change.alone", counts_all_keys_together),
        ("limits.refusal.retry_after", says_not_when_to_come_back),
        ("limits.refusal.truthful", says_to_come_back_too_early),
        ("limits.header.limit", tells_another_limit),
        ("limits.header.remaining", tells_always_the_same_is_left),
        ("limits.header.reset", tells_the_reset_in_seconds),
    )
)
