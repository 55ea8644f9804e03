"""The fixtures as their users meet them: each test here is a pytest run of its own over a file of theirs."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import msgspec
import pytest

pytest_plugins = ["pytester"]

HEAVY = ("trio", "httpx2", "httptools", "msgspec", "routeproof_spec")

HEAD = """
    import asyncio, pytest, trio
    import httpx2, requests
    from openai import AsyncOpenAI, OpenAI, RateLimitError
    from routeproof import FleetConfig, ProviderConfig, fail, faults, first
    from routeproof_simulator.behaviours import pace

    HELLO = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}]}

    def post(provider, **more):
        url, key = f"{provider.base_url}/chat/completions", {"authorization": f"Bearer {provider.key}"}
        return httpx2.post(url, json=HELLO | more, headers=key, trust_env=False)
"""


def ran(pytester: pytest.Pytester, tests: str, *arguments: str) -> pytest.RunResult:
    """Run the file *tests* as a user does, in a process of its own: a run in this one would import modules twice."""
    pytester.makepyfile(textwrap.dedent(HEAD) + textwrap.dedent(tests))
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error", *arguments, timeout=120)


def test_the_plugin_imports_nothing_heavy() -> None:
    script = "import sys, json, routeproof_simulator.pytest_plugin; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = msgspec.json.decode(done.stdout, type=list[str])
    assert [name for name in loaded if name.partition(".")[0] in HEAVY] == []


@pytest.mark.end_to_end
def test_sync_asyncio_and_trio_code_use_the_same_fixtures(pytester: pytest.Pytester) -> None:
    result = ran(
        pytester,
        """
        FAULTS = first(1, fail(429, retry_after=0))

        @faults(FAULTS)
        def test_sync(provider):
            with OpenAI(base_url=provider.base_url, api_key=provider.key) as client:
                assert client.chat.completions.create(**HELLO).choices[0].message.content
            assert provider.seen.statuses == (429, 200)
            assert provider.seen.same_connection()

        async def ask(provider):
            async with AsyncOpenAI(base_url=provider.base_url, api_key=provider.key) as client:
                provider.behave(FAULTS)
                assert (await client.chat.completions.create(**HELLO)).choices
            assert provider.seen.statuses == (429, 200)

        def test_asyncio(provider):
            asyncio.run(ask(provider))

        @pytest.mark.anyio
        async def test_anyio_on_both_loops(provider):
            provider.behave(fail(503))
            async with httpx2.AsyncClient(trust_env=False) as client:
                assert (await client.post(f"{provider.base_url}/chat/completions")).status_code == 503
            provider.fleet.heal()
            assert provider.wait_idle().statuses == (503,)

        def test_trio(provider):
            async def main():
                provider.behave(pace(20))
                async with httpx2.AsyncClient(trust_env=False) as client:
                    with trio.move_on_after(0.2):
                        url, key = f"{provider.base_url}/chat/completions", f"Bearer {provider.key}"
                        await client.post(url, json=HELLO | {"stream": True}, headers={"authorization": key})
            trio.run(main)
            assert provider.wait_idle().cancelled_within(0.5)
            assert provider.seen.gaps()[0]

        def test_an_application_that_reads_the_environment(provider, monkeypatch):
            for name, value in provider.environ.items():
                monkeypatch.setenv(name, value)
            with OpenAI() as client:
                assert client.models.list().data
            key = {"Authorization": f"Bearer {provider.key}"}
            assert requests.get(f"{provider.base_url}/models", headers=key, timeout=5).ok
        """,
        "-o",
        "anyio_mode=strict",
    )
    result.assert_outcomes(passed=6)


@pytest.mark.end_to_end
def test_every_test_finds_healthy_providers_and_an_empty_journal(pytester: pytest.Pytester) -> None:
    result = ran(
        pytester,
        """
        @pytest.mark.parametrize("again", range(2))
        def test_breaks_everything(fleet, provider, again):
            assert post(provider).status_code == 200
            provider.behave(fail(503))
            fleet["beta"].set_door("refused")
            assert provider.seen.statuses == (200,)

        def test_is_alone(fleet, provider):
            assert [len(fleet.attempts()), post(provider).status_code, post(fleet["beta"]).status_code] == [0, 200, 200]

        drawn = []

        @faults(first(3, fail(503)))
        @pytest.mark.parametrize("again", range(2))
        def test_counts_from_the_first(provider, again):
            drawn.append([post(provider).headers["x-request-id"] for _ in range(4)])
            assert provider.seen.statuses == (503, 503, 503, 200)
            assert drawn[0] == drawn[-1]
        """,
    )
    result.assert_outcomes(passed=5)


@pytest.mark.end_to_end
def test_faults_name_a_provider_and_the_closest_mark_has_the_last_word(pytester: pytest.Pytester) -> None:
    result = ran(
        pytester,
        """
        pytestmark = faults(fail(500))

        def test_of_the_module(provider):
            assert post(provider).status_code == 500

        @faults(fail(429))
        @faults("beta", fail(503))
        def test_of_its_own(fleet):
            assert [post(fleet[name]).status_code for name in ("alpha", "beta", "gamma")] == [429, 503, 200]

        def test_without_providers(): pass
        """,
    )
    result.assert_outcomes(passed=3)


@pytest.mark.end_to_end
def test_the_fleet_is_the_users_to_configure(pytester: pytest.Pytester) -> None:
    result = ran(
        pytester,
        """
        MINE = FleetConfig(providers=(ProviderConfig(name="mine", key="k"), ProviderConfig(name="other", key="o")))

        @pytest.fixture(scope="module")
        def fleet_config(): return MINE

        urls = set()

        @pytest.mark.parametrize("again", range(2))
        def test_mine(fleet, provider, again):
            assert (provider.name, provider.key, list(fleet.base_urls)) == ("mine", "k", ["mine", "other"])
            urls.add(provider.base_url)
            assert len(urls) == 1

        class TestOther:
            @pytest.fixture
            def provider(self, fleet): return fleet["other"]

            def test_other(self, provider): assert post(provider).status_code == 200

        class TestBroken:
            @pytest.fixture
            def fleet_config(self):
                broken = [{"fail": {"status": 503}}]
                return FleetConfig(providers=(ProviderConfig(name="broken", key="k", behaviour=broken),))

            def test_broken(self, provider): assert post(provider).status_code == 503
        """,
    )
    result.assert_outcomes(passed=4)


@pytest.mark.end_to_end
def test_what_is_wrong_is_said_in_a_sentence(pytester: pytest.Pytester) -> None:
    result = ran(
        pytester,
        """
        @faults(fail(503))
        def test_uses_no_provider(): pass

        @pytest.mark.faults(503)
        def test_wrong_fault(provider): pass

        @faults("delta", fail(503))
        def test_unknown_provider(provider): pass

        @faults(fail(503))
        def test_shows_what_was_seen(provider):
            post(provider)
            assert provider.seen.cancelled_within(1.0)

        def test_ends_the_fleet(fleet, provider):
            async def fails(): raise ValueError("on purpose")
            fleet._call(lambda: trio.lowlevel.spawn_system_task(fails))
            fleet._thread.join()

        def test_has_a_fleet_again(provider):
            assert post(provider).status_code == 200
        """,
    )
    # The unknown provider, and the fleet that ended, are found by the fixture: before and after the test.
    result.assert_outcomes(failed=1, errors=4, passed=2)
    result.stdout.fnmatch_lines_random(
        [
            "the mark 'faults' needs the fixture 'provider' or 'fleet' among the arguments",
            "the mark 'faults' was given (503): write faults(behaviour) for the first provider, or *",
            "the mark 'faults': the fleet has no provider 'delta': name one of alpha, beta, gamma",
            "*<Seen: alpha 503 complete, 1 frame in * [[]fail(status=503)[]]>*",
            "*trio.TrioInternalError*",
        ]
    )


@pytest.mark.end_to_end
def test_parallel_runs_have_fleets_of_their_own(pytester: pytest.Pytester) -> None:
    result = ran(
        pytester,
        """
        @pytest.mark.parametrize("index", range(6))
        def test_one(provider, index):
            assert post(provider).status_code == 200
            assert provider.seen.statuses == (200,)
        """,
        "-n",
        "2",
    )
    result.assert_outcomes(passed=6)
