from __future__ import annotations

import time

import httpx2
import msgspec
import pytest
import trio

from routeproof_simulator.control import PAGE_ATTEMPTS_MAX, JournalPage
from routeproof_simulator.control import pages as journal_pages
from routeproof_simulator.fleet import serving_fleet
from routeproof_spec.history import Attempt, Ended
from routeproof_spec.marker import in_text
from tests.simulator.asking import FLEET, chat, request
from tests.simulator.desk import Desk, at_desk


def test_the_journal_is_read_page_by_page() -> None:
    async def talk(desk: Desk) -> None:
        desk.attempts(PAGE_ATTEMPTS_MAX + 3)
        desk.attempts(1, "other")
        first_page = msgspec.convert((await desk.ask("GET", "/journal?marker=m")).tree, JournalPage)
        rest = msgspec.convert((await desk.ask("GET", f"/journal?marker=m&after={first_page.next}")).tree, JournalPage)
        assert (len(first_page.attempts), first_page.more, first_page.open) == (PAGE_ATTEMPTS_MAX, True, 0)
        assert (len(rest.attempts), rest.more) == (3, False)
        indexes = [each.index for each in first_page.attempts + rest.attempts]
        assert indexes == list(range(PAGE_ATTEMPTS_MAX + 3))
        assert (await desk.ask("DELETE", "/journal")).status == 200
        assert (await desk.ask("GET", "/journal")).tree["attempts"] == []

    at_desk(talk)


def test_a_page_waits_until_the_attempts_of_a_marker_have_ended() -> None:
    async def talk(desk: Desk) -> None:
        told = (chat(messages=[{"role": "user", "content": in_text(each)}]) for each in ("ended", "open"))
        ended, still_open = (desk.providers["alpha"].respond(request(each)).entry for each in told)
        ended.end(Ended.COMPLETE, 1.0)
        assert (await desk.ask("GET", "/journal?marker=ended&idle_within=60")).tree["open"] == 0
        shown = (await desk.ask("GET", "/journal?marker=open&idle_within=1")).tree
        assert shown["open"] == 1, "it shows what stands when time is up"
        still_open.end(Ended.COMPLETE, 2.0)
        assert (await desk.ask("GET", "/journal?idle_within=60")).tree["open"] == 0

    began = time.monotonic()
    at_desk(talk)
    assert time.monotonic() - began < 30, "virtual time passed, not real time"


@pytest.mark.parametrize("within", ["-1", "61", "soon", "nan", ""])
def test_a_wait_that_is_no_bounded_number_of_seconds_is_refused(within: str) -> None:
    async def talk(desk: Desk) -> None:
        answered = await desk.ask("GET", f"/journal?idle_within={within}")
        assert (answered.status, answered.error["wanted"]) == (400, "0 to 60 seconds")

    at_desk(talk)


@pytest.mark.parametrize("by", ["format", "accept"])
def test_the_journal_is_exported_one_attempt_a_line(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk(desk: Desk) -> None:
        desk.attempts(20)
        desk.attempts(2, "other")
        target = "/journal?marker=m&after=3" + ("&format=ndjson" if by == "format" else "")
        accept = (("accept", "application/x-ndjson"),) if by == "accept" else ()
        answered = await desk.ask("GET", target, headers=accept)
        assert answered.header("content-type") == "application/x-ndjson"
        lines = (await answered.pull_all()).splitlines()
        attempts = [msgspec.json.decode(line, type=Attempt) for line in lines]
        assert attempts == list(desk.journal.of("m")[3:])

    monkeypatch.setattr(journal_pages, "PIECE_BYTES_MAX", 2000)  # so that it takes many pieces
    at_desk(talk)


def test_an_export_ends_though_new_attempts_come_in_all_the_while() -> None:
    async def talk(desk: Desk) -> None:
        desk.attempts(5)
        answered = await desk.ask("GET", "/journal?format=ndjson")
        desk.attempts(5)
        assert len((await answered.pull_all()).splitlines()) == 5

    at_desk(talk)


def test_an_export_is_one_whole_answer_on_the_wire() -> None:
    async def main() -> None:
        async with serving_fleet(FLEET) as running, httpx2.AsyncClient(trust_env=False) as client:
            for _ in range(3):
                await client.post(running.base_urls["alpha"] + "/chat/completions", json=chat())
            for _ in range(2):  # on one connection: the first has ended as its framing says
                answered = await client.get(running.control_url + "/journal?format=ndjson")
                attempts = [msgspec.json.decode(line, type=Attempt) for line in answered.content.splitlines()]
                assert [each.status for each in attempts] == [401, 401, 401]

    trio.run(main)
