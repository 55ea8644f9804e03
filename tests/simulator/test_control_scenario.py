from __future__ import annotations

import pytest
import trio

from routeproof_simulator.behaviours import fail, ok, ttft
from routeproof_simulator.door_states import Door
from tests.simulator.desk import Desk, at_desk

OUTAGE = {
    "fault": [
        {"at": 5, "for": 10, "providers": ["alpha"], "behaviour": [{"fail": {"status": 503}}]},
        {"at": 8, "for": 4, "providers": ["beta"], "door": "refused"},
    ]
}


def test_a_scenario_sets_all_providers_at_once_and_those_it_does_not_name_as_configured() -> None:
    async def talk(desk: Desk) -> None:
        await desk.ask("PUT", "/providers/beta/behaviour", {"behaviour": {"fail": {"status": 500}}})
        answered = await desk.ask(
            "PUT", "/scenario", {"providers": {"alpha": {"behaviour": {"ttft": {"seconds": 5}}, "door": "silent"}}}
        )
        assert answered.tree["providers"] == {
            "alpha": {"behaviour": [{"ttft": {"seconds": 5.0}}], "door": "silent"},
            "beta": {"behaviour": [], "door": "open"},
        }
        assert (desk.providers["alpha"].behaviour, desk.providers["alpha"].door) == (ttft(5.0), Door.SILENT)
        assert desk.providers["beta"].behaviour == ok

    at_desk(talk)


def test_what_is_shown_of_a_scenario_can_be_set_again() -> None:
    async def talk(desk: Desk) -> None:
        await desk.ask("PUT", "/scenario", {"providers": {"alpha": {"door": "refused"}, "beta": {"door": "silent"}}})
        shown = await desk.shown()
        await desk.ask("DELETE", "/scenario")
        assert await desk.shown() != shown
        assert (await desk.ask("PUT", "/scenario", {"providers": shown["providers"]})).status == 200
        assert await desk.shown() == shown

    at_desk(talk)


def test_after_its_time_a_scenario_has_left_nothing_broken() -> None:
    async def talk(desk: Desk) -> None:
        cast = {"alpha": {"door": "refused"}, "beta": {"behaviour": {"fail": {"status": 500}}}}
        await desk.ask("PUT", "/scenario", {"providers": cast, "ttl": 60, **OUTAGE})
        assert desk.providers["alpha"].door is Door.REFUSED
        await trio.sleep(61)
        assert {(each.behaviour, each.door) for each in desk.providers.values()} == {(ok, Door.OPEN)}
        assert (await desk.ask("GET", "/scenario")).tree["schedule"] is None

    at_desk(talk)


def test_a_schedule_plays_as_fast_as_is_said_and_shows_what_is_next() -> None:
    async def talk(desk: Desk) -> None:
        alpha, beta = desk.providers.values()
        answered = await desk.ask("PUT", "/scenario", {**OUTAGE, "scale": 10, "seed": 7})
        assert answered.tree["schedule"] | {"elapsed": 0} == {
            "seed": 7,
            "scale": 10.0,
            "elapsed": 0,
            "standing": [],
            "next": {"at": 5.0, "provider": "alpha", "behaviour": [{"fail": {"status": 503}}], "door": None},
            "remaining": 4,
        }
        await trio.sleep(0.9)
        assert (alpha.behaviour, beta.door) == (fail(503), Door.REFUSED)
        await trio.sleep(1.0)
        assert (alpha.behaviour, beta.door) == (ok, Door.OPEN)

    at_desk(talk)


def test_the_end_of_a_scenario_stops_its_schedule_and_heals() -> None:
    async def talk(desk: Desk) -> None:
        alpha, beta = desk.providers.values()
        await desk.ask("PUT", "/scenario", OUTAGE)
        await trio.sleep(6)
        assert alpha.behaviour == fail(503)
        await desk.ask("DELETE", "/scenario")
        assert (alpha.behaviour, (await desk.ask("GET", "/scenario")).tree["schedule"]) == (ok, None)
        await trio.sleep(3)
        assert beta.door is Door.OPEN, "what was yet to come does not come"

    at_desk(talk)


def test_undoing_a_scenario_stops_its_schedule_and_puts_back_what_was_before() -> None:
    async def talk(desk: Desk) -> None:
        alpha, beta = desk.providers.values()
        await desk.ask("PUT", "/providers/beta/door", {"door": "silent"})
        await desk.ask("PUT", "/scenario", OUTAGE)
        await trio.sleep(6)
        await desk.ask("POST", "/undo")
        await trio.sleep(20)
        assert (alpha.behaviour, beta.door) == (ok, Door.SILENT)

    at_desk(talk)


WRONG: list[tuple[object, str, str]] = [
    ({}, "", "neither providers nor fault"),
    ({"providers": {"delta": {}}}, "providers.delta", "an unknown provider"),
    ({"providers": {"beta": {"door": "refused"}, "alpha": {"door": "ajar"}}}, "providers[...].door", "None"),
    (
        {"providers": {"alpha": {"door": "refused"}, "beta": {"behaviour": [{"fail": {"status": 9}}]}}},
        "providers.beta.behaviour[0].fail.status",
        "9",
    ),
    ({"providers": {"alpha": {"door": "tls_abort"}}}, "providers.alpha.door", "'tls_abort'"),
    ({"providers": {"alpha": {"door": "refused"}}, "fault": [{"at": -1, "providers": "all"}]}, "fault[0].at", "-1"),
    ({"fault": [{"at": 1, "providers": ["delta"], "door": "refused"}]}, "fault[0].providers", "'delta'"),
    ({"fault": [{"at": 1, "providers": ["beta"], "door": "tls_abort"}]}, "fault[0].door", "'tls_abort'"),
    ({"fault": [], "scale": 0}, "scale", "0"),
    ({"fault": [], "scales": 1}, "scales", "an unknown key"),
]


@pytest.mark.parametrize(("body", "key", "found"), WRONG)
def test_a_wrong_scenario_is_refused_whole_and_the_running_one_goes_on(body: object, key: str, found: str) -> None:
    async def talk(desk: Desk) -> None:
        await desk.ask("PUT", "/scenario", {**OUTAGE, "providers": {"beta": {"door": "silent"}}})
        before = await desk.shown()
        answered = await desk.ask("PUT", "/scenario", body)
        assert (answered.status, answered.error["key"], answered.error["found"]) == (422, key, found)
        assert answered.error["wanted"]
        assert await desk.shown() == before
        await trio.sleep(6)
        assert desk.providers["alpha"].behaviour == fail(503)

    at_desk(talk)
