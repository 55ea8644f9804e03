"""What providers say when they refuse a request: one text in many shapes, beside words that are not for the client."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from routeproof_conformance.observed import Observed
from routeproof_simulator.behaviours import Behaviour, fail

#: The text that is for the client.
TEXT: Final = "The prompt is longer than this model can read."
#: Part of every other word in a provider's error body, so that any of them is known again.
HIDDEN: Final = "unfit4clients"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One provider's error body; *speaks* tells whether `TEXT` can be found in it."""

    body: str
    content_type: str = "application/json"
    speaks: bool = True

    def behaviour(self, status: int) -> Behaviour:
        """Return the behaviour of a provider that answers *status* so."""
        return fail(status, body=self.body, content_type=self.content_type)


def _json(**members: object) -> Shape:
    return Shape(body=json.dumps(members))


#: Error bodies as the APIs of these providers word them (their public references), by provider.
SHAPES: Final = MappingProxyType(
    {
        "OpenAI": _json(error={"message": TEXT, "type": f"{HIDDEN}_type", "param": HIDDEN, "code": f"{HIDDEN}_code"}),
        "Anthropic": _json(
            type="error", error={"type": f"{HIDDEN}_error", "message": TEXT}, request_id=f"req_{HIDDEN}"
        ),
        "Gemini": _json(
            error={"code": 400, "message": TEXT, "status": HIDDEN.upper(), "details": [{"reason": HIDDEN}]}
        ),
        "vLLM": _json(object="error", message=TEXT, type=f"{HIDDEN}Error", param=HIDDEN, code=400),
        "FastAPI": _json(detail=TEXT, path=f"/{HIDDEN}"),
        "plain text": Shape(body=TEXT, content_type="text/plain"),
        "a page of HTML": Shape(
            body=f"<html><title>{HIDDEN}</title><h1>400 Bad Request</h1></html>", content_type="text/html", speaks=False
        ),
    }
)

#: Addresses that mean something inside the operator's network alone (RFC 1918, RFC 4193, RFC 6762, RFC 9476).
ADDRESSES: Final = (
    "http://10.4.11.7:8000/v1/chat/completions",
    "192.168.7.21:9000",
    "172.16.3.4",
    "http://127.0.0.1:8080/v1",
    "http://localhost:8080",
    "[fd12:3456:789a::7]:8000",
    "llama-7.inference.svc.cluster.local:8000",
    "gpu-3.internal",
)


def visible(seen: Observed) -> str:
    """Return all that the client sees of an answer: headers and body."""
    headers = "\n".join(f"{name}: {value}" for name, value in seen.exchange.headers)
    return headers + "\n\n" + seen.exchange.body.decode("utf-8", "replace")
