"""What a request is billed: the one number that limits, budgets and the ledger go by. Pure.

Rule 1. An answer is billed by the usage that its provider told.
Rule 2. Where none was told, it is billed for what was asked and for what was said, by an estimate: a token for every
        four bytes. So an answer is never free, and asking a stream for its usage makes it exact.
Rule 3. A stream that its client left is billed so too, for what was said until then.
Rule 4. What failed is not billed, before its first byte or after: neither a failed attempt, nor a stream that broke.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from routeproof_reference_server.limits.estimate import BYTES_PER_TOKEN, prompt_tokens
from routeproof_reference_server.limits.rules import cost
from routeproof_reference_server.operations.usage import tokens
from routeproof_reference_server.records import AttemptEnd, RequestRecord


class Bill(NamedTuple):
    """What a request has taken."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: int = 0  #: pico-USD, at the prices of who served

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.prompt_tokens + self.completion_tokens


NOTHING: Final = Bill()


def bill(request: RequestRecord) -> Bill:
    """Return what *request* is billed, by its last attempt."""
    if not request.attempts or request.body is None:
        return NOTHING
    attempt = request.attempts[-1]
    was_left = attempt.end is AttemptEnd.LEFT and attempt.first is not None
    if attempt.end is not AttemptEnd.SERVED and not was_left:
        return NOTHING
    told = tokens(attempt.usage)
    prompt = prompt_tokens(request.body.fields) if told.prompt_tokens is None else told.prompt_tokens
    said = -(-attempt.said // BYTES_PER_TOKEN)
    completion = said if told.completion_tokens is None else told.completion_tokens
    return Bill(prompt, completion, cost(attempt.deployment, prompt, completion))
