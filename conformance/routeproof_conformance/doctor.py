"""Prove the wiring before any verdict: every line is a sentence, and where it is bad news it says the mend."""

from __future__ import annotations

import os
from dataclasses import dataclass
from random import Random
from typing import Final, final

import trio
from rich.console import Console

from routeproof_conformance.ask import Ask
from routeproof_conformance.case import Bench, Case
from routeproof_conformance.dig import request_json
from routeproof_conformance.forms import WHOLE
from routeproof_conformance.gateway import Gateway
from routeproof_conformance.judge.outcome import CheckEnded, NotDeclared
from routeproof_conformance.judge.verdict import Exit
from routeproof_conformance.observed import Observed
from routeproof_conformance.opening import opened
from routeproof_conformance.settings import Settings, resolve
from routeproof_conformance.target import Target
from routeproof_spec.errors import RouteproofError, Violation

LATE_MAX: Final = 0.05  #: seconds between a client's clock and a provider's that nobody need care about


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that was proved, or was not."""

    ok: bool
    says: str
    mend: str = ""


def examine(settings: Settings, *, console: Console | None = None) -> int:
    """Open the target that *settings* mean, tell on *console* how it is wired, and return the exit code.

    Raises `ConfigError` for an option or a file that is wrong, `TargetUnreachable` where the target cannot be had.
    """
    target = resolve(settings, environ=os.environ)
    with opened(target, seed=settings.seed) as bench:
        lines = diagnose(bench)
    (console or Console(highlight=False)).print(told(lines), soft_wrap=True, markup=False)
    return Exit.HELD if all(line.ok for line in lines) else Exit.UNVERIFIED


def diagnose(bench: Bench) -> tuple[Line, ...]:
    """Return what the wiring of *bench* looks like, in the order in which to mend it."""
    return trio.run(_diagnose, bench)


async def _diagnose(bench: Bench) -> tuple[Line, ...]:
    case = Case(bench=bench, name="doctor", requirements=(), rng=Random(bench.seed))
    lines: list[Line] = []
    try:
        async with case.opened():
            await _look(case, Gateway(case), lines)
    except (CheckEnded, Violation) as ended:
        lines.append(Line(ok=False, says=str(ended), mend="complete the target file (conformance/README.md)"))
    except RouteproofError as error:
        lines.append(Line(ok=False, says=str(error)))
    return tuple(lines)


async def _look(case: Case, gateway: Gateway, lines: list[Line]) -> None:
    """Add to *lines* what each look shows; what was seen stays where a later one fails."""
    lines.append(Line(ok=True, says=gateway.target.judged_as))
    lines += _unnamed(gateway.target)
    lines += await _client_side(gateway)
    if case.fleet is None:
        lines.append(Line(ok=True, says="the providers are not ours: only what a URL can show will be judged"))
        return
    view = await case.fleet.fleet()
    names = ", ".join(each.name for each in view.providers)
    lines.append(Line(ok=True, says=f"the providers' control API at {case.bench.control_url} answers: {names}"))
    for link in gateway.target.pinned():
        seen = await gateway.send(Ask(model=link.model))
        lines.append(_reached(link.provider, link.model, seen))
        if seen.attempts:
            lines += [_same_clock(link.provider, seen), _survived(seen)]


def _unnamed(target: Target) -> list[Line]:
    """Return a line for each operation that the target has, as far as it says, but names no model for."""
    lines: list[Line] = []
    for operation in dict.fromkeys(form.operation for form in WHOLE):
        if target.lacks(operation) is None:
            try:
                target.default_model(operation)
            except NotDeclared as lacking:
                lines.append(Line(ok=target.is_url_only, says=str(lacking)))
    return lines


async def _client_side(gateway: Gateway) -> list[Line]:
    target = gateway.target
    env = target.tables.target.key_env
    served = await gateway.send(Ask())
    refused = await gateway.send(Ask(key="unknown"))
    return [
        Line(
            ok=served.status is not None,
            says=f"the gateway at {target.base_url} answers ({served.said[:60]})",
            mend="start it, or mend target.base_url",
        ),
        Line(
            ok=served.ok,
            says=f"{target.default_model('chat')}, asked for with the key in {env}, is answered with {served.status}",
            mend=f"export a key that it accepts as {env}, and name a model that it serves as models.chat",
        ),
        Line(
            ok=refused.status in (401, 403),
            says=f"a key that it never issued is answered with {refused.status}",
            mend="switch its authentication on; without it no check of keys means anything",
        ),
    ]


def _reached(provider: str, model: str, seen: Observed) -> Line:
    asked = ", ".join(seen.providers) or "no provider"
    return Line(
        ok=seen.providers == (provider,) and seen.ok,
        says=f"{model} reaches {asked} and is answered with {seen.status}",
        mend=f"make the gateway serve {model} by {provider} alone, at the URL and with the key that the fleet shows",
    )


def _same_clock(provider: str, seen: Observed) -> Line:
    received = seen.attempts[0].received_at
    exchange = seen.exchange
    off = max(exchange.sent_at - received, received - exchange.ended_at, 0.0)
    return Line(
        ok=off <= LATE_MAX,
        says=f"{provider} and the client agree on the time" + (f", but for {off:.3f} s" if off > LATE_MAX else ""),
        mend="run the providers on the machine that runs the suite: times of both sides are compared",
    )


def _survived(seen: Observed) -> Line:
    attempt, marker = seen.attempts[0], seen.exchange.marker
    body = request_json(attempt)
    ways = {
        "header": attempt.header("x-routeproof-marker") == marker,
        "user": body.get("user") == marker,
        "text": f"[[rp:{marker}]]" in attempt.request_body.decode("utf-8", "replace"),
    }
    kept = ", ".join(name for name, is_kept in ways.items() if is_kept)
    return Line(ok=True, says=f"the marker survives in: {kept}")


def told(lines: tuple[Line, ...]) -> str:
    """Return *lines* as text: what holds, what does not, and how to mend it."""
    text: list[str] = []
    for line in lines:
        text.append(f"{'ok ' if line.ok else 'BAD'}  {line.says}")
        if not line.ok and line.mend:
            text.append(f"     mend: {line.mend}")
    bad = sum(not line.ok for line in lines)
    text.append("everything is wired" if not bad else f"{bad} of {len(lines)} things stand in the way of a verdict")
    return "\n".join(text)
