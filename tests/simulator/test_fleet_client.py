from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx2
import pytest
import trio

from routeproof_simulator import FleetClient, serving_fleet, spelling
from routeproof_simulator.algebra import Behaviour
from routeproof_simulator.behaviours import cut, fail, first, latency, ok
from routeproof_spec.errors import RouteproofError, TargetUnreachable
from routeproof_spec.history import Ended
from routeproof_spec.marker import in_text
from routeproof_spec.redaction import fingerprint
from tests.simulator.asking import FLEET, KEY, chat


def with_client(talk: Callable[[FleetClient, str], Awaitable[None]]) -> None:
    async def main() -> None:
        async with serving_fleet(FLEET) as running, FleetClient(running.control_url) as fleet:
            with trio.fail_after(10.0):
                await talk(fleet, running.base_urls["alpha"] + "/chat/completions")

    trio.run(main)


@pytest.mark.parametrize("behaviour", [ok, fail(429, retry_after=2.0) | latency(0.5), first(2, cut(before="done"))])
def test_what_the_client_sets_is_what_the_fleet_shows(behaviour: Behaviour) -> None:
    async def talk(fleet: FleetClient, url: str) -> None:
        del url
        await fleet.set_behaviour("alpha", behaviour)
        view = (await fleet.fleet()).providers[0]
        assert spelling.decode(view.behaviour, file="view") == behaviour

    with_client(talk)


def test_the_client_reads_attempts_with_their_keys_as_fingerprints() -> None:
    async def talk(fleet: FleetClient, url: str) -> None:
        async with httpx2.AsyncClient(trust_env=False) as client:
            told = chat(messages=[{"role": "user", "content": in_text("mine")}])
            await client.post(url, json=told, headers={"authorization": f"Bearer {KEY}"})
            await client.post(url, json=chat())
        (mine,) = await fleet.wait_idle("mine")
        assert (mine.provider, mine.status, mine.ended) == ("alpha", 200, Ended.COMPLETE)
        assert mine.header("authorization") == f"Bearer {fingerprint(KEY)}"
        assert [each.marker for each in await fleet.attempts()] == ["mine", None]
        await fleet.clear()
        assert await fleet.attempts() == ()

    with_client(talk)


def test_a_refusal_is_an_error_that_says_why() -> None:
    async def talk(fleet: FleetClient, url: str) -> None:
        del url
        with pytest.raises(RouteproofError, match="There is no such provider"):
            await fleet.set_behaviour("a/b", ok)
        with pytest.raises(RouteproofError, match="door"):
            await fleet.set_door("alpha", "ajar")

    with_client(talk)


def test_a_control_port_that_does_not_answer_is_named() -> None:
    async def main() -> None:
        async with FleetClient("http://127.0.0.1:9") as fleet:
            with pytest.raises(TargetUnreachable, match=r"127\.0\.0\.1:9 does not answer"):
                await fleet.heal()

    trio.run(main)
