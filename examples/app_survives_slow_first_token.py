"""An application that gives a provider one second for its first word, and then asks another one.

The SDK's own timeout is one of silence: a provider that sends its head and its role at once, or a comment now and then,
is never silent, and says nothing all the same. What a user waits for is the first content: that wants a deadline.

Run it: `python examples/app_survives_slow_first_token.py`. It needs `pip install routeproof openai` and no network.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from openai import AsyncOpenAI

from routeproof import FleetConfig, FleetThread, ProviderConfig, SteeredProvider, pace, ttft

FLEET = FleetConfig(
    providers=(
        ProviderConfig(name="alpha", key="sk-alpha", models=("gpt-4o",)),
        ProviderConfig(name="beta", key="sk-beta", models=("gpt-4o",)),
    )
)
FIRST_CONTENT_WITHIN = 1.0  #: seconds


async def answer(providers: list[SteeredProvider], question: str) -> str:
    """The application: it asks one provider after the other, until one begins to speak in time."""
    for provider in providers:
        try:
            return await streamed(provider, question)
        except TimeoutError:
            print(f"{provider.name}: no word within {FIRST_CONTENT_WITHIN:g} s")
    raise RuntimeError("no provider spoke in time")


async def streamed(provider: SteeredProvider, question: str) -> str:
    """Return the answer of *provider*; its first word has a deadline, what follows may take its time."""
    text = ""
    async with (
        AsyncOpenAI(base_url=provider.base_url, api_key=provider.key) as client,
        asyncio.timeout(FIRST_CONTENT_WITHIN) as deadline,
    ):
        stream = await client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": question}], stream=True
        )
        async with aclosing(stream):
            async for chunk in stream:
                said = "".join(choice.delta.content or "" for choice in chunk.choices)
                if said and not text:
                    deadline.reschedule(None)
                text += said
    return text


def main() -> None:
    """Let alpha send its head at once and its first word in half a minute; let beta speak slowly, but at once."""
    with FleetThread(FLEET) as fleet:
        alpha, beta = fleet["alpha"], fleet["beta"]
        alpha.behave(ttft(30))
        beta.behave(pace(15))
        print(asyncio.run(answer([alpha, beta], "Say hello.")))

        # Whoever gives up hangs up: alpha felt it, and nobody pays for an answer that nobody reads.
        assert alpha.wait_idle().cancelled_within(FIRST_CONTENT_WITHIN + 0.5), alpha.seen
        assert [each.ended for each in beta.wait_idle()] == ["complete"], beta.seen


if __name__ == "__main__":
    main()
