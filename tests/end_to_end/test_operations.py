"""Signals to a real process that is busy: it ends, and changes its configuration, and nobody loses an answer by it."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx2
import pytest
import trio

from routeproof import pace, stall
from routeproof_conformance.launch import free_port
from routeproof_simulator.fleet import load_fleet, on_free_ports
from routeproof_simulator.thread import FleetThread
from tests.end_to_end.operated import Operated, operated
from tests.end_to_end.stack import KEY, gateway_file

pytestmark = pytest.mark.end_to_end

CLIENTS = 12
SLOW = pace(60)  # an answer takes some tenths of a second
PROMPT = 5.0  #: seconds; far more than what is awaited takes
HEADERS = {"authorization": f"Bearer {KEY}"}
CODE = '"code":"shutting_down"'


@pytest.fixture
def providers() -> Iterator[FleetThread]:
    with FleetThread(on_free_ports(load_fleet())) as fleet:
        yield fleet


@pytest.fixture
def config(providers: FleetThread, tmp_path: Path) -> Path:
    return gateway_file(tmp_path, providers)


@pytest.fixture
def gateway(config: Path, tmp_path: Path) -> Iterator[Operated]:
    with operated(config, tmp_path / "log") as running:
        yield running


def asked(*, stream: bool, model: str = "gpt-4o") -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": "Say hi."}], "stream": stream}


async def ask(client: httpx2.AsyncClient, gateway: Operated, *, stream: bool) -> str:
    """Ask once and say what came of it, in a word."""
    try:
        answer = await client.post(f"{gateway.base_url}/chat/completions", json=asked(stream=stream))
    except httpx2.ConnectError:
        return "refused"
    if answer.status_code == 503:
        assert answer.headers["retry-after"]
        assert answer.json()["error"]["code"] == "shutting_down"
        return "told to come again"
    assert answer.status_code == 200
    if stream:
        assert CODE not in answer.text
        assert answer.text.endswith("data: [DONE]\n\n")
    else:
        assert answer.json()["choices"][0]["finish_reason"] == "stop"
    return "served"


def seen(providers: FleetThread, attempts: int) -> None:
    """Wait until the providers are at work on so many."""
    ends = time.monotonic() + PROMPT
    while len(providers.attempts()) < attempts:
        assert time.monotonic() < ends


@dataclass(slots=True)
class Crowd:
    """Clients that ask again at once, whatever they are told, until nobody listens."""

    gateway: Operated
    told: Counter[str] = field(default_factory=Counter[str])
    is_busy: trio.Event = field(default_factory=trio.Event)

    async def ask(self, *, stream: bool) -> None:
        async with httpx2.AsyncClient(headers=HEADERS, timeout=PROMPT, trust_env=False) as client:
            while self.told["refused"] < CLIENTS:
                word = await ask(client, self.gateway, stream=stream)
                self.told[word] += 1
                if self.told["served"] == 2 * CLIENTS:
                    self.is_busy.set()
                if word == "refused":
                    return


@pytest.mark.parametrize("delay", [0.0, 0.5])
def test_a_gateway_that_is_told_to_end_under_load_breaks_no_answer(
    config: Path, tmp_path: Path, providers: FleetThread, delay: float
) -> None:
    config.write_text(config.read_text().replace("drain_delay = 0.0", f"drain_delay = {delay}"))
    for name in providers.base_urls:
        providers.set_behaviour(name, SLOW)

    async def main(gateway: Operated) -> Counter[str]:
        crowd = Crowd(gateway)
        async with trio.open_nursery() as clients:
            for number in range(CLIENTS):
                clients.start_soon(partial(crowd.ask, stream=number % 2 == 0))
            await crowd.is_busy.wait()
            gateway.tell(signal.SIGTERM)
        return crowd.told

    with operated(config, tmp_path / "log") as gateway:
        told = trio.run(main, gateway)
        assert gateway.ended() == 0
    assert told["refused"] == CLIENTS
    ends = [line["text"] for line in gateway.log("drain")]
    assert ends[0].startswith("no more requests are taken")
    assert ends[1:] == ["the gateway has ended"]
    lines = gateway.log("request")
    assert sum(line["status"] == 200 for line in lines) == told["served"]
    assert {line.get("cut", False) for line in lines} == {False}


def test_what_does_not_end_in_time_is_cut_in_words(config: Path, tmp_path: Path, providers: FleetThread) -> None:
    config.write_text(config.read_text().replace("drain = 25.0", "drain = 0.5").replace("= 5.0", "= 60.0"))
    providers.set_behaviour("alpha", stall(before="headers"))
    providers.set_behaviour("beta", stall(before="finish"))
    answers: dict[bool, tuple[int, str]] = {}

    async def ask_for_ever(gateway: Operated, *, stream: bool) -> None:
        body = asked(stream=stream, model="beta/gpt-4o" if stream else "alpha/gpt-4o")
        async with httpx2.AsyncClient(headers=HEADERS, timeout=None, trust_env=False) as client:
            answer = await client.post(f"{gateway.base_url}/chat/completions", json=body)
            answers[stream] = answer.status_code, answer.text

    async def main(gateway: Operated) -> None:
        async with trio.open_nursery() as clients:
            for stream in (False, True):
                clients.start_soon(partial(ask_for_ever, gateway, stream=stream))
            await trio.to_thread.run_sync(seen, providers, 2)
            gateway.tell(signal.SIGTERM)

    with operated(config, tmp_path / "log") as gateway:
        trio.run(main, gateway)
        assert gateway.ended() == 0
    assert answers[False][0] == 503
    assert CODE in answers[False][1]
    status, body = answers[True]
    *pieces, last, nothing = body.split("\n\n")
    assert (status, nothing) == (200, "")
    assert "data: [DONE]" not in pieces
    assert last.startswith("data: ")
    assert CODE in last
    assert [line["text"] for line in gateway.log("drain")] == [
        "no more requests are taken; 2 under way get 0.5 seconds",
        "2 requests were cut, for they did not end in time",
        "the gateway has ended",
    ]
    lines = gateway.log("request")
    assert sorted((line["status"], line["error"], line["cut"]) for line in lines) == [
        (200, "shutting_down", True),
        (503, "shutting_down", True),
    ]


def without_tier(text: str, tier: str) -> str:
    """The configuration without an alias that clients may ask for."""
    assert f'tier = "{tier}"\n' in text
    return text.replace(f'tier = "{tier}"\n', "")


def logged(gateway: Operated, event: str, lines: int) -> list[str]:
    """Wait until the log has told so much of one kind."""
    ends = time.monotonic() + PROMPT
    while len(found := gateway.log(event)) < lines:
        assert time.monotonic() < ends
    return [line["text"] for line in found]


def test_a_changed_file_holds_for_new_requests_and_those_under_way_end_as_they_began(
    gateway: Operated, config: Path, providers: FleetThread
) -> None:
    providers.set_behaviour("beta", SLOW)
    config.write_text(
        without_tier(config.read_text(), "premium").replace("port = 8700", "port = 8711").replace('"beta"', '"delta"')
    )

    async def main() -> tuple[str, httpx2.Response, httpx2.Response]:
        async with httpx2.AsyncClient(headers=HEADERS, timeout=PROMPT, trust_env=False) as client:
            chat = f"{gateway.base_url}/chat/completions"
            body = asked(stream=True, model="premium")
            async with client.stream("POST", chat, json=body) as answer:
                gateway.tell(signal.SIGHUP)
                await trio.to_thread.run_sync(logged, gateway, "reload", 2)
                old = (await answer.aread()).decode()
            gone = await client.post(chat, json=asked(stream=False, model="premium"))
            return old, gone, await client.post(chat, json=asked(stream=False, model="delta/gpt-4o"))

    old, gone, new = trio.run(main)
    assert old.endswith("data: [DONE]\n\n")
    assert (gone.status_code, new.status_code) == (404, 200)
    assert logged(gateway, "reload", 2) == [
        "the new configuration holds; 1 requests end under the old one",
        "until the next start these stay as they were: server.port",
    ]


def test_a_wrong_file_changes_nothing_and_is_told_in_one_sentence(gateway: Operated, config: Path) -> None:
    config.write_text(config.read_text().replace("half_life = 10.0", 'half_life = "soon"'))
    gateway.tell(signal.SIGHUP)
    assert logged(gateway, "reload", 1) == [
        f"the configuration stays as it was: {config}: routing.half_life: found 'soon'; wanted float"
    ]
    with httpx2.Client(headers=HEADERS, trust_env=False) as client:
        assert client.post(f"{gateway.base_url}/chat/completions", json=asked(stream=False)).status_code == 200
        assert client.get(f"{gateway.root}/readyz").status_code == 200


def test_a_second_signal_ends_everything_at_once(gateway: Operated, providers: FleetThread) -> None:
    providers.set_behaviour("beta", stall(before="headers"))

    async def ask_for_ever() -> None:
        async with httpx2.AsyncClient(headers=HEADERS, timeout=None, trust_env=False) as client:
            with pytest.raises(httpx2.TransportError):
                await client.post(f"{gateway.base_url}/chat/completions", json=asked(stream=False))

    async def main() -> None:
        async with trio.open_nursery() as clients:
            clients.start_soon(ask_for_ever)
            await trio.to_thread.run_sync(seen, providers, 1)
            gateway.tell(signal.SIGTERM)
            await trio.to_thread.run_sync(logged, gateway, "drain", 1)
            gateway.tell(signal.SIGTERM)

    trio.run(main)
    assert gateway.ended() == 0


def test_metrics_are_on_a_port_of_their_own(config: Path, tmp_path: Path) -> None:
    port = free_port()
    config.write_text(config.read_text().replace("# port = 8790", f"port = {port}"))
    with operated(config, tmp_path / "log") as gateway, httpx2.Client(headers=HEADERS, trust_env=False) as client:
        assert client.post(f"{gateway.base_url}/chat/completions", json=asked(stream=False)).status_code == 200
        text = client.get(f"http://127.0.0.1:{port}/metrics").text
        assert 'routeproof_gateway_connections{state="idle"} 1.0' in text
        assert 'routeproof_gateway_breaker{model="gpt-4o",provider="beta",state="closed"} 1.0' in text
        assert client.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        assert client.get(f"{gateway.root}/metrics").status_code == 404
        assert client.get(f"http://127.0.0.1:{port}/v1/models").status_code == 404
