"""A day of traffic with faults of every family leaves nothing behind, and the ledger tells what the journals tell."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, Final, final

import httpcore2
import msgspec
import pytest
import trio

from routeproof_reference_server import load_config
from routeproof_reference_server.app import create_app
from routeproof_reference_server.config import LogLevel
from routeproof_reference_server.ledger.ledger import Ledger
from routeproof_reference_server.ledger.store import Store
from routeproof_reference_server.limits.limiter import Limiter
from routeproof_reference_server.limits.rules import usd_to_pico
from routeproof_reference_server.records import AttemptRecord, Observer, Observers, RequestRecord
from routeproof_simulator.invariants import judge
from routeproof_simulator.world import run as world
from routeproof_simulator.world.campaign import SHIPPED
from routeproof_simulator.world.reached import reached
from routeproof_simulator.world.scenario import load_scenario
from routeproof_spec.history import Attempt, History
from tests.end_to_end.booking import REQUEST_ID, Prices, Row, differences, rows_in, usage_told
from tests.end_to_end.held import Held, held, left_behind

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("day")]

FILE: Final = SHIPPED / "a_day.toml"
RATE: Final = 0.01  # requests a second: nearly nine hundred in the day
WARM: Final = 3600.0  #: seconds until everything has been used once
CLOSED: Final = 1.0  #: seconds for the providers to see that their connections are closed

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


@final
class Hoarder:
    """An observer that keeps every record, as nobody may."""

    def __init__(self) -> None:
        self.kept: list[RequestRecord] = []

    def request_began(self, request: RequestRecord) -> None:
        self.kept.append(request)

    def attempt_began(self, request: RequestRecord, attempt: AttemptRecord) -> None: ...

    def attempt_ended(self, request: RequestRecord, attempt: AttemptRecord) -> None: ...

    def request_ended(self, request: RequestRecord) -> None: ...


@dataclass(slots=True)
class Day:
    """One run: what was held when it began, when all was warm and when it ended, and what was written down."""

    ledger: Path
    beside: tuple[Observer, ...] = ()
    held: list[Held] = field(default_factory=list[Held])  # when it began, warm, idle after all, closed
    history: History = field(default_factory=lambda: History(seed="none"))
    prices: Prices = field(default_factory=dict[str, tuple[int, int]])

    def attempts(self, row: Row) -> Sequence[Attempt]:
        """What the journals hold of that request."""
        marker = next(each.marker for each in self.history.exchanges if each.header(REQUEST_ID) == row.id)
        return self.history.attempts_of(marker)

    def factory(
        self,
        file: Path,
        *,
        network: httpcore2.AsyncNetworkBackend,
        rng: Random,
        wall: Callable[[], float],
    ) -> App:
        """Return the reference gateway with limits and a ledger, watched."""
        config = load_config(file, environ={})
        key = msgspec.structs.replace(config.keys[0], requests_per_minute=10**6, tokens_per_month=10**12)
        config = msgspec.structs.replace(config, keys=(key,))
        self.prices = {
            each.provider: (usd_to_pico(each.prompt_price / 1e6), usd_to_pico(each.completion_price / 1e6))
            for each in config.models[0].deployments
        }
        limiter = Limiter(wall)
        ledger = Ledger(Store(self.ledger), wall=wall, say=_unexpected)
        observer = Observers((ledger, *self.beside))
        gateway = create_app(config, network=network, rng=rng, wall=wall, limits=limiter, observer=observer)

        async def app(
            scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
        ) -> None:
            async def watched() -> Message:
                message = await receive()
                if message["type"] == "lifespan.shutdown":
                    self.held.append(held(gateway, limiter))
                    ledger.close()
                return message

            async def told(message: Message) -> None:
                if message["type"] == "lifespan.shutdown.complete":
                    await trio.sleep(CLOSED)
                self.held.append(held(gateway, limiter))
                await send(message)

            if scope["type"] == "lifespan":
                await gateway(scope, watched, told)  # type: ignore[arg-type]  # ASGI, untyped here
                return
            if len(self.held) == 1 and trio.current_time() >= WARM and not gateway.router.observed.in_flight():
                self.held.append(held(gateway, limiter))

            async def handed(message: Message) -> None:
                if body := message.get("body"):
                    message["body"] = bytes(bytearray(body))  # what the client keeps is not the gateway's
                await send(message)

            await gateway(scope, receive, handed)  # type: ignore[arg-type]  # ASGI, untyped here

        return app


def _unexpected(_level: LogLevel, _event: str, text: str) -> None:
    pytest.fail(text)


def _only(factory: Callable[..., App]) -> Callable[..., Callable[..., App]]:
    """Return what finds *factory*, whatever is looked for."""

    def found(_name: str, *, file: Path) -> Callable[..., App]:
        assert file == FILE
        return factory

    return found


def lived(folder: Path, *, hours: float = 24.0, beside: tuple[Observer, ...] = ()) -> Day:
    """Live through so much of a day."""
    day = Day(folder / "ledger.db", beside)
    scenario = load_scenario(FILE)
    load, schedule = scenario.load, scenario.fault if hours == 24.0 else ()
    load = msgspec.structs.replace(load, rate=RATE)
    scenario = msgspec.structs.replace(scenario, load=load, fault=schedule, duration=hours * 3600)
    tracemalloc.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(world, "load_factory", _only(day.factory))
            day.history = world.run(scenario, file=FILE)
    finally:
        tracemalloc.stop()
    return day


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    return lived(tmp_path_factory.mktemp("day"))


def test_the_day_was_one(day: Day) -> None:
    declared = load_scenario(FILE).declared()
    assert len(day.history.exchanges) > 700
    assert set(load_scenario(FILE).expect.sometimes) <= reached(day.history, declared)
    assert judge(day.history, declared) == ()
    assert day.history.notes["crashes"] == ""


def test_a_day_leaves_nothing_behind(day: Day) -> None:
    assert list(left_behind(*day.held)) == []


def test_the_ledger_tells_what_the_providers_journals_tell(day: Day) -> None:
    rows = rows_in(day.ledger)
    assert list(differences(day.history, rows, day.prices)) == []
    assert {row.end for row in rows} == {"served", "broken", "failed", "left"}
    told = [usage_told(day.attempts(each)[-1]) or (0, 0) for each in rows if each.end == "served"]
    assert sum(map(sum, told)) == sum(sum(each.tokens) for each in rows if each.end == "served") > 0
    assert any(sum(each.tokens) for each in rows if each.end == "left")


def test_a_gateway_that_keeps_its_records_is_found_out(tmp_path: Path) -> None:
    told = "; ".join(left_behind(*lived(tmp_path, hours=8.0, beside=(Hoarder(),)).held))
    assert "objects: [('routeproof_reference_server.records.RequestRecord'" in told
    assert "memory: " in told


Tamper = Callable[[list[Row]], object]


def served(rows: list[Row]) -> int:
    return next(index for index, row in enumerate(rows) if row.end == "served" and len(row.attempts) > 1)


def change(rows: list[Row], **fields: object) -> None:
    index = served(rows)
    rows[index] = replace(rows[index], **fields)  # type: ignore[arg-type]  # any field, by its name


def bill_a_failure(rows: list[Row]) -> None:
    index = next(index for index, row in enumerate(rows) if row.end == "failed")
    rows[index] = replace(rows[index], tokens=(1, 0))


TAMPERED: Final[Sequence[tuple[Tamper, str]]] = (
    (lambda rows: rows.pop(served(rows)), "it is not written down"),
    (lambda rows: rows.append(replace(rows[0], id="again")), "are written down"),
    (lambda rows: change(rows, tokens=(1, 1)), r"the provider told .*, \(1, 1\) of .* are written down"),
    (lambda rows: change(rows, cost=7), "7 pico-USD are written down"),
    (lambda rows: change(rows, provider="nobody"), "of nobody are written down"),
    (lambda rows: change(rows, began=0.0), "it began at .*, 0.000 is written down"),
    (lambda rows: change(rows, attempts=()), "was asked, and that is not written down"),
    (lambda rows: change(rows, attempts=(("beta", "failed", 503),) * 9), "is written down .* that it has not seen"),
    (bill_a_failure, r"it was not served \(failed\), and is billed \(1, 0\)"),
)


@pytest.mark.parametrize(("tamper", "told"), TAMPERED)
def test_a_ledger_that_tells_something_else_is_found_out(day: Day, tamper: Tamper, told: str) -> None:
    rows = rows_in(day.ledger)
    tamper(rows)
    assert re.search(told, "; ".join(differences(day.history, rows, day.prices)))
