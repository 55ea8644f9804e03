from __future__ import annotations

import time

import msgspec
import pytest
import trio

from routeproof_simulator.algebra import Behaviour
from routeproof_simulator.behaviours import cut, fail, ok, ttft
from routeproof_simulator.control import FleetView
from routeproof_simulator.control.steering import CHANGES_MAX
from routeproof_simulator.door_states import Door
from tests.simulator.desk import Desk, at_desk

KILL = {"door": "refused"}
FAIL = {"behaviour": [{"fail": {"status": 503}}]}


def test_the_fleet_is_shown_without_its_keys() -> None:
    async def talk(desk: Desk) -> None:
        desk.providers["beta"].set_behaviour(fail(503))
        answered = await desk.ask("GET", "/fleet")
        beta = msgspec.convert(answered.tree, FleetView).providers[1]
        assert (answered.status, beta.name, beta.base_url, beta.door) == (200, "beta", "http://beta/v1", Door.OPEN)
        assert (beta.behaviour, beta.configured) == ([{"fail": {"status": 503}}], [])
        assert (beta.says, beta.beyond) == ("fail(status=503)", "fail(status=503)")
        assert "sk-" not in str(answered.tree)

    at_desk(talk)


def test_a_behaviour_and_a_door_are_set_and_healed() -> None:
    async def talk(desk: Desk) -> None:
        alpha = desk.providers["alpha"]
        assert (
            await desk.ask("PUT", "/providers/alpha/behaviour", {"behaviour": {"cut": {"frames": 3}}})
        ).status == 200
        assert (await desk.ask("PUT", "/providers/alpha/door", {"door": "silent"})).status == 200
        assert (alpha.behaviour, alpha.door) == (cut(3), Door.SILENT)
        assert (await desk.ask("POST", "/heal")).status == 200
        assert (alpha.behaviour, alpha.door) == (ok, Door.OPEN)

    at_desk(talk)


WRONG: list[tuple[str, str, object, int, str | None, str | None]] = [
    ("PUT", "/providers/delta/behaviour", {"behaviour": []}, 404, "delta", "alpha, beta"),
    ("PUT", "/providers/alpha/behaviour", b"{", 400, None, "a JSON object"),
    ("PUT", "/providers/alpha/behaviour", b"[" * 100_000, 400, None, "a JSON object"),
    ("PUT", "/providers/alpha/behaviour", {"behavior": []}, 422, "an unknown key", "'behaviour'"),
    ("PUT", "/providers/alpha/behaviour", {"behaviour": [{"fial": {}}]}, 422, "'fial'", "'fail'"),
    ("PUT", "/providers/alpha/behaviour", {"behaviour": [], "ttl": -1}, 422, "-1", None),
    ("PUT", "/providers/alpha/behaviour", b'{"behaviour": [], "ttl": 1e999}', 400, None, "a JSON object"),
    ("PUT", "/providers/alpha/behaviour", [], 422, "[]", None),
    ("PUT", "/providers/alpha/behaviour", b"", 422, "nothing", "this key, which is required"),
    ("PUT", "/providers/alpha/door", {"door": "ajar"}, 422, None, None),
    ("PUT", "/providers/alpha/door", {"door": "tls_expired"}, 422, None, None),
    ("GET", "/journal?after=x", b"", 400, "x", "a sequence number, 0 or more"),
    ("GET", "/journal?mark=x", b"", 400, "mark", "marker, after, idle_within, format"),
    ("GET", "/journal?format=xml", b"", 400, "xml", "json or ndjson"),
    ("GET", "/fleet?" + "a=1&" * 40, b"", 400, "more", "at most 32 keys"),
    ("GET", "/fleet?all", b"", 400, "all", "no query"),
    ("POST", "/undo", b"", 409, "none", "a change before"),
    ("POST", "/undo", {"change": "last"}, 422, "'last'", None),
    ("DELETE", "/fleet", b"", 405, "DELETE", "GET"),
    ("PATCH", "/scenario", b"", 405, "PATCH", "GET or PUT or DELETE"),
    ("GET", "/nowhere", b"", 404, "/nowhere", None),
    ("PUT", "/providers/alpha/key", b"", 404, "/providers/alpha/key", None),
    ("PUT", "/providers//door", KILL, 404, "/providers//door", None),
]


