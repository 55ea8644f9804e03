"""An application with the OpenAI SDK that must survive a rate limit: the provider refuses twice, then answers.

Run it: `python examples/app_survives_rate_limit.py`. It needs `pip install routeproof openai` and no network.
"""

from __future__ import annotations

from openai import OpenAI

from routeproof import FleetConfig, FleetThread, ProviderConfig, fail, first

FLEET = FleetConfig(providers=(ProviderConfig(name="alpha", key="sk-test", models=("gpt-4o",)),))


def greeting(base_url: str, key: str) -> str:
    """The application: it relies on the SDK to ask again, twice at most."""
    with OpenAI(base_url=base_url, api_key=key, max_retries=2) as client:
        answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Say hello."}])
    return answer.choices[0].message.content or ""


def main() -> None:
    """Ask while the provider is rate limited, and see what it saw."""
    with FleetThread(FLEET) as fleet:
        alpha = fleet["alpha"]

        # The first two attempts are refused. A real provider says how long to wait, and the SDK obeys up to a minute.
        alpha.behave(first(2, fail(429, retry_after=1)))
        print(greeting(alpha.base_url, alpha.key))

        # The application cannot tell how often the SDK asked: the provider can, and when.
        assert alpha.seen.statuses == (429, 429, 200), alpha.seen
        assert all(pause >= 1.0 for pause in alpha.seen.pauses()), alpha.seen.pauses()


if __name__ == "__main__":
    main()
