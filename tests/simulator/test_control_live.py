from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import trio

from routeproof_simulator.behaviours import fail, stall
from routeproof_simulator.control.live import AT_ONCE_MAX, KEEP_ALIVE, LISTENERS_MAX, OPEN_MAX, Watch
from routeproof_simulator.control.views import AttemptView, FleetView
from routeproof_simulator.fleet import serving_fleet
from routeproof_simulator.journal import Entry, Journal
from routeproof_simulator.script import Head
from routeproof_spec.history import Ended
from routeproof_spec.marker import in_text
from routeproof_spec.sse import SSEDecoder
from tests.simulator.asking import FLEET, chat, raw, request
from tests.simulator.desk import Answered, Desk, at_desk


async def told(stream: Answered) -> list[tuple[str, Any]]:
    """Return what the stream says next: the kind and the content of each event."""
    return events(await stream.pull())


def events(data: bytes) -> list[tuple[str, Any]]:
    return [(each.type, msgspec.json.decode(each.data)) for each in SSEDecoder().feed(data)]


def seen(tree: object) -> list[AttemptView]:
    return msgspec.convert(tree, list[AttemptView])


def entered(journal: Journal, body: object = None) -> Entry:
    entry = Entry("alpha", request(body or chat()), marker=None, index=0)
    journal.enter(entry)
    return entry


def sequences(views: Iterable[AttemptView]) -> list[int]:
    return [view.sequence for view in views]


def test_a_stream_shows_the_fleet_and_the_attempts_until_now_and_then_what_changes() -> None:
    async def talk(desk: Desk) -> None:
        desk.attempts(2)
        stream = await desk.ask("GET", "/journal/stream")
        (first, fleet), (second, attempts) = await told(stream)
        assert (first, second) == ("fleet", "attempts")
        assert [each.name for each in msgspec.convert(fleet, FleetView).providers] == ["alpha", "beta"]
        assert [(each.sequence, each.marker, each.ended) for each in seen(attempts)] == [
            (1, "m", "complete"),
            (2, "m", "complete"),
        ]
        desk.providers["beta"].set_behaviour(fail(503))
        ((kind, fleet),) = await told(stream)
        assert (kind, fleet["providers"][1]["says"]) == ("fleet", "fail(status=503)")

    at_desk(talk)


def test_an_attempt_is_told_when_it_begins_at_its_first_byte_and_at_its_end() -> None:
    journal = Journal()
    watch = Watch(journal, None)
    entry = entered(journal)
    ((begun,), _) = watch.look()
    assert (begun.ended_at, begun.status) == (None, None)
    assert watch.look() == ([], 0), "what is as it was is not told again"
    entry.head = Head(200)
    entry.sent([b"data: x"], 2.0)
    ((streaming,), _) = watch.look()
    assert (streaming.status, streaming.first_byte_at, streaming.frames) == (200, 2.0, 1)
    entry.sent([b"data: y"], 3.0)
    assert watch.look() == ([], 0), "a frame more is no news"
    entry.peer_gone(4.0)
    ((ended,), _) = watch.look()
    assert (ended.ended, ended.ended_at, ended.peer_gone_at, ended.frames) == ("left", 4.0, 4.0, 2)
    assert watch.look() == ([], 0)


def test_a_listener_goes_on_where_every_attempt_was_told_to_its_end() -> None:
    journal = Journal()
    watch = Watch(journal, None)
    first, second = entered(journal), entered(journal)
    second.end(Ended.COMPLETE, 1.0)
    watch.look()
    assert watch.settled == 0, "the first goes on"
    first.end(Ended.COMPLETE, 2.0)
    entered(journal)
    again = Watch(journal, watch.settled)
    assert sequences(again.look()[0]) == [1, 2, 3]
    assert again.settled == 2
    assert sequences(Watch(journal, 2).look()[0]) == [3]


def test_a_slow_listener_misses_the_oldest_and_is_told_how_many() -> None:
    journal = Journal()
    watch = Watch(journal, None)
    for _ in range(AT_ONCE_MAX + 7):
        entered(journal).end(Ended.COMPLETE, 1.0)
    views, lost = watch.look()
    assert (len(views), lost, views[-1].sequence) == (AT_ONCE_MAX, 7, AT_ONCE_MAX + 7)


