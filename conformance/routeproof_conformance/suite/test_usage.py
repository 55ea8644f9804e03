"""What was consumed, and who pays for it."""

from __future__ import annotations

import pytest

from routeproof_conformance.api import WHOLE, Ask, Expect, Form, Gateway

PARTS = ("prompt_tokens", "completion_tokens")


@pytest.mark.requirement("usage.total.sum")
@pytest.mark.parametrize("form", WHOLE, ids=str)
async def test_total_is_the_sum_of_its_parts(gateway: Gateway, expect: Expect, form: Form) -> None:
    """Every successful whole answer holds a `usage` whose `total_tokens` is the sum of its parts."""
    seen = await gateway.send(Ask(form=form))
    expect.success(seen)
    usage = seen.usage
    expect(usage is not None, expected="a usage in the answer", actual=seen.said)
    parts = [count for name in PARTS if isinstance(count := (usage or {}).get(name), int)]
    total = (usage or {}).get("total_tokens")
    expect(parts and total == sum(parts), expected=f"total_tokens {sum(parts)}", actual=usage)