@pytest.mark.parametrize(("method", "target", "body", "status", "found", "wanted"), WRONG)
def test_a_wrong_request_says_what_is_wanted_and_changes_nothing(
    method: str, target: str, body: object, status: int, found: str | None, wanted: str | None
) -> None:
    async def talk(desk: Desk) -> None:
        before = await desk.shown()
        answered = await desk.ask(method, target, body)
        assert answered.status == status
        assert found in (None, answered.error["found"])
        assert wanted in (None, answered.error["wanted"])
        assert answered.error["found"]
        assert answered.error["wanted"]
        assert await desk.shown() == before

    at_desk(talk)


def test_a_method_that_a_path_has_not_is_answered_with_those_that_it_has() -> None:
    async def talk(desk: Desk) -> None:
        assert (await desk.ask("POST", "/journal")).header("allow") == "GET, DELETE"

    at_desk(talk)


def test_after_its_time_a_behaviour_is_as_configured() -> None:
    async def talk(desk: Desk) -> None:
        shown = (await desk.ask("PUT", "/providers/alpha/behaviour", {**FAIL, "ttl": 10})).tree
        assert shown["behaviour_until"] == trio.current_time() + 10
        await trio.sleep(9.9)
        assert desk.providers["alpha"].behaviour == fail(503)
        await trio.sleep(0.2)
        assert desk.providers["alpha"].behaviour == ok

    at_desk(talk)


def test_after_its_time_a_door_opens_without_anybody_asking() -> None:
    class Keeper:
        """Somebody who stands at the door."""

        def __init__(self) -> None:
            self.changes: list[float] = []

        def changed(self) -> None:
            self.changes.append(trio.current_time())

        async def settled(self) -> None:
            await trio.lowlevel.checkpoint()

    async def talk(desk: Desk) -> None:
        began = trio.current_time()
        desk.providers["alpha"].doorkeeper = keeper = Keeper()
        await desk.ask("PUT", "/providers/alpha/door", {**KILL, "ttl": 30})
        await desk.ask("PUT", "/providers/alpha/door", {**KILL, "ttl": 10})
        await trio.sleep(60)
        seconds = [at - began for at in keeper.changes]
        assert seconds == [0.0, pytest.approx(10.0)], "the later word about the time stands"
        assert desk.providers["alpha"].door is Door.OPEN

    at_desk(talk)


def test_a_change_without_a_time_stands_until_it_is_healed() -> None:
    async def talk(desk: Desk) -> None:
        await desk.ask("PUT", "/providers/alpha/door", {**KILL, "ttl": 1})
        await desk.ask("PUT", "/providers/alpha/door", KILL)
        await desk.ask("PUT", "/providers/alpha/behaviour", FAIL)
        await trio.sleep(10**6)
        assert (desk.providers["alpha"].door, desk.providers["alpha"].behaviour) == (Door.REFUSED, fail(503))

    at_desk(talk)


def test_changes_are_undone_one_by_one_the_last_first() -> None:
    async def talk(desk: Desk) -> None:
        alpha = desk.providers["alpha"]
        await desk.ask("PUT", "/providers/alpha/behaviour", FAIL)
        await desk.ask("PUT", "/providers/alpha/behaviour", {"behaviour": {"ttft": {"seconds": 5}}})
        await desk.ask("PUT", "/providers/alpha/door", KILL)
        assert (await desk.ask("GET", "/fleet")).tree["undo"] == {"change": 3, "says": "alpha: door refused"}
        states: list[tuple[Behaviour, Door]] = []
        for _ in range(3):
            assert (await desk.ask("POST", "/undo")).status == 200
            states.append((alpha.behaviour, alpha.door))
        assert states == [(ttft(5.0), Door.OPEN), (fail(503), Door.OPEN), (ok, Door.OPEN)]
        assert (await desk.ask("POST", "/undo")).status == 409

    at_desk(talk)


