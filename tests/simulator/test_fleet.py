"""The fleet on real sockets: doors, ports, resets, and the thread for callers outside trio."""

from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest
import trio

from routeproof_simulator import FleetClient, FleetThread, RunningFleet, load_fleet, serving_fleet
from routeproof_simulator.behaviours import cut, fail, latency, reset, stall
from routeproof_simulator.door_states import Door
from routeproof_simulator.fleet import THREE, Fleet, FleetConfig, ProviderConfig, check_fleet
from routeproof_spec.errors import ConfigError, RouteproofError
from routeproof_spec.history import Ended
from routeproof_spec.marker import in_text
from tests.simulator.asking import FLEET, KEY, chat, request

Talk = Callable[[RunningFleet, httpx2.AsyncClient], Awaitable[None]]


def with_fleet(talk: Talk, config: FleetConfig = FLEET) -> None:
    async def main() -> None:
        headers = {"authorization": f"Bearer {KEY}"}
        async with serving_fleet(config) as running, httpx2.AsyncClient(headers=headers, trust_env=False) as client:
            with trio.fail_after(10.0):
                await talk(running, client)

    trio.run(main)


def url(running: RunningFleet, provider: str = "alpha") -> str:
    return running.base_urls[provider] + "/chat/completions"


def marked(marker: str, **more: object) -> dict[str, object]:
    return chat(messages=[{"role": "user", "content": in_text(marker)}], **more)


def test_the_fleet_of_three_is_a_fleet() -> None:
    config = load_fleet()
    assert [each.name for each in config.providers] == ["alpha", "beta", "gamma"]
    assert len({each.key for each in config.providers}) == 3


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ('[[providers]]\nname = "a"', "providers[0].key: found nothing; wanted this key, which is required"),
        ('[[providers]]\nname = "a"\nkey = "k"\nmodel = "x"', "providers[0].model: found an unknown key"),
        ("providers = []", "providers: found none; wanted at least one provider"),
        ('[[providers]]\nname = "A b"\nkey = "k"', "providers[0].name: found 'A b'; wanted 1 to 63 of a to z"),
        (
            '[[providers]]\nname = "a"\nkey = "k"\n[[providers]]\nname = "a"\nkey = "k"',
            "providers[1].name: found 'a' again; wanted a name of its own",
        ),
        (
            '[[providers]]\nname = "a"\nkey = "k"\ndialect = "x"',
            "providers[0].dialect: found 'x'; wanted one of openai",
        ),
        ('[[providers]]\nname = "a"\nkey = "k"\nport = 70000', "providers[0].port: found 70000"),
        (
            '[[providers]]\nname = "a"\nkey = "k"\nport = 9\n[[providers]]\nname = "b"\nkey = "k"\nport = 9',
            "providers[1].port: found 9 again; wanted a port of its own, or 0: the system chooses",
        ),
        (
            'control_port = 9\n[[providers]]\nname = "a"\nkey = "k"\nport = 9',
            "providers[0].port: found 9 again; wanted a port of its own",
        ),
        (
            '[[providers]]\nname = "a"\nkey = "k"\nbehaviour = [{fail = {status = 1}}]',
            "providers[0].behaviour[0].fail.status: found 1; wanted at least 300, at most 599",
        ),
    ],
)
def test_a_wrong_fleet_names_the_place(tmp_path: Path, toml: str, sentence: str) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(toml)
    with pytest.raises(ConfigError) as caught:
        load_fleet(file)
    assert str(caught.value).startswith(f"{file}: {sentence}")


def test_chance_belongs_to_the_attempt_alone() -> None:
    """What else is in flight, and in which order, changes no draw."""
    spelled = [{"chance": {"p": 0.5, "behaviour": [{"fail": {"status": 503}}]}}]
    config = FleetConfig(providers=(ProviderConfig(name="alpha", key=KEY, behaviour=spelled),))

    def failing(markers: list[str]) -> set[str]:
        fleet = Fleet(config, now=lambda: 0.0)
        replies = {each: fleet.providers["alpha"].respond(request(marked(each))) for each in markers}
        return {each for each, reply in replies.items() if reply.entry.faults}

    markers = [f"m{index}" for index in range(40)]
    failed = failing(markers)
    assert failed == failing(markers[::-1])
    assert 5 < len(failed) < 35


def test_a_behaviour_reverts_when_its_time_is_over() -> None:
    now = [0.0]
    fleet = Fleet(FLEET, now=lambda: now[0])
    alpha = fleet.providers["alpha"]
    alpha.set_behaviour(fail(503), ttl=2.0)
    now[0] = 1.9
    assert alpha.behaviour == fail(503)
    now[0] = 2.0
    assert alpha.behaviour == alpha.configured


def test_each_provider_accepts_its_own_key_alone() -> None:
    async def talk(running: RunningFleet, client: httpx2.AsyncClient) -> None:
        assert (await client.post(url(running, "alpha"), json=chat())).status_code == 200
        assert (await client.post(url(running, "beta"), json=chat())).status_code == 401

    with_fleet(talk)


