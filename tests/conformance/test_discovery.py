"""What a URL alone tells, of APIs that list models without saying what each is for."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from threading import Thread

import pytest
import trio

from routeproof_conformance.discovery import PROBED_MAX, discovered
from routeproof_conformance.target import Target, url_target
from routeproof_spec.errors import TargetUnreachable

CHAT, COMPLETIONS, EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
OWN_HEADER = "X-Inferoute-Request-Id"


@dataclass(kw_only=True)
class Api:
    """An API that lists *serves* and answers each model on its own paths alone."""

    serves: dict[str, tuple[str, ...]]
    headers: dict[str, str] = field(default_factory=dict[str, str])  # of its answers, the list's excepted
    capabilities: dict[str, bool] | None = None
    asked: list[str] = field(default_factory=list[str])

    def entries(self) -> list[dict[str, object]]:
        more = {} if self.capabilities is None else {"capabilities": self.capabilities}
        return [{"id": name, "object": "model", **more} for name in self.serves]


@contextmanager
def served(api: Api) -> Generator[str]:
    """Serve *api* for the block on a free port; yield its base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(200, {"data": api.entries()}, {})

        def do_POST(self) -> None:
            model = json.loads(self.rfile.read(int(self.headers["content-length"])))["model"]
            api.asked.append(f"{self.path} {model}")
            self.answer(200 if self.path in api.serves.get(model, ()) else 404, {}, api.headers)

        def answer(self, status: int, body: dict[str, object], headers: dict[str, str]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            """Keep silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


def found(api: Api, *, model: str = "", dialect: str = "") -> Target:
    with served(api) as url:
        target = url_target(
            url, environ={"MY_KEY": "th-x"}, rng=Random(0), key_env="MY_KEY", model=model, dialect=dialect
        )
        return trio.run(discovered, target)


def test_model_is_taken_for_what_it_serves() -> None:
    target = found(Api(serves={"embed": (EMBEDDINGS,), "talk": (CHAT,)}))
    assert (target.models.chat, target.models.completions, target.models.embeddings) == ("talk", "", "embed")


def test_models_are_tried_in_bounds() -> None:
    idle: dict[str, tuple[str, ...]] = {f"idle-{n}": () for n in range(PROBED_MAX)}
    api = Api(serves={**idle, "talk": (CHAT,)})
    with pytest.raises(TargetUnreachable, match="name one with --model"):
        found(api)
    assert len(api.asked) == 3 * PROBED_MAX
    assert found(api, model="talk").models.chat == "talk"


def test_list_that_tells_capabilities_is_believed() -> None:
    told = {"chat": True, "completions": False, "embeddings": False}
    target = found(Api(serves={"talk": (CHAT, COMPLETIONS)}, capabilities=told))
    assert (target.models.chat, target.models.completions) == ("talk", "")


@pytest.mark.parametrize("capabilities", [None, {"chat": True}])
@pytest.mark.parametrize(
    ("headers", "judged_as"),
    [
        ({OWN_HEADER: "1"}, f"judged as: tokenhub (POST /chat/completions bears {OWN_HEADER.lower()})"),
        ({}, "judged as: openai (no answer bears a header of TokenHub's; else say --dialect)"),
    ],
)
def test_answers_tell_whose_promises_bind(
    capabilities: dict[str, bool] | None, headers: dict[str, str], judged_as: str
) -> None:
    api = Api(serves={"talk": (CHAT,)}, headers=headers, capabilities=capabilities)
    assert found(api).judged_as == judged_as


def test_dialect_that_is_asked_for_is_kept() -> None:
    target = found(Api(serves={"talk": (CHAT,)}), dialect="tokenhub")
    assert target.judged_as == "judged as: tokenhub (--dialect says so)"
