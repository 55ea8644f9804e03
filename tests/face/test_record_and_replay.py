"""`routeproof record` and `routeproof replay` as their users run them: two processes, one file between them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from openai import NotFoundError, OpenAI

from routeproof import FleetConfig, FleetThread, ProviderConfig
from routeproof_simulator.behaviours import latency

API_KEY = "sk-of-the-real-api"
API = FleetConfig(providers=(ProviderConfig(name="alpha", key=API_KEY, models=("gpt-4o",)),))


@contextmanager
def running(*arguments: str | Path) -> Generator[str]:
    """Run the command line with *arguments*; yield the base URL that it says."""
    command = [sys.executable, "-m", "routeproof", *map(str, arguments), "--port", "0"]
    environ = {**os.environ, "EXAMPLE_API_KEY": API_KEY, "NO_PROXY": "127.0.0.1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        words = [word.rstrip(";") for word in process.stdout.readline().split()]
        try:
            yield next(word for word in reversed(words) if word.endswith("/v1"))
        finally:
            process.terminate()
            process.communicate(timeout=15)


def ask(base_url: str, question: str) -> str:
    with OpenAI(base_url=base_url, api_key="sk-of-the-application", max_retries=0) as client:
        stream = client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": question}], stream=True
        )
        return "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)


@pytest.mark.end_to_end
def test_what_was_recorded_is_replayed_to_the_official_client(tmp_path: Path) -> None:
    tape = tmp_path / "tape.ndjson"
    with FleetThread(API) as fleet:
        fleet.set_behaviour("alpha", latency(0.2))
        upstream = fleet.base_urls["alpha"]
        with running("record", "--upstream", upstream, "--key-env", "EXAMPLE_API_KEY", "--to", tape) as base_url:
            said = ask(base_url, "Say hello.")
        assert fleet.attempts().statuses == (200,)
    assert said.startswith("alpha:")
    assert [key for key in (API_KEY, "sk-of-the-application") if key in tape.read_text()] == []
    with running("replay", tape, "--speed", "inf") as base_url:
        assert ask(base_url, "Say hello.") == said
        with pytest.raises(NotFoundError, match=r"the nearest differs in 'messages'"):
            ask(base_url, "Say something else.")
        assert httpx2.get(base_url + "/models", trust_env=False).status_code == 404


@pytest.mark.end_to_end
def test_what_is_wrong_with_a_recording_is_a_sentence(tmp_path: Path) -> None:
    def complaint(*arguments: str | Path) -> tuple[int, str]:
        command = [sys.executable, "-m", "routeproof", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stderr

    to = tmp_path / "tape.ndjson"
    code, said = complaint("record", "--upstream", "https://api.example/v1", "--to", to, "--key-env", "ABSENT_KEY")
    assert (code, "ABSENT_KEY: found an unset environment variable; wanted the API's key in it" in said) == (2, True)
    code, said = complaint("replay", to)
    assert (code, "wanted a cassette, as `routeproof record` writes it" in said) == (2, True)
