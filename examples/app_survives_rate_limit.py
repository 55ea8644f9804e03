"""An application with the OpenAI SDK that must survive a rate limit: the provider refuses twice, then answers.

Run it: `python examples/app_survives_rate_limit.py`. It needs `pip install routeproof openai` and no network.
"""

from __future__ import annotations

from openai import OpenAI

from routeproof import FleetConfig, FleetThread, fail, first
from routeproof_simulator import ProviderConfig

FLEET = FleetConfig(providers=(ProviderConfig(name="alpha", key="sk-test", models=("gpt-4o",)),))


def main() -> None:
    """Ask while the provider is rate limited, and show what it saw."""
    with FleetThread(FLEET) as fleet:
        fleet.set_behaviour("alpha", first(2, fail(429, retry_after=0)))
        with OpenAI(base_url=fleet.base_urls["alpha"], api_key="sk-test", max_retries=2) as client:
            answer = client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "Say hello."}]
            )
        print(answer.choices[0].message.content)
        seen = [attempt.status for attempt in fleet.attempts()]
    assert seen == [429, 429, 200], seen


if __name__ == "__main__":
    main()
