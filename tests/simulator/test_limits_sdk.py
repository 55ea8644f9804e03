"""The official SDK believes a rate limit, waits as long as it is told, and passes."""

from __future__ import annotations

import openai
import pytest

from routeproof_simulator import FleetThread
from routeproof_simulator.behaviours import rate_limit
from tests.simulator.asking import FLEET, KEY


def test_a_retry_of_the_official_sdk_comes_when_it_was_told_to_and_passes() -> None:
    with FleetThread(FLEET) as fleet:
        fleet.set_behaviour("alpha", rate_limit(rpm=200, burst=0.3))  # room for one, and for the next in 0.3 s
        with openai.OpenAI(base_url=fleet.base_urls["alpha"], api_key=KEY, max_retries=1) as patient:
            for _ in range(2):
                patient.embeddings.create(model="text-embedding-3-small", input="hi")
            assert [each.status for each in fleet.attempts()] == [200, 429, 200]
            with pytest.raises(openai.RateLimitError) as refused:
                patient.with_options(max_retries=0).embeddings.create(model="text-embedding-3-small", input="hi")
        assert refused.value.code == "rate_limit_exceeded"
        assert refused.value.response.headers["x-ratelimit-remaining-requests"] == "0"
        assert 0 < int(refused.value.response.headers["retry-after-ms"]) <= 300