def test_a_refused_door_refuses_and_opens_again_on_the_same_port() -> None:
    async def talk(running: RunningFleet, client: httpx2.AsyncClient) -> None:
        async with FleetClient(running.control_url) as fleet:
            assert (await client.post(url(running), json=chat())).status_code == 200
            for _ in range(2):
                await fleet.set_door("alpha", "refused")
                with pytest.raises(httpx2.ConnectError):
                    await client.post(url(running), json=chat())
                assert (await client.post(url(running, "beta"), json=chat())).status_code == 401
                await fleet.set_door("alpha", Door.OPEN)
                assert (await client.post(url(running), json=chat())).status_code == 200

    with_fleet(talk)


def test_a_silent_door_accepts_and_never_answers() -> None:
    async def talk(running: RunningFleet, client: httpx2.AsyncClient) -> None:
        async with FleetClient(running.control_url) as fleet:
            await fleet.set_door("alpha", "silent")
            with pytest.raises(httpx2.ReadTimeout):
                await client.post(url(running), json=chat(), timeout=httpx2.Timeout(0.1, connect=5.0))
            assert await fleet.attempts() == ()
            await fleet.heal()
            assert (await client.post(url(running), json=chat())).status_code == 200

    with_fleet(talk)


def test_a_door_that_closes_ends_what_is_being_sent() -> None:
    async def talk(running: RunningFleet, client: httpx2.AsyncClient) -> None:
        async with FleetClient(running.control_url) as fleet:
            await fleet.set_behaviour("alpha", stall(1))
            async with client.stream("POST", url(running), json=marked("door", stream=True)) as response:
                lines = response.aiter_bytes()
                assert await anext(lines)
                await fleet.set_door("alpha", "refused")
                with pytest.raises(httpx2.RemoteProtocolError):
                    await anext(lines)
            (attempt,) = await fleet.wait_idle("door")
            assert attempt.ended is Ended.CUT

    with_fleet(talk)


def test_a_reset_is_a_reset_and_a_cut_an_early_end() -> None:
    async def talk(running: RunningFleet, client: httpx2.AsyncClient) -> None:
        async with FleetClient(running.control_url) as fleet:
            await fleet.set_behaviour("alpha", reset(before="headers"))
            with pytest.raises(httpx2.ReadError):
                await client.post(url(running), json=chat())
            await fleet.set_behaviour("alpha", cut(2))
            with pytest.raises(httpx2.RemoteProtocolError):
                await client.post(url(running), json=chat(stream=True))
            assert [each.ended for each in await fleet.attempts()] == [Ended.RESET, Ended.CUT]

    with_fleet(talk)


@pytest.mark.parametrize("before_headers", [True, False])
def test_a_client_that_leaves_is_felt_within_50_ms(before_headers: bool) -> None:
    async def talk(running: RunningFleet, client: httpx2.AsyncClient) -> None:
        async with FleetClient(running.control_url) as fleet:
            await fleet.set_behaviour("alpha", latency(60.0) if before_headers else stall(2))
            with trio.move_on_after(0.1):
                await client.post(url(running), json=marked("leaver", stream=True))
            left = time.monotonic()
            (attempt,) = await fleet.wait_idle("leaver")
            assert attempt.ended is Ended.LEFT
            assert attempt.peer_gone_at is not None
            assert attempt.peer_gone_at - left < 0.05

    with_fleet(talk)


def test_a_port_in_use_is_told_with_its_mend() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = FleetConfig(providers=(ProviderConfig(name="alpha", key=KEY, port=port),))
        with pytest.raises(RouteproofError) as caught, FleetThread(config):
            pass
    assert str(caught.value) == (
        f"port {port} of 127.0.0.1, meant for provider 'alpha', is in use: "
        "end the program that listens there, or set another port (0 lets the system choose)"
    )


def test_a_thread_serves_those_who_are_not_in_trio() -> None:
    with FleetThread(FLEET) as fleet:
        fleet.set_behaviour("alpha", fail(503))
        with httpx2.Client(headers={"authorization": f"Bearer {KEY}"}, trust_env=False) as client:
            target = fleet.base_urls["alpha"] + "/chat/completions"
            assert client.post(target, json=marked("sync")).status_code == 503
            fleet.heal()
            assert client.post(target, json=marked("sync")).status_code == 200
            fleet.set_door("alpha", Door.REFUSED)
            with pytest.raises(httpx2.ConnectError):
                client.post(target, json=chat())
        assert [each.status for each in fleet.attempts("sync")] == [503, 200]


def test_the_embedded_fleet_is_where_it_is_said_to_be() -> None:
    check_fleet(load_fleet(THREE), file=str(THREE))
    assert THREE.parent.name == "fleets"


def test_a_fleet_that_ends_by_itself_says_why() -> None:
    async def fails() -> None:
        raise ValueError("on purpose")

    fleet = FleetThread(FLEET)
    fleet.__enter__()
    fleet._call(lambda: trio.lowlevel.spawn_system_task(fails))  # pyright: ignore[reportPrivateUsage]
    fleet._thread.join()  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(trio.TrioInternalError):
        fleet.heal()
    with pytest.raises(trio.TrioInternalError):
        fleet.__exit__(None, None, None)
