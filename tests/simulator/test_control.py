from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import msgspec
import pytest
import trio
from trio.testing import MockClock

from routeproof_simulator import FleetClient, serving_fleet, spelling
from routeproof_simulator.algebra import Behaviour
from routeproof_simulator.behaviours import cut, fail, first, latency, ok
from routeproof_simulator.control import PAGE_ATTEMPTS_MAX, Control, FleetView, JournalPage
from routeproof_simulator.fleet import Fleet
from routeproof_simulator.provider import Door
from routeproof_simulator.received import Received
from routeproof_simulator.script import Head
from routeproof_spec.errors import RouteproofError, TargetUnreachable
from routeproof_spec.history import Ended
from routeproof_spec.marker import in_text
from routeproof_spec.redaction import fingerprint
from tests.simulator.asking import FLEET, KEY, body_of, chat, request


class Desk:
    """The control API of a fleet without sockets."""

    def __init__(self) -> None:
        self.fleet = Fleet(FLEET, now=lambda: 0.0)
        urls = {name: f"http://{name}/v1" for name in self.fleet.providers}
        self.control = Control(self.fleet.providers, self.fleet.journal, urls)

    def ask(self, method: str, target: str, body: object = None) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        script = self.control.respond(Received(method=method, target=target, headers=(), body=data, at=0.0)).script
        if callable(script):
            script = trio.run(script, clock=MockClock(autojump_threshold=0))
        head = script[0]
        assert isinstance(head, Head)
        return head.status, msgspec.json.decode(body_of(script))

    def attempts(self, count: int, marker: str = "m") -> None:
        for _ in range(count):
            told = chat(messages=[{"role": "user", "content": in_text(marker)}])
            self.fleet.providers["alpha"].respond(request(told)).entry.end(Ended.COMPLETE, 1.0)


def test_the_fleet_is_shown_without_its_keys() -> None:
    desk = Desk()
    desk.fleet.providers["beta"].set_behaviour(fail(503))
    status, tree = desk.ask("GET", "/fleet")
    beta = msgspec.convert(tree, FleetView).providers[1]
    assert (status, beta.name, beta.base_url, beta.door) == (200, "beta", "http://beta/v1", Door.OPEN)
    assert (beta.behaviour, beta.configured) == ([{"fail": {"status": 503}}], [])
    assert "sk-" not in str(tree)


def test_a_behaviour_and_a_door_are_set_and_healed() -> None:
    desk = Desk()
    alpha = desk.fleet.providers["alpha"]
    assert desk.ask("PUT", "/providers/alpha/behaviour", {"behaviour": {"cut": {"frames": 3}}})[0] == 200
    assert desk.ask("PUT", "/providers/alpha/door", {"door": "silent"})[0] == 200
    assert (alpha.behaviour, alpha.door) == (cut(3), Door.SILENT)
    assert desk.ask("POST", "/heal")[0] == 200
    assert (alpha.behaviour, alpha.door) == (ok, Door.OPEN)


WRONG: list[tuple[str, str, object, int, str | None, str | None]] = [
    ("PUT", "/providers/delta/behaviour", {"behaviour": []}, 404, "delta", "alpha, beta"),
    ("PUT", "/providers/alpha/behaviour", b"{", 400, None, "a JSON object"),
    ("PUT", "/providers/alpha/behaviour", {"behavior": []}, 422, "an unknown key", "'behaviour'"),
    ("PUT", "/providers/alpha/behaviour", {"behaviour": [{"fial": {}}]}, 422, "'fial'", "'fail'"),
    ("PUT", "/providers/alpha/behaviour", {"behaviour": [], "ttl": -1}, 422, "-1", None),
    ("PUT", "/providers/alpha/behaviour", [], 422, "[]", None),
    ("PUT", "/providers/alpha/door", {"door": "ajar"}, 422, None, None),
    ("GET", "/journal?after=x", None, 400, "x", "a sequence number, 0 or more"),
    ("GET", "/journal?mark=x", None, 400, "mark", "marker, after, idle_within"),
    ("DELETE", "/fleet", None, 405, "DELETE", "GET"),
    ("GET", "/nowhere", None, 404, "/nowhere", None),
]


@pytest.mark.parametrize(("method", "target", "body", "status", "found", "wanted"), WRONG)
def test_a_wrong_request_says_what_is_wanted_and_changes_nothing(
    method: str, target: str, body: object, status: int, found: str | None, wanted: str | None
) -> None:
    desk = Desk()
    before = desk.ask("GET", "/fleet")
    got, tree = desk.ask(method, target, body)
    assert got == status
    assert found in (None, tree["error"]["found"])
    assert wanted in (None, tree["error"]["wanted"])
    assert tree["error"]["found"]
    assert tree["error"]["wanted"]
    assert desk.ask("GET", "/fleet") == before


def test_the_journal_is_read_page_by_page() -> None:
    desk = Desk()
    desk.attempts(PAGE_ATTEMPTS_MAX + 3)
    desk.attempts(1, "other")
    first_page = msgspec.convert(desk.ask("GET", "/journal?marker=m")[1], JournalPage)
    rest = msgspec.convert(desk.ask("GET", f"/journal?marker=m&after={first_page.next}")[1], JournalPage)
    assert (len(first_page.attempts), first_page.more, first_page.open) == (PAGE_ATTEMPTS_MAX, True, 0)
    assert (len(rest.attempts), rest.more) == (3, False)
    assert [each.index for each in first_page.attempts + rest.attempts] == list(range(PAGE_ATTEMPTS_MAX + 3))
    assert desk.ask("DELETE", "/journal")[0] == 200
    assert desk.ask("GET", "/journal")[1]["attempts"] == []


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


def test_a_page_waits_until_the_attempts_of_a_marker_have_ended() -> None:
    desk = Desk()
    alpha = desk.fleet.providers["alpha"]
    told = (chat(messages=[{"role": "user", "content": in_text(each)}]) for each in ("ended", "open"))
    ended, still_open = (alpha.respond(request(each)).entry for each in told)
    ended.end(Ended.COMPLETE, 1.0)
    began = time.monotonic()
    assert desk.ask("GET", "/journal?marker=ended&idle_within=60")[1]["open"] == 0
    assert desk.ask("GET", "/journal?marker=open&idle_within=1")[1]["open"] == 1, "it shows what stands when time is up"
    still_open.end(Ended.COMPLETE, 2.0)
    assert desk.ask("GET", "/journal?idle_within=60")[1]["open"] == 0
    assert time.monotonic() - began < 30, "virtual time passed, not real time"


@pytest.mark.parametrize("within", ["-1", "61", "soon", "nan", ""])
def test_a_wait_that_is_no_bounded_number_of_seconds_is_refused(within: str) -> None:
    status, tree = Desk().ask("GET", f"/journal?idle_within={within}")
    assert (status, tree["error"]["wanted"]) == (400, "0 to 60 seconds")