def test_a_listener_waits_for_the_end_of_so_many_attempts_and_no_more() -> None:
    journal = Journal()
    watch = Watch(journal, 0)
    entries = [entered(journal) for _ in range(AT_ONCE_MAX)]
    assert len(watch.look()[0]) == AT_ONCE_MAX
    entries += [entered(journal) for _ in range(3)]
    assert watch.look()[1] == AT_ONCE_MAX + 3 - OPEN_MAX
    for entry in entries:
        entry.end(Ended.COMPLETE, 1.0)
    assert len(watch.look()[0]) == OPEN_MAX


def test_a_listener_of_a_journal_that_began_anew_begins_anew() -> None:
    journal = Journal()
    entered(journal)
    assert sequences(Watch(journal, 900).look()[0]) == [1]


def test_attempts_without_a_marker_that_ask_the_same_are_told_as_such() -> None:
    journal = Journal()
    for body in (chat(), chat(model="gpt-4o-mini"), chat(messages=[]), b"{", {"input": "x"}, b""):
        entered(journal, body)
    asks = [view.asks for view in Watch(journal, None).look()[0]]
    assert asks[0] == asks[1] is not None
    assert asks[2] not in (None, asks[0])
    assert (asks[3], asks[5]) == (None, asks[0]), "no JSON has nothing to ask; no body is an ordinary chat here"


def test_a_stream_that_has_nothing_to_say_says_so_now_and_then() -> None:
    async def talk(desk: Desk) -> None:
        stream = await desk.ask("GET", "/journal/stream")
        await stream.pull()
        began = trio.current_time()
        assert (await stream.pull()).startswith(b":")
        assert abs(trio.current_time() - began - KEEP_ALIVE) < 1.0

    at_desk(talk)


def test_a_stream_goes_on_after_the_last_event_id() -> None:
    async def talk(desk: Desk) -> None:
        desk.attempts(5)
        for target, headers in (
            ("/journal/stream", (("last-event-id", "3"),)),
            ("/journal/stream?after=3", ()),
        ):
            stream = await desk.ask("GET", target, headers=headers)
            assert sequences(seen((await told(stream))[1][1])) == [4, 5]
            assert b"\nid: 5\n" in await first_attempts(desk)

    async def first_attempts(desk: Desk) -> bytes:
        return await (await desk.ask("GET", "/journal/stream")).pull()

    at_desk(talk)


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[trio.SocketStream]:
    """Connect to the host and the port of *url*."""
    host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        yield stream


@asynccontextmanager
async def listening(url: str) -> AsyncGenerator[tuple[trio.SocketStream, bytes]]:
    """Ask for the live stream at *url*; yield the connection, and the first bytes of the answer."""
    async with connected(url) as stream:
        await stream.send_all(b"GET /journal/stream HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        yield stream, await stream.receive_some()


def test_no_more_than_so_many_listen_at_once_and_who_leaves_makes_room() -> None:
    async def main() -> None:
        async with serving_fleet(FLEET) as running, AsyncExitStack() as stack:
            url = running.control_url
            last = AsyncExitStack()
            for number in range(LISTENERS_MAX):
                near = last if number == 0 else stack
                assert (await near.enter_async_context(listening(url)))[1].startswith(b"HTTP/1.1 200 ")
            async with listening(url) as (_, answer):
                assert answer.startswith(b"HTTP/1.1 503 ")
            await last.aclose()
            for _ in range(100):
                async with listening(url) as (_, answer):
                    if answer.startswith(b"HTTP/1.1 200 "):
                        return
            raise AssertionError("there was no room, though somebody left")

    trio.run(main)


def test_an_attempt_on_the_wire_is_seen_while_it_goes_on() -> None:
    async def main() -> None:
        async with serving_fleet(FLEET) as running, listening(running.control_url) as (stream, begun):
            data = begun
            running.fleet.providers["alpha"].set_behaviour(stall(2))
            asked = chat(messages=[{"role": "user", "content": in_text("mine")}], stream=True)
            with trio.fail_after(5):
                async with connected(running.base_urls["alpha"]) as asking:
                    await asking.send_all(raw(asked))
                    while b'"first_byte_at"' not in data:
                        data += await stream.receive_some()
                assert b'"marker":"mine"' in data
                assert b'"ended_at"' not in data
                while b'"ended":"left"' not in data:
                    data += await stream.receive_some()
            assert b"content" not in data.split(b"event: attempts", 1)[1], "no bodies"

    trio.run(main)
