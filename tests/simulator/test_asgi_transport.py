from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx2
import pytest
import trio

from routeproof_simulator.recorder import PATIENT, Patience, record
from routeproof_simulator.world.asgi_transport import ASGIApp, ASGITransport, Message, Receive, Send, serving_app
from routeproof_simulator.world.clock import run_virtual
from routeproof_spec.errors import RouteproofError
from routeproof_spec.history import Ended, Exchange, Frame

Handler = Callable[[Receive, Send], Awaitable[None]]


def app_of(handler: Handler, told: list[str]) -> ASGIApp:
    """Return an application whose lifespan is written down in *told*."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await handler(receive, send)
            return
        for name in ("startup", "shutdown"):
            event = await receive()
            told.append(event["type"])
            await send({"type": f"lifespan.{name}.complete"})

    return app


async def start(send: Send, *headers: tuple[bytes, bytes], status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def piece(send: Send, data: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


def exchange_with(
    handler: Handler, *, patience: Patience = PATIENT, told: list[str] | None = None, method: str = "POST"
) -> tuple[Exchange, list[str]]:
    """Return what a client recorded, and the crashes that the transport remembers."""

    async def main() -> tuple[Exchange, list[str]]:
        async with (
            serving_app(app_of(handler, [] if told is None else told)) as transport,
            httpx2.AsyncClient(transport=transport, base_url="http://gateway.test", timeout=None) as client,
        ):
            exchange = await record(client, method, "/v1/x?y=z", marker="m", body=b"question", patience=patience)
            await trio.sleep(1)  # what the application does after its client has gone
        return exchange, transport.crashes

    return run_virtual(main)


async def stream_slowly(_: Receive, send: Send) -> None:
    await start(send, (b"X-One", b"1"))
    for text in (b"a", b"b"):
        await trio.sleep(2)
        await piece(send, text)
    await trio.sleep(3)
    await piece(send, b"", more=False)


def test_each_piece_arrives_when_it_is_sent() -> None:
    exchange, crashes = exchange_with(stream_slowly)
    assert exchange.frames == (Frame(at=2.0, data=b"a"), Frame(at=4.0, data=b"b"))
    assert (exchange.head_at, exchange.ended_at, exchange.ended) == (0.0, 7.0, Ended.COMPLETE)
    assert (exchange.headers, crashes) == ((("x-one", "1"),), [])


def test_the_application_gets_the_request_and_its_lifespan() -> None:
    told: list[str] = []

    async def echo(receive: Receive, send: Send) -> None:
        message = await receive()
        assert told == ["lifespan.startup"]
        await start(send, status=201)
        await piece(send, message["body"] + b"!", more=False)

    exchange, _ = exchange_with(echo, told=told)
    assert (exchange.status, exchange.body) == (201, b"question!")
    assert told == ["lifespan.startup", "lifespan.shutdown"]


@pytest.mark.parametrize(("patience", "felt_at"), [(Patience(leave_after=1), 1.0), (Patience(leave_after=3), 3.0)])
def test_a_client_that_leaves_is_felt_by_the_application(patience: Patience, felt_at: float) -> None:
    felt: list[tuple[str, float]] = []

    async def wait_for_the_client(receive: Receive, send: Send) -> None:
        await receive()

        async def listen() -> None:
            message = await receive()
            felt.append((message["type"], trio.current_time()))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            await trio.sleep(2)
            await start(send)
            await piece(send, b"late")
            await trio.sleep(1.5)
            await piece(send, b"later")

    exchange, crashes = exchange_with(wait_for_the_client, patience=patience)
    assert (exchange.ended, exchange.ended_at, felt) == (Ended.LEFT, felt_at, [("http.disconnect", felt_at)])
    assert crashes == []


def test_an_application_that_answers_nothing_is_an_empty_500() -> None:
    async def say_nothing(receive: Receive, _: Send) -> None:
        await receive()

    exchange, crashes = exchange_with(say_nothing)
    assert (exchange.status, exchange.body, exchange.ended, crashes) == (500, b"", Ended.COMPLETE, [])


def test_an_application_that_raises_in_its_body_cuts_the_stream_and_is_remembered() -> None:
    async def break_down(_: Receive, send: Send) -> None:
        await start(send)
        await piece(send, b"half")
        raise LookupError("mine")

    exchange, crashes = exchange_with(break_down)
    assert (exchange.ended, exchange.body) == (Ended.CUT, b"half")
    assert crashes == ["POST /v1/x: LookupError('mine')"]


def test_an_answer_to_head_has_no_body() -> None:
    async def answer(_: Receive, send: Send) -> None:
        await start(send)
        await piece(send, b"body", more=False)

    exchange, _ = exchange_with(answer, method="HEAD")
    assert (exchange.status, exchange.body) == (200, b"")


def test_sending_out_of_turn_is_a_crash_of_the_application() -> None:
    async def begin_twice(_: Receive, send: Send) -> None:
        await start(send)
        await start(send)

    _, crashes = exchange_with(begin_twice)
    assert crashes == ["POST /v1/x: RuntimeError('http.response.start may not be sent now')"]


def test_an_application_that_nobody_reads_has_to_wait() -> None:
    sent: list[int] = []

    async def flood(_: Receive, send: Send) -> None:
        await start(send)
        for number in range(1000):
            await piece(send, b"x" * 1000)
            sent.append(number)

    async def main() -> int:
        async with (
            serving_app(app_of(flood, [])) as transport,
            httpx2.AsyncClient(transport=transport) as client,
            client.stream("GET", "http://gateway.test/"),
        ):
            await trio.sleep(60)
            return len(sent)

    assert 0 < run_virtual(main) < 100


def test_an_application_that_cannot_start_says_why() -> None:
    async def broken(_: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no catalogue"})

    async def main() -> None:
        async with serving_app(broken):
            pass

    with pytest.RaisesGroup(pytest.RaisesExc(RouteproofError, match="could not start: no catalogue")):
        run_virtual(main)


def test_an_application_without_a_lifespan_is_served() -> None:
    async def plain(scope: Message, _: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await start(send)
        await piece(send, b"plain", more=False)

    async def main() -> str:
        async with serving_app(plain) as transport, httpx2.AsyncClient(transport=transport) as client:
            assert isinstance(transport, ASGITransport)
            return (await client.get("http://gateway.test/")).text

    assert run_virtual(main) == "plain"
