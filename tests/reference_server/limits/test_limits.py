"""What a key may consume, asked over the application, on a virtual clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any, cast

import httpx2
import msgspec
import pytest
import trio

from routeproof_reference_server import create_app
from routeproof_reference_server.config import KeyConfig, LimitsConfig
from routeproof_reference_server.limits.limiter import Limiter
from routeproof_reference_server.limits.month import Amount
from routeproof_reference_server.limits.rules import UNLIMITED
from routeproof_simulator.world.asgi_transport import ASGIApp, serving_app
from routeproof_simulator.world.clock import run_virtual
from tests.reference_server.gateway import CONFIG, KEY, PORTS, WALL, chat, failure
from tests.reference_server.scripted import DONE, HI, JSON, ROLE, STOP, Reply, ScriptedProviders, chunk, streamed, whole

Client = httpx2.AsyncClient
Talk = Callable[[Client], Awaitable[None]]

LIMIT = "x-ratelimit-limit-requests"
REMAINING = "x-ratelimit-remaining-requests"
RESET = "x-ratelimit-reset-requests"
OK = 200
TOO_MANY = (429, "rate_limit_error", "rate_limit_exceeded")
USED_UP = (402, "usage_limit_exceeded", "usage_limit_exceeded")


def used(prompt: int, completion: int) -> Reply:
    """An answer that says what it took."""
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    body = {"choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "stop"}], "usage": usage}
    return Reply(headers=JSON, body=[msgspec.json.encode(body)])


def wall() -> float:
    """The Unix time of the test."""
    return WALL + trio.current_time()


def key(**limits: Any) -> KeyConfig:
    """The usual key, with limits."""
    return msgspec.structs.replace(CONFIG.keys[0], **limits)


def run(
    talk: Talk,
    *keys: KeyConfig,
    replies: Sequence[Reply] | None = None,
    limits: Limiter | None = None,
    minute: float = 60.0,
) -> ScriptedProviders:
    """Let *talk* ask a gateway that has *keys*; every provider answers with *replies*, the last over and over."""
    config = msgspec.structs.replace(CONFIG, keys=keys, limits=LimitsConfig(minute=minute))
    scripted: dict[str, Sequence[Reply]] = {name: list(replies) if replies else [whole()] for name in PORTS.values()}

    async def main() -> ScriptedProviders:
        providers = ScriptedProviders(scripted, ports=PORTS)
        limiter = limits or Limiter(wall)
        app = create_app(config, network=providers, rng=Random(1), wall=wall, limits=limiter)
        async with (
            serving_app(cast("ASGIApp", app)) as transport,
            Client(transport=transport, base_url="http://gateway.test/v1", headers=KEY, timeout=None) as client,
        ):
            await talk(client)
            assert transport.crashes == []
        assert limiter.reserved == Amount()
        return providers

    return run_virtual(main)


async def ask(client: Client, **fields: object) -> httpx2.Response:
    return await client.post("/chat/completions", json=chat("alpha/gpt-4o", **fields))


def test_requests_beyond_the_minute_are_refused_until_there_is_room() -> None:
    async def talk(client: Client) -> None:
        for left in (2, 1, 0):
            answered = await ask(client)
            assert (answered.status_code, answered.headers[LIMIT], answered.headers[REMAINING]) == (OK, "3", str(left))
        refused = await ask(client)
        assert failure(refused) == TOO_MANY
        assert refused.headers[REMAINING] == "0"
        wait = int(refused.headers["retry-after"])
        assert 60 <= wait <= 61
        assert float(refused.headers[RESET]) - WALL <= wait
        await trio.sleep(wait - 2)
        assert failure(await ask(client)) == TOO_MANY
        await trio.sleep(2)
        assert (await ask(client)).status_code == OK

    assert len(run(talk, key(requests_per_minute=3)).seen) == 4


def test_a_limit_binds_its_own_key_alone() -> None:
    other = KeyConfig(name="other", sha256="59faea40907fbdb83696e782666fe87c52d9a1d33e35210667ee948580057a9f")

    async def talk(client: Client) -> None:
        assert (await ask(client)).status_code == OK
        assert failure(await ask(client)) == TOO_MANY
        theirs = {"authorization": "Bearer th-local-expired"}
        for _ in range(3):
            answered = await client.post("/chat/completions", json=chat("alpha/gpt-4o"), headers=theirs)
            assert (answered.status_code, answered.headers[REMAINING]) == (OK, str(UNLIMITED))

    run(talk, key(requests_per_minute=1), other)


def test_every_answer_to_a_known_key_tells_where_it_stands() -> None:
    async def talk(client: Client) -> None:
        told = [
            await client.get("/models"),
            await client.get("/models/none"),
            await client.get("/nowhere"),
            await client.post("/chat/completions", content=b"{"),
            await client.post("/chat/completions", json=chat("none")),
            await ask(client, stream=True),
        ]
        assert [each.status_code for each in told] == [200, 404, 404, 400, 404, 200]
        known = [each for each in told if each.url.path != "/v1/nowhere"]
        assert [int(each.headers[LIMIT]) for each in known] == [9] * 5
        # What is no request for an answer does not count; a request for an unknown model does.
        assert [int(each.headers[REMAINING]) for each in known] == [9, 9, 9, 8, 7]
        assert LIMIT not in (await client.get("/models", headers={"authorization": "Bearer th-x"})).headers

    run(talk, key(requests_per_minute=9), replies=[streamed(ROLE, HI, STOP, DONE)])


def test_tokens_are_reserved_before_an_answer_and_settled_after_it() -> None:
    async def talk(client: Client) -> None:
        # Each is estimated at 100 for the answer and a few for the question, and takes 30.
        for _ in range(3):
            assert (await ask(client, max_tokens=100)).status_code == OK
        refused = await ask(client, max_tokens=120)
        assert failure(refused) == TOO_MANY
        assert (await ask(client, max_tokens=90)).status_code == OK

    run(talk, key(tokens_per_minute=200), replies=[used(10, 20)])


def test_requests_at_once_cannot_share_what_only_one_may_have() -> None:
    async def talk(client: Client) -> None:
        statuses: list[int] = []

        async def one() -> None:
            statuses.append((await ask(client, max_tokens=100)).status_code)

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(one)
        assert sorted(statuses) == [200, 429, 429, 429, 429]

    slow = used(10, 20)
    run(talk, key(tokens_per_minute=200), replies=[slow])


def test_what_no_provider_served_is_given_back() -> None:
    async def talk(client: Client) -> None:
        for _ in range(5):
            assert (await ask(client, max_tokens=100)).status_code == 503

    run(talk, key(tokens_per_minute=200, tokens_per_month=200), replies=[Reply(status=500)])


def test_a_request_larger_than_the_limit_is_told_so() -> None:
    async def talk(client: Client) -> None:
        refused = await ask(client, max_tokens=1000)
        assert failure(refused) == TOO_MANY
        assert "more than the key's limit of 200" in refused.json()["error"]["message"]

    assert run(talk, key(tokens_per_minute=200)).seen == []


def test_a_month_of_tokens_is_refused_with_402_when_it_is_used_up() -> None:
    async def talk(client: Client) -> None:
        for _ in range(2):
            assert (await ask(client, max_tokens=50)).status_code == OK
        for waiting in (0.0, 3600.0):
            await trio.sleep(waiting)
            assert failure(await ask(client, max_tokens=50)) == USED_UP
        await trio.sleep(31 * 86_400)
        assert (await ask(client, max_tokens=50)).status_code == OK

    run(talk, key(tokens_per_month=140), replies=[used(10, 40)])


def test_money_is_counted_at_the_price_of_who_served_to_the_last_digit() -> None:
    # alpha: 2.5 and 10 USD for a million tokens; 100 and 50 of them are 0.00075 USD.
    async def talk(client: Client) -> None:
        for _ in range(4):
            assert (await ask(client, max_tokens=50)).status_code == OK
        assert failure(await ask(client, max_tokens=50)) == USED_UP

    run(talk, key(spend_per_month=0.003), replies=[used(100, 50)])


def test_what_a_ledger_holds_of_the_month_counts() -> None:
    async def talk(client: Client) -> None:
        assert failure(await ask(client, max_tokens=50)) == USED_UP

    def spent(name: str, month: tuple[int, int]) -> Amount:
        assert (name, month) == ("local", (2027, 1))
        return Amount(tokens=1000)

    run(talk, key(tokens_per_month=1000), limits=Limiter(lambda: WALL, spent=spent))


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_an_answer_that_may_be_too_large_is_out_of_range(field: str) -> None:
    async def talk(client: Client) -> None:
        assert (await ask(client, **{field: 50})).status_code == OK
        assert (await ask(client)).status_code == OK
        refused = await ask(client, **{field: 51})
        assert failure(refused) == (422, "invalid_request_error", "out_of_range")
        assert refused.json()["error"]["param"] == field

    assert len(run(talk, key(max_tokens=50)).seen) == 2


def test_a_field_that_the_contract_does_not_know_is_served_under_a_limit_too() -> None:
    async def talk(client: Client) -> None:
        unknown = {"prompt": {"id": "p"}, "best_of": "all"}
        assert (await ask(client, max_tokens=20, **unknown)).status_code == OK

    run(talk, key(tokens_per_minute=200))


def test_the_usage_of_a_stream_is_settled_too() -> None:
    usage = chunk({}, choices=[], usage={"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30})

    async def talk(client: Client) -> None:
        for _ in range(4):
            answered = await ask(client, stream=True, max_tokens=60)
            assert answered.status_code == OK
        assert failure(await ask(client, stream=True, max_tokens=90)) == TOO_MANY

    run(talk, key(tokens_per_minute=200), replies=[streamed(ROLE, HI, STOP, usage, DONE)])


def test_an_answer_that_broke_is_not_billed_but_its_minute_keeps_the_estimate() -> None:
    async def talk(client: Client) -> None:
        broken = await ask(client, stream=True, max_tokens=100)
        assert b'"error"' in broken.content
        assert failure(await ask(client, stream=True, max_tokens=100)) == TOO_MANY
        await trio.sleep(62)
        assert (await ask(client, stream=True, max_tokens=100)).status_code == OK

    run(talk, key(tokens_per_minute=150, tokens_per_month=150), replies=[streamed(ROLE, HI)])


def test_a_shorter_minute_is_a_shorter_window() -> None:
    async def talk(client: Client) -> None:
        assert (await ask(client)).status_code == OK
        refused = await ask(client)
        assert (failure(refused), refused.headers["retry-after"]) == (TOO_MANY, "3")
        await trio.sleep(3)
        assert (await ask(client)).status_code == OK

    run(talk, key(requests_per_minute=1), minute=2.0)


def test_of_two_limits_that_are_reached_the_longer_wait_is_told() -> None:
    async def talk(client: Client) -> None:
        assert (await ask(client, max_tokens=100)).status_code == OK  # its few tokens leave the windows at 61 s
        await trio.sleep(30)
        assert (await ask(client, max_tokens=100)).status_code == OK  # and its many at 91 s
        await trio.sleep(5)
        refused = await ask(client, max_tokens=100)
        assert failure(refused) == TOO_MANY
        wait = int(refused.headers["retry-after"])
        await trio.sleep(wait - 1)
        assert failure(await ask(client, max_tokens=100)) == TOO_MANY
        await trio.sleep(1)
        assert (await ask(client, max_tokens=100)).status_code == OK

    config = key(requests_per_minute=2, tokens_per_minute=200)
    run(talk, config, replies=[used(1, 1), used(50, 100), used(1, 1)])
