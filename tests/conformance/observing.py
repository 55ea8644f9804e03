"""Exchanges and cases out of thin air: what a recorder would have recorded."""

import json
from collections.abc import Sequence
from pathlib import Path

from routeproof_conformance.ask import Ask, Request
from routeproof_conformance.calibration import Calibration
from routeproof_conformance.case import Bench, Case
from routeproof_conformance.dialect import load_dialect
from routeproof_conformance.observed import Observed
from routeproof_conformance.pools import Pools
from routeproof_conformance.target import Target
from routeproof_conformance.target_file import Identity, RoutingTable, TargetFile
from routeproof_spec.history import Attempt, Ended, Exchange, Frame, Headers
from routeproof_spec.redaction import redact_headers

JSON: Headers = (("content-type", "application/json"),)
SSE: Headers = (("content-type", "text/event-stream"),)
ANSWER = json.dumps(
    {
        "model": "m",
        "choices": [{"index": 0, "message": {"content": "Hi"}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
).encode()


def observed(
    status: int | None = 200,
    body: bytes = ANSWER,
    *,
    headers: Headers = JSON,
    ended: Ended = Ended.COMPLETE,
    attempts: Sequence[Attempt] | None = (),
    ask: Request | None = None,
    sent: Headers = (("authorization", "Bearer th-secret"), ("content-type", "application/json")),
) -> Observed:
    exchange = Exchange(
        marker="mark1",
        method="POST",
        path="/v1/chat/completions",
        request_headers=redact_headers(sent),
        request_body=b'{"model":"it\'s"}',
        sent_at=100.0,
        status=status,
        headers=headers,
        head_at=100.2 if status is not None else None,
        frames=(Frame(at=100.3, data=body),) if body else (),
        ended_at=100.4,
        ended=ended,
    )
    return Observed(
        ask=ask or Ask(),
        exchange=exchange,
        requirement="chat.response.shape",
        dialect=load_dialect("tokenhub"),
        journal=None if attempts is None else tuple(attempts),
    )


def attempt(
    provider: str, status: int | None = 200, *, ended_at: float = 100.25, faults: tuple[str, ...] = ()
) -> Attempt:
    return Attempt(
        provider=provider,
        marker="mark1",
        index=0,
        connection=1,
        reused=False,
        method="POST",
        path="/v1/chat/completions",
        request_headers=(),
        request_body=b"{}",
        received_at=100.1,
        status=status,
        faults=faults,
        ended_at=ended_at,
    )


def case(
    *requirements: str, retries: int = 0, late: float = 0.0, keys: dict[str, str] | None = None, name: str = "chat/it"
) -> Case:
    tables = TargetFile(
        target=Identity(name="mine", base_url="http://127.0.0.1:1/v1"), routing=RoutingTable(retries=retries)
    )
    target = Target(
        tables=tables,
        dialect=load_dialect("tokenhub"),
        base_url="http://127.0.0.1:1/v1",
        keys=keys or {"main": "th-secret"},
        path=Path("target.toml"),
    )
    calibration = Calibration(median=late, worst=late)
    bench = Bench(target=target, seed=0, calibration=calibration, pools=Pools(()), secrets={"alpha": "sk-alpha"})
    return Case(bench=bench, name=name, requirements=requirements or ("chat.response.shape",))
