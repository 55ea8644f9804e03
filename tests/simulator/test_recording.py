"""Record a real API over sockets, replay the file over sockets: our own fake provider stands in for the API."""

from __future__ import annotations

import socket
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import msgspec
import pytest
import trio

from routeproof_simulator import Behaviour, FleetConfig, ProviderConfig, RunningFleet, load_fleet, serving_fleet
from routeproof_simulator.behaviours import answer, cut, fail, first, latency, pace, reset, stall
from routeproof_simulator.cassettes.cassette import Heading, Recording, load_cassette
from routeproof_simulator.cassettes.recording import LOOPBACK, new_cassette, recording
from routeproof_simulator.cassettes.upstream import Upstream
from routeproof_spec.errors import ConfigError, RouteproofError
from routeproof_spec.history import Ended
from tests.simulator.asking import FLEET, KEY, chat, chunks_of, raw, request

CALLERS_KEY = "sk-of-the-caller"
CHAT = "/chat/completions"
LATE_MAX = 1.0  #: seconds by which a busy machine may lag behind a recording


@dataclass(frozen=True, kw_only=True)
class Studio:
    """A recorder before a fake provider, and a client that asks it."""

    api: RunningFleet
    client: httpx2.AsyncClient
    kept: list[Recording]
    file: Path

    def behave(self, behaviour: Behaviour) -> None:
        self.api.fleet.providers["alpha"].set_behaviour(behaviour)

    async def recordings(self, count: int) -> list[Recording]:
        """Return what was kept, once there are *count*."""
        with trio.fail_after(5.0):
            while len(self.kept) < count:  # noqa: ASYNC110 - the recorder wakes nobody
                await trio.sleep(0.005)
        return self.kept


@asynccontextmanager
async def studio(folder: Path, *, key: str | None = KEY) -> AsyncGenerator[Studio]:
    file = folder / "tape.ndjson"
    headers = {"authorization": f"Bearer {CALLERS_KEY}"}
    asking = httpx2.AsyncClient(trust_env=False)
    async with serving_fleet(FLEET) as api:
        url = api.base_urls["alpha"]
        with new_cassette(file, Heading(routeproof_cassette=1, upstream=url)) as write:
            kept: list[Recording] = []

            def keep(one: Recording) -> None:
                assert write(one)
                kept.append(one)

            async with (
                recording(Upstream(url=url, key=key), keep, client=asking) as base_url,
                httpx2.AsyncClient(base_url=base_url, headers=headers, trust_env=False) as client,
            ):
                yield Studio(api=api, client=client, kept=kept, file=file)


@asynccontextmanager
async def replaying(file: Path, *, speed: float = 1.0) -> AsyncGenerator[httpx2.AsyncClient]:
    """Serve *file* as a provider; yield a client of it."""
    config = FleetConfig(providers=(ProviderConfig(name="again", key="none", cassette=str(file), replay_speed=speed),))
    async with (
        serving_fleet(config) as running,
        httpx2.AsyncClient(base_url=running.base_urls["again"], trust_env=False) as client,
    ):
        yield client


def filmed(folder: Path, play: Callable[[Studio], Awaitable[None]], *, key: str | None = KEY) -> Path:
    """Let *play* happen in a studio; return the file."""

    async def main() -> Path:
        with trio.fail_after(15.0):
            async with studio(folder, key=key) as one:
                await play(one)
                return one.file

    return trio.run(main)


def shown(file: Path, watch: Callable[[httpx2.AsyncClient], Awaitable[None]], *, speed: float = 1.0) -> None:
    """Let *watch* ask the replay of *file*."""

    async def main() -> None:
        with trio.fail_after(15.0):
            async with replaying(file, speed=speed) as client:
                await watch(client)

    trio.run(main)


async def read(client: httpx2.AsyncClient, body: object) -> tuple[int, bytes, list[float], str]:
    """Ask for a stream; return status, bytes, the seconds at which each piece came, and how it broke."""
    begun = trio.current_time()
    times: list[float] = []
    data = b""
    async with client.stream("POST", CHAT, json=body) as response:
        try:
            async for piece in response.aiter_raw():
                data += piece
                times.append(trio.current_time() - begun)
        except httpx2.TransportError as error:
            return response.status_code, data, times, type(error).__name__
    return response.status_code, data, times, ""


