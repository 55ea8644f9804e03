"""One line for each request: what is in it, what never is, and that nobody waits for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import msgspec
import pytest
import trio

from routeproof_reference_server.config import LogConfig, LogFormat, LogLevel
from routeproof_reference_server.operations.lines import printable
from routeproof_reference_server.operations.log import LINES_MAX, Log
from routeproof_simulator.world.clock import run_virtual
from tests.reference_server.gateway import WALL, chat, gateway
from tests.reference_server.scripted import DONE, HI, ROLE, STOP, Reply, error, streamed, whole

FALLBACK = {"x-inferoute-fallback": "alpha/gpt-4o"}
FORGED = 'gpt\n{"level":"info","event":"request"}\x1b[2J\u009b31m\u202e'

Ask = Callable[[httpx2.AsyncClient], Awaitable[object]]


class Kept:
    """A log in memory, one thread's write after the other."""

    def __init__(self) -> None:
        self.data = b""

    def __call__(self, data: bytes) -> None:
        self.data += data

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(line) for line in self.data.splitlines()]


def logged(ask: Ask, *, level: str = "info", form: str = "json", **replies: list[Reply]) -> Kept:
    """What is logged while a client asks."""
    kept = Kept()

    async def main() -> None:
        log = Log(LogConfig(level=LogLevel(level), format=LogFormat(form)), kept, lambda: WALL)
        async with gateway(dict(replies), observer=log) as (client, _):  # type: ignore[arg-type]  # a list is a sequence
            await ask(client)
        log.empty()  # what its task does in a thread

    run_virtual(main)
    return kept


def post(body: object, **headers: str) -> Ask:
    return lambda client: client.post("/chat/completions", json=body, headers=headers)


def test_a_request_is_one_line_with_all_that_an_operator_asks_for() -> None:
    kept = logged(
        lambda client: client.post("/chat/completions", json=chat("beta/gpt-4o"), headers=FALLBACK),
        beta=[Reply(status=500, before=[1.0], body=[b"{}"])],
        alpha=[Reply(before=[2.0], body=whole().body)],
    )
    (line,) = kept.lines
    assert line.pop("id").startswith("req-")
    assert line == {
        "time": "2027-01-15T08:00:00Z",
        "level": "warning",
        "event": "request",
        "operation": "createChatCompletion",
        "status": 200,
        "key": "local",
        "model": "beta/gpt-4o",
        "strategy": "cost",
        "provider": "alpha",
        "attempts": [
            {"provider": "beta", "end": "failed", "seconds": 1.0, "status": 500, "cause": "status"},
            {"provider": "alpha", "end": "served", "seconds": 2.0, "status": 200},
        ],
        "seconds": 3.0,
        "first_seconds": 3.0,
        "prompt_tokens": 3,
        "completion_tokens": 2,
    }


def test_on_a_terminal_the_same_is_said_in_words() -> None:
    kept = logged(post(chat("beta/gpt-4o", stream=True)), form="text", beta=[streamed(1.0, ROLE, HI, STOP, DONE)])
    head, _, rest = kept.data.decode().partition(" id=")
    assert head == "08:00:00.000 info    request"
    assert rest.split(" ", 1)[1] == (
        "operation=createChatCompletion status=200 key=local model=beta/gpt-4o strategy=cost stream=true provider=beta "
        "attempts=beta:served:1.000 seconds=1.0 first_seconds=1.0\n"
    )


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_a_client_writes_neither_begins_a_line_nor_speaks_to_a_terminal(form: str) -> None:
    data = logged(post(chat(FORGED)), form=form).data
    assert data.count(b"\n") == 1
    assert data.endswith(b"\n")
    text = data[:-1].decode("ascii")
    assert text.isprintable()
    assert "model_not_found" in text


def test_a_long_text_is_cut() -> None:
    assert len(printable("x" * 100_000)) <= 200


def test_no_secret_and_no_content_is_in_a_line_on_any_level() -> None:
    secret = error(500, "Bearer sk-alpha-local was refused at http://127.0.0.1:8701/v1")

    async def ask(client: httpx2.AsyncClient) -> None:
        await client.post("/chat/completions", json=chat("alpha/gpt-4o"))
        await client.get("/models", headers={"authorization": "Bearer th-secret"})

    data = logged(ask, level="debug", alpha=[secret]).data
    for word in (b"th-local", b"th-secret", b"sk-alpha", b"127.0.0.1", b"Say hi"):
        assert word not in data
    assert b"was refused at" in data
    assert b"was refused at" not in logged(ask, level="info", alpha=[secret]).data


@pytest.mark.parametrize(("level", "statuses"), [("info", [200, 404, 503]), ("warning", [503]), ("error", [])])
def test_a_level_leaves_out_what_is_quieter(level: str, statuses: list[int]) -> None:
    async def ask(client: httpx2.AsyncClient) -> None:
        for model in ("alpha/gpt-4o", "no-such-model", "beta/gpt-4o"):
            await client.post("/chat/completions", json=chat(model))

    assert [line["status"] for line in logged(ask, level=level, beta=[error(500)]).lines] == statuses


def test_what_the_standard_library_s_logger_is_told_is_a_line_too() -> None:
    kept, logger = Kept(), logging.getLogger("routeproof.gateway")
    log = Log(LogConfig(format=LogFormat.JSON), kept, lambda: WALL)
    with log.hears(logger):
        try:
            int("a\nb")
        except ValueError:
            logger.exception("request %s failed", "req-1")
    log.empty()
    (line,) = kept.lines
    assert (line["level"], line["text"]) == ("error", "request req-1 failed")
    assert r"ValueError: invalid literal for int() with base 10: 'a\nb'" in line["trace"]


def told(log: Log, lines: int) -> None:
    for number in range(lines):
        log.say(LogLevel.INFO, "test", str(number))


def test_lines_that_nobody_reads_are_lost_and_counted_and_nobody_waits() -> None:
    kept = Kept()
    log = Log(LogConfig(format=LogFormat.JSON), kept, lambda: WALL)
    told(log, LINES_MAX + 7)
    trio.run(log.write)
    texts = [line["text"] for line in kept.lines]
    assert texts == [*map(str, range(LINES_MAX)), "7 lines were lost, for nobody read them in time"]
    told(log, 1)
    trio.run(log.write)
    assert kept.lines[-1]["text"] == "0"


def test_a_reader_that_is_stuck_keeps_the_gateway_from_nothing() -> None:
    unstuck = threading.Event()

    async def main() -> None:
        def stuck(_: bytes) -> None:
            unstuck.wait()

        log = Log(LogConfig(format=LogFormat.JSON), stuck, lambda: WALL)
        async with trio.open_nursery() as nursery:
            await nursery.start(log.run)
            told(log, 1)
            nursery.cancel_scope.cancel()

    try:
        trio.run(main)  # ends, though its reader does not
    finally:
        unstuck.set()


def test_what_is_told_last_is_written_before_the_end() -> None:
    kept = Kept()

    async def main() -> None:
        log = Log(LogConfig(format=LogFormat.JSON), kept, lambda: WALL)
        async with trio.open_nursery() as nursery:
            await nursery.start(log.run)
            told(log, 3)
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert [line["text"] for line in kept.lines] == ["0", "1", "2"]
