from __future__ import annotations

import pytest

from routeproof_simulator.door_states import Door
from routeproof_spec.history import Headers
from tests.simulator.desk import Desk, at_desk

JSON_TYPE = ("content-type", "application/json")
KILL = {"door": "refused"}


def killed(*headers: tuple[str, str]) -> tuple[int, Door]:
    """Return what a request with *headers* that kills alpha is answered, and alpha's door then."""
    got: list[tuple[int, Door]] = []

    async def talk(desk: Desk) -> None:
        answered = await desk.ask("PUT", "/providers/alpha/door", KILL, headers=tuple(headers))
        got.append((answered.status, desk.providers["alpha"].door))

    at_desk(talk)
    return got[0]


@pytest.mark.parametrize(
    "headers",
    [
        (("host", "127.0.0.1:8710"),),
        (("host", "localhost:8710"), ("origin", "http://localhost:8710")),
        (("host", "LOCALHOST"),),
        (("host", "providers:8710"),),
        (("host", "[::1]:8710"), ("origin", "http://[::1]:8710")),
        (("host", "192.168.1.7:8710"), ("origin", "https://192.168.1.7:8710")),
        (),
    ],
)
def test_programs_and_the_own_page_may_change_things(headers: Headers) -> None:
    assert killed(JSON_TYPE, *headers) == (200, Door.REFUSED)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((("host", "rebound.example:8710"),), 403),
        ((("host", "127.0.0.1.example"),), 403),
        ((("host", "localhost.example"),), 403),
        ((("host", ""),), 403),
        ((("host", "[localhost]"),), 403),
        ((("host", "rebound.example."),), 403),
        ((("host", "127.0.0.1:8710"), ("origin", "https://elsewhere.example")), 403),
        ((("host", "127.0.0.1:8710"), ("origin", "http://127.0.0.1:3000")), 403),
        ((("host", "127.0.0.1:8710"), ("origin", "null")), 403),
    ],
)
def test_pages_of_other_sites_change_nothing(headers: Headers, status: int) -> None:
    assert killed(JSON_TYPE, *headers) == (status, Door.OPEN)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_what_a_form_of_another_site_could_send_is_refused(kind: str) -> None:
    assert killed(("host", "127.0.0.1"), ("content-type", kind)) == (415, Door.OPEN)


def test_a_body_that_is_not_said_to_be_json_is_refused_with_the_mend() -> None:
    async def talk(desk: Desk) -> None:
        answered = await desk.ask("PUT", "/providers/alpha/door", KILL, headers=(("host", "localhost"),))
        assert answered.status == 415
        assert answered.error["wanted"] == "the header Content-Type: application/json"

    at_desk(talk)


def test_another_site_can_link_here_but_not_load_what_is_here() -> None:
    async def talk(desk: Desk) -> None:
        cross = (("host", "127.0.0.1"), ("sec-fetch-site", "cross-site"))
        assert (await desk.ask("GET", "/journal/stream", headers=(*cross, ("sec-fetch-mode", "no-cors")))).status == 403
        assert (await desk.ask("GET", "/", headers=(*cross, ("sec-fetch-mode", "navigate")))).status == 200
        own = (("host", "127.0.0.1"), ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors"))
        assert (await desk.ask("GET", "/fleet", headers=own)).status == 200

    at_desk(talk)


def test_another_site_can_neither_heal_nor_clear_nor_look() -> None:
    async def talk(desk: Desk) -> None:
        desk.attempts(1)
        strange = (("host", "127.0.0.1"), ("origin", "https://elsewhere.example"))
        for method, target in (("POST", "/heal"), ("DELETE", "/journal"), ("GET", "/journal"), ("GET", "/fleet")):
            assert (await desk.ask(method, target, headers=strange)).status == 403
        assert len(desk.journal.attempts) == 1

    at_desk(talk)