def test_what_was_answered_is_handed_on_and_answered_again(tmp_path: Path) -> None:
    heard: list[bytes] = []

    async def play(one: Studio) -> None:
        answer = await one.client.post(CHAT, json=chat(user=f"I am {CALLERS_KEY}"))
        heard.append(answer.content)
        (kept,) = await one.recordings(1)
        assert (kept.status, kept.ended, kept.length) == (200, "complete", len(answer.content))
        (attempt,) = one.api.journal.attempts
        assert attempt.body == answer.content

    async def watch(client: httpx2.AsyncClient) -> None:
        again = await client.post(CHAT, json=chat(user="somebody else"))
        assert again.content == heard[0]
        assert again.headers["openai-organization"] == "org-alpha"
        absent = await client.post(CHAT, json=chat(n=2))
        assert (absent.status_code, "differs in 'n'" in absent.json()["error"]["message"]) == (404, True)

    shown(filmed(tmp_path, play), watch)


def test_a_stream_is_replayed_with_its_timing(tmp_path: Path) -> None:
    heard: list[bytes] = []

    async def play(one: Studio) -> None:
        one.behave(latency(0.2) | pace(40))
        _, data, times, _ = await read(one.client, chat(stream=True))
        heard.append(data)
        assert times[-1] - times[0] > 0.2  # it was handed on as it came
        (kept,) = await one.recordings(1)
        assert 0.19 < kept.head_after < 0.5
        assert kept.length is None

    async def watch(client: httpx2.AsyncClient) -> None:
        status, data, times, _ = await read(client, chat(stream=True))
        assert (status, data) == (200, heard[0])
        assert chunks_of(data)
        (kept,) = load_cassette(file).recordings
        lasts = kept.head_after + sum(chunk.after for chunk in kept.chunks)
        assert kept.head_after <= times[0]
        assert lasts <= times[-1] <= lasts + LATE_MAX

    async def watch_fast(client: httpx2.AsyncClient) -> None:
        _, data, times, _ = await read(client, chat(stream=True))
        (kept,) = load_cassette(file).recordings
        assert (data, times[-1] < kept.head_after + sum(chunk.after for chunk in kept.chunks)) == (heard[0], True)

    file = filmed(tmp_path, play)
    shown(file, watch)
    shown(file, watch_fast, speed=float("inf"))


def test_a_429_and_what_came_after_it_are_replayed_in_order(tmp_path: Path) -> None:
    async def play(one: Studio) -> None:
        one.behave(first(1, fail(429, retry_after=3)))
        assert (await one.client.post(CHAT, json=chat())).status_code == 429
        assert (await one.client.post(CHAT, json=chat())).status_code == 200
        await one.recordings(2)

    async def watch(client: httpx2.AsyncClient) -> None:
        refused = await client.post(CHAT, json=chat())
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "3")
        assert [(await client.post(CHAT, json=chat())).status_code for _ in range(2)] == [200, 200]

    shown(filmed(tmp_path, play), watch)


@pytest.mark.parametrize(
    ("behaviour", "ended", "error"),
    [(cut(3), "cut", "RemoteProtocolError"), (pace(100) | reset(3), "reset", "ReadError")],
    ids=["cut", "reset"],
)
def test_what_broke_off_is_handed_on_and_replayed_so(
    tmp_path: Path, behaviour: Behaviour, ended: str, error: str
) -> None:
    heard: list[bytes] = []

    async def play(one: Studio) -> None:
        one.behave(behaviour)
        _, data, _, how = await read(one.client, chat(stream=True))
        heard.append(data)
        assert how == error
        (kept,) = await one.recordings(1)
        assert kept.ended == ended

    async def watch(client: httpx2.AsyncClient) -> None:
        _, data, _, how = await read(client, chat(stream=True))
        assert (data, how) == (heard[0], error)

    shown(filmed(tmp_path, play), watch)


