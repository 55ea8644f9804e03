"""An application that streams, and must not show half an answer as if it were a whole one.

A stream can end too early in two ways. The connection breaks: the SDK raises. Or the stream ends in good order, only
without a finish reason: the SDK says nothing, and an application that does not look shows half an answer.

Run it: `python examples/app_survives_cut_stream.py`. It needs `pip install routeproof openai` and no network.
"""

from __future__ import annotations

from openai import APIConnectionError, OpenAI

from routeproof import FleetConfig, FleetThread, ProviderConfig, cut, first
from routeproof_simulator.behaviours import no_done, no_finish

FLEET = FleetConfig(providers=(ProviderConfig(name="alpha", key="sk-test", models=("gpt-4o",)),))
ATTEMPTS_MAX = 3


def answer(client: OpenAI, question: str) -> str:
    """The application: it asks again until an answer has come to its end."""
    for _ in range(ATTEMPTS_MAX):
        text, finish_reason = streamed(client, question)
        if finish_reason is not None:
            return text
    raise RuntimeError(f"no whole answer in {ATTEMPTS_MAX} attempts")


def streamed(client: OpenAI, question: str) -> tuple[str, str | None]:
    """Return what was streamed, and why it ended: None where nobody said so."""
    text, finish_reason = "", None
    try:
        with client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": question}], stream=True
        ) as stream:
            for chunk in stream:
                for choice in chunk.choices:
                    text += choice.delta.content or ""
                    finish_reason = choice.finish_reason or finish_reason
    except APIConnectionError:
        return text, None  # the SDK asks again before a stream has begun, never after
    return text, finish_reason


def main() -> None:
    """Cut the first stream after five events; let the second one end without a finish reason."""
    with FleetThread(FLEET) as fleet:
        alpha = fleet["alpha"]
        with OpenAI(base_url=alpha.base_url, api_key=alpha.key) as client:
            alpha.behave(first(1, cut(5)))
            print(answer(client, "Say hello."))
            assert [each.ended for each in alpha.seen] == ["cut", "complete"], alpha.seen

            fleet.clear()
            alpha.behave(first(1, no_finish() | no_done()))
            print(answer(client, "Say hello."))
            assert alpha.seen.statuses == (200, 200), alpha.seen


if __name__ == "__main__":
    main()
