"""What a model works for, and how a provider that is full says no."""

from __future__ import annotations

from routeproof_simulator.algebra import Situation
from routeproof_simulator.script import JSON, Head, Script, head_of, instead, with_head
from routeproof_spec.history import Headers


def is_served(script: Script, situation: Situation) -> bool:
    """Whether a model works for this answer: a success, asked with tokens or saying some.

    Refusals, lists of models and probes of health are answered without one: they are neither limited nor slow.
    """
    head = head_of(script)
    return head is not None and head.status == 200 and situation.tokens + situation.prompt_tokens > 0


def refused_at_once(
    script: Script, situation: Situation, status: int, *, message: str | None = None, headers: Headers = ()
) -> Script:
    """Return *script* answering with the dialect's error for *status*, with no wait before it.

    Whatever waits and turns stand before the head belong to the work, which is not begun.
    """
    at = next(index for index, op in enumerate(script) if isinstance(op, Head))
    body = situation.voice.error(status, message, None)
    return with_head(instead(script[at:], status, body, content_type=JSON), status, **dict(headers))
