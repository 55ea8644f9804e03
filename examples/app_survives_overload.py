"""An application with the Anthropic SDK that must survive an overload: status 529, and the same within a stream.

Before the answer has begun, the SDK asks again by itself. Once a stream has begun it cannot: the error is an event of
the stream then, under a status of 200, and whether to ask again is the application's to say.

Run it: `python examples/app_survives_overload.py`. It needs `pip install routeproof anthropic` and no network.
"""

from __future__ import annotations

from anthropic import Anthropic, APIStatusError

from routeproof import FleetConfig, FleetThread, ProviderConfig, fail, first
from routeproof_simulator.behaviours import stream_error

MODEL = "claude-sonnet-4-5"
FLEET = FleetConfig(providers=(ProviderConfig(name="alpha", key="sk-ant-test", dialect="anthropic", models=(MODEL,)),))
ATTEMPTS_MAX = 3


def answer(client: Anthropic, question: str) -> str:
    """The application: it streams, and asks again where the stream tells of an error that may pass."""
    for _ in range(ATTEMPTS_MAX):
        try:
            with client.messages.stream(
                model=MODEL, max_tokens=50, messages=[{"role": "user", "content": question}]
            ) as stream:
                return stream.get_final_text()
        except APIStatusError as error:
            if error.type != "overloaded_error":
                raise
            print("alpha: overloaded, asked again")
    raise RuntimeError(f"overloaded in {ATTEMPTS_MAX} attempts")


def main() -> None:
    """Overload the provider before its answer, then in the midst of one."""
    with FleetThread(FLEET) as fleet:
        alpha = fleet["alpha"]
        with Anthropic(base_url=alpha.base_url, api_key=alpha.key) as client:
            alpha.behave(first(1, fail(529)))
            print(answer(client, "Say hello."))
            assert alpha.seen.statuses == (529, 200), alpha.seen  # by the SDK's own doing

            fleet.clear()
            alpha.behave(first(1, stream_error(frames=4, code="overloaded_error")))
            print(answer(client, "Say hello."))
            assert alpha.seen.statuses == (200, 200), alpha.seen  # by ours


if __name__ == "__main__":
    main()