@pytest.mark.parametrize("behaviour", [cut(before="headers"), cut(bytes=40)], ids=["before the head", "in the body"])
def test_a_whole_answer_that_was_cut_is_cut_again(tmp_path: Path, behaviour: Behaviour) -> None:
    async def play(one: Studio) -> None:
        one.behave(behaviour)
        with pytest.raises(httpx2.RemoteProtocolError):
            await one.client.post(CHAT, json=chat())
        (kept,) = await one.recordings(1)
        assert kept.ended == "cut"

    async def watch(client: httpx2.AsyncClient) -> None:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.post(CHAT, json=chat())

    shown(filmed(tmp_path, play), watch)


def test_no_key_is_in_the_file_wherever_it_stood(tmp_path: Path) -> None:
    keys = (KEY, CALLERS_KEY, "sk-in-the-query")

    async def play(one: Studio) -> None:
        said = f"{{'error': 'not {KEY}, not {CALLERS_KEY}'}}"
        one.behave(answer(said))
        body = chat(user=f"{CALLERS_KEY} and {KEY}", metadata={"of": CALLERS_KEY})
        got = await one.client.post(f"{CHAT}?key=sk-in-the-query&a=1", json=body)
        assert got.text == said  # the caller gets what the API sent
        (kept,) = await one.recordings(1)
        assert kept.target == "/v1/chat/completions?a=1"
        (attempt,) = one.api.journal.attempts
        assert attempt.status == 200  # the provider took the API's key, not the caller's

    file = filmed(tmp_path, play)
    assert [key for key in keys if key in file.read_text()] == []
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_without_a_key_the_callers_own_is_handed_on(tmp_path: Path) -> None:
    async def play(one: Studio) -> None:
        assert (await one.client.post(CHAT, json=chat())).status_code == 401
        own = {"authorization": f"Bearer {KEY}"}
        assert (await one.client.post(CHAT, json=chat(), headers=own)).status_code == 200
        await one.recordings(2)

    assert KEY not in filmed(tmp_path, play, key=None).read_text()


def test_a_caller_that_leaves_is_not_the_apis_doing(tmp_path: Path) -> None:
    async def play(one: Studio) -> None:
        one.behave(stall(2))
        with trio.move_on_after(0.1):
            await one.client.post(CHAT, json=chat(stream=True))
        with trio.fail_after(5.0):
            while one.api.journal.is_open():  # noqa: ASYNC110 - the journal wakes nobody
                await trio.sleep(0.005)
        (attempt,) = one.api.journal.attempts
        assert (attempt.ended, one.kept) == (Ended.LEFT, [])

    assert load_cassette(filmed(tmp_path, play)).recordings == ()


def test_a_caller_that_leaves_at_done_has_heard_all(tmp_path: Path) -> None:
    """The official clients close the connection at `[DONE]`, before the stream has ended."""

    async def play(one: Studio) -> None:
        place = one.client.base_url
        async with await trio.open_tcp_stream(place.host, place.port or 0) as caller:
            await caller.send_all(raw(chat(stream=True)))
            heard = b""
            while b"[DONE]" not in heard:
                heard += await caller.receive_some()
        (kept,) = await one.recordings(1)
        assert kept.ended == "complete"

    filmed(tmp_path, play)


def test_an_api_that_cannot_be_reached_is_said_and_not_recorded() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
    kept: list[Recording] = []

    async def main() -> None:
        upstream = Upstream(url=f"http://{LOOPBACK}:{port}/v1")
        asking = httpx2.AsyncClient(trust_env=False)
        async with recording(upstream, kept.append, client=asking) as base_url, httpx2.AsyncClient() as client:
            answer = await client.post(base_url + CHAT, json=chat())
            assert (answer.status_code, upstream.url in answer.json()["error"]["message"]) == (502, True)
            strange = await client.get(base_url.removesuffix("/v1") + "/health")
            assert (strange.status_code, "begins with /v1/" in strange.text) == (404, True)
            wrong = await client.post(base_url + CHAT, headers={"x-long": "x" * 100_000})
            assert wrong.status_code == 431

    trio.run(main)
    assert kept == []


