"""The paths that an operator asks, beside the contract's: whether the gateway lives, is ready, and what it counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, final

import msgspec
from hypercorn.typing import ASGISendCallable, HTTPScope

from routeproof_reference_server.operations.metrics import Metrics

ALIVE: Final = "/healthz"
READY: Final = "/readyz"
METRICS: Final = "/metrics"

#: What a part of the gateway says when asked whether it can work: None, or in a few words why it cannot.
Check: TypeAlias = Callable[[], str | None]
Reply: TypeAlias = tuple[int, str, bytes]  # status, content type, body

_JSON: Final = "application/json"


@final
class Probes:
    """Answers GET and HEAD on the operator's paths. No key is asked for, and so nothing is told that needs one."""

    def __init__(self, checks: Mapping[str, Check], metrics: Metrics | None = None) -> None:
        self._checks = checks
        self._metrics = metrics

    def knows(self, path: str) -> bool:
        """Whether *path* is one of these."""
        return path in {ALIVE, READY} or (path == METRICS and self._metrics is not None)

    async def answer(self, scope: HTTPScope, send: ASGISendCallable) -> None:
        """Answer a request."""
        method = scope["method"]
        if method not in {"GET", "HEAD"}:
            await _send(send, (405, _JSON, b'{"error":"GET or HEAD"}'), headers=[(b"allow", b"GET, HEAD")])
        elif not self.knows(scope["path"]):
            await _send(send, (404, _JSON, b'{"error":"no such path"}'))
        else:
            await _send(send, self._reply(scope), with_body=method == "GET")

    def _reply(self, scope: HTTPScope) -> Reply:
        if scope["path"] == ALIVE:
            return 200, _JSON, b'{"status":"alive"}'
        if scope["path"] == READY:
            found = {name: check() for name, check in self._checks.items()}
            is_ready = not any(found.values())
            told = {"status": "ready" if is_ready else "not ready", "checks": {k: v or "ok" for k, v in found.items()}}
            return (200 if is_ready else 503), _JSON, msgspec.json.encode(told)
        assert self._metrics is not None
        accept = b", ".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1")
        return 200, *self._metrics.text(accept)


async def _send(
    send: ASGISendCallable, reply: Reply, *, with_body: bool = True, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    status, content_type, body = reply
    own = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *(headers or ()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": own, "trailers": False})
    await send({"type": "http.response.body", "body": body if with_body else b"", "more_body": False})