def test_what_somebody_else_has_changed_since_is_not_undone() -> None:
    async def talk(desk: Desk) -> None:
        await desk.ask("PUT", "/providers/alpha/door", KILL)
        await desk.ask("PUT", "/providers/beta/behaviour", FAIL)
        answered = await desk.ask("POST", "/undo", {"change": 1})
        assert (answered.status, answered.error["wanted"]) == (409, "2 (beta: fail(status=503))")
        assert desk.providers["beta"].behaviour == fail(503)
        assert (await desk.ask("POST", "/undo", {"change": 2})).status == 200
        assert (desk.providers["alpha"].door, desk.providers["beta"].behaviour) == (Door.REFUSED, ok)

    at_desk(talk)


def test_a_heal_is_undone_but_not_what_has_had_its_time() -> None:
    async def talk(desk: Desk) -> None:
        await desk.ask("PUT", "/providers/alpha/behaviour", {**FAIL, "ttl": 10})
        await desk.ask("PUT", "/providers/beta/door", KILL)
        await desk.ask("POST", "/heal")
        await trio.sleep(11)
        await desk.ask("POST", "/undo")
        assert (desk.providers["alpha"].behaviour, desk.providers["beta"].door) == (ok, Door.REFUSED)

    at_desk(talk)


def test_what_changes_nothing_is_nothing_to_undo_and_old_changes_are_forgotten() -> None:
    async def talk(desk: Desk) -> None:
        await desk.ask("POST", "/heal")
        assert (await desk.ask("GET", "/fleet")).tree["undo"] is None
        for number in range(CHANGES_MAX + 3):
            await desk.ask("PUT", "/providers/alpha/behaviour", {"behaviour": {"ttft": {"seconds": number + 1}}})
        undone = 0
        while (await desk.ask("POST", "/undo")).status == 200:
            undone += 1
        assert (undone, desk.providers["alpha"].behaviour) == (CHANGES_MAX, ttft(3.0))

    at_desk(talk)


def test_real_time_has_nothing_to_do_with_it() -> None:
    async def talk(desk: Desk) -> None:
        await desk.ask("PUT", "/providers/alpha/door", {**KILL, "ttl": 7 * 86400})
        await trio.sleep(8 * 86400)
        assert desk.providers["alpha"].door is Door.OPEN

    began = time.monotonic()
    at_desk(talk)
    assert time.monotonic() - began < 30


def test_bytes_that_are_no_utf_8_are_refused_as_no_json() -> None:
    async def talk(desk: Desk) -> None:
        answered = await desk.ask("PUT", "/providers/alpha/behaviour", b'{"behaviour": "\xff"}')
        assert (answered.status, answered.error["message"]) == (400, "The body is not JSON.")

    at_desk(talk)


def test_a_number_beyond_all_floats_is_refused() -> None:
    async def talk(desk: Desk) -> None:
        body = b'{"behaviour": [{"cut": {"frames": %b}}]}' % (b"9" * 400)
        answered = await desk.ask("PUT", "/providers/alpha/behaviour", body)
        assert (answered.status, answered.error["key"]) == (422, "behaviour[0].cut.frames")

    at_desk(talk)


def test_to_clear_the_journal_is_to_begin_anew() -> None:
    async def talk(desk: Desk) -> None:
        desk.attempts(2)
        assert (await desk.ask("DELETE", "/journal")).status == 200
        desk.attempts(1)
        assert [each.index for each in desk.journal.attempts] == [0]

    at_desk(talk)