def test_a_file_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "tape.ndjson"
    file.write_text("mine")
    wanted = "found a file that exists; wanted a new file"
    with pytest.raises(ConfigError, match=wanted), new_cassette(file, Heading(routeproof_cassette=1)):
        pass
    assert file.read_text() == "mine"


def test_a_full_file_takes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routeproof_simulator.cassettes.recording.FILE_BYTES_MAX", 100)
    one = Recording(method="GET", target="/v1/models")
    with new_cassette(tmp_path / "tape.ndjson", Heading(routeproof_cassette=1)) as write:
        assert [write(one), write(one)] == [True, False]
    assert load_cassette(tmp_path / "tape.ndjson").recordings == (one,)


@pytest.mark.parametrize(
    "url",
    ["api.example/v1", "ftp://api.example", "https://", "https://api.example/v1?key=x", "https://me:pw@api.example"],
)
def test_a_wrong_base_url_names_its_mend(url: str) -> None:
    with pytest.raises(RouteproofError, match=r"give one like https://api\.example/v1"):
        Upstream(url=url)


def test_a_key_too_short_to_be_found_again_is_refused() -> None:
    with pytest.raises(RouteproofError, match="cannot be told from other text"):
        Upstream(url="https://api.example/v1", key="short")


@pytest.mark.parametrize(
    ("url", "path", "target"),
    [
        ("https://api.example/v1", "/v1/models", "https://api.example/v1/models"),
        ("https://api.example/openai/v1/", "/v1/models?a=1", "https://api.example/openai/v1/models?a=1"),
        ("https://api.example", "/v1/messages", "https://api.example/v1/messages"),
        ("https://api.example", "/v1beta/x?key=of-the-caller", "https://api.example/v1beta/x?key=of-the-api"),
        ("https://api.example/v1", "/other", None),
    ],
)
def test_paths_are_handed_on_below_the_base_url(url: str, path: str, target: str | None) -> None:
    assert Upstream(url=url, key="of-the-api").target(request(path=path)) == target


def test_the_fleets_file_names_a_cassette_beside_it(tmp_path: Path) -> None:
    heading = msgspec.json.encode(Heading(routeproof_cassette=1))
    (tmp_path / "tape.ndjson").write_bytes(heading)
    file = tmp_path / "fleet.toml"
    file.write_text('[[providers]]\nname = "a"\nkey = "k"\ncassette = "tape.ndjson"\nreplay_speed = inf')
    assert load_fleet(file).providers[0].cassette == str(tmp_path / "tape.ndjson")
    (tmp_path / "tape.ndjson").write_bytes(b"{}")
    with pytest.raises(ConfigError, match="routeproof_cassette: found nothing"):
        load_fleet(file)


@pytest.mark.parametrize(
    ("head", "body"),
    [(b"x-name: \xe9\r\n", b"{}"), (b"", b'{"model": "\xff"}')],
    ids=["a header beyond ASCII", "a body that is no UTF-8"],
)
def test_what_is_odd_in_a_request_is_handed_on(tmp_path: Path, head: bytes, body: bytes) -> None:
    async def main() -> None:
        async with studio(tmp_path) as at:
            told = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n%bcontent-length: %d\r\n\r\n%b"
            async with await trio.open_tcp_stream(LOOPBACK, at.client.base_url.port or 0) as stream:
                await stream.send_all(told % (head, len(body), body))
                back = b"".join([piece async for piece in stream])
            assert back.startswith(b"HTTP/1.1 400 ")
            assert [each.status for each in await at.recordings(1)] == [400]

    trio.run(main)


def test_who_still_listens_is_reset_with_the_api_and_the_recorder_goes_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with studio(tmp_path) as at:
            at.behave(first(1, pace(20) | reset(frames=3)))
            with pytest.raises(httpx2.TransportError):
                await at.client.post(CHAT, json=chat(stream=True))
            assert (await at.client.post(CHAT, json=chat())).status_code == 200

    trio.run(main)
