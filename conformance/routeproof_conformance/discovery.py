"""What a gateway of which only the URL is known tells of itself: its dialect, and a model for each operation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, final

import httpx2
import msgspec
import trio

from routeproof_conformance.ask import Ask, compose
from routeproof_conformance.dialect import load_dialect
from routeproof_conformance.dig import dig, items_of, parsed
from routeproof_conformance.forms import WHOLE, Form
from routeproof_conformance.target import Target
from routeproof_spec.errors import TargetUnreachable

DISCOVERY: Final = 10.0  #: seconds of one request
PROBED_MAX: Final = 8  # models that are tried for each operation
PREFIX: Final = "/v1"


async def discovered(target: Target) -> Target:
    """Return *target* with the dialect that its answers speak, and with a model for each operation that it has.

    A model that the target names already is the only one that is tried. Raises `TargetUnreachable` where the gateway
    does not answer, refuses the key, or serves no model.
    """
    async with httpx2.AsyncClient(timeout=math.inf, trust_env=False) as client:
        caller = _Caller(client=client, target=target)
        entries = await _listed(caller)
        tells = any(dig(entry, "capabilities") is not None for entry in entries)
        names = (target.models.chat,) if target.models.chat else _names(entries)[:PROBED_MAX]
        if target.models.chat or not tells:
            found = {form.operation: await caller.first_served(form, names) for form in WHOLE}
        else:
            found = {form.operation: _offering(entries, form.operation) for form in WHOLE}
            if not caller.bears and found["chat"]:
                await caller.serves(WHOLE[0], found["chat"])
    if not any(found.values()):
        tried = ", ".join(names) or "its list"
        raise TargetUnreachable(f"{target.base_url} serves no model of those tried ({tried}): name one with --model")
    models = msgspec.structs.replace(target.models, **found)
    return _spoken(replace(target, tables=msgspec.structs.replace(target.tables, models=models)), caller.bears)


@final
@dataclass(kw_only=True)
class _Caller:
    """Asks the gateway, and keeps which header of TokenHub's an answer bore."""

    client: httpx2.AsyncClient
    target: Target
    bears: str = ""

    async def ask(self, method: str, path: str, *, body: bytes = b"") -> httpx2.Response:
        """Return the answer; raises `httpx2.TransportError`, and `trio.TooSlowError` after `DISCOVERY` seconds."""
        headers = {"authorization": f"Bearer {self.target.key('main')}", "content-type": "application/json"}
        with trio.fail_after(DISCOVERY):
            answer = await self.client.request(method, self.target.base_url + path, headers=headers, content=body)
        own = load_dialect("tokenhub").headers.values()
        self.bears = self.bears or next((f"{method} {path} bears {name}" for name in own if name in answer.headers), "")
        return answer

    async def serves(self, form: Form, model: str) -> bool:
        """Return whether the gateway answers an ordinary request of *form* for *model* with 200."""
        wire = compose(Ask(form=form), dialect=self.target.dialect, model=model, marker="discovery")
        try:
            return (await self.ask(wire.method, wire.path, body=wire.body)).status_code == 200
        except (httpx2.TransportError, trio.TooSlowError):
            return False

    async def first_served(self, form: Form, models: tuple[str, ...]) -> str:
        """Return the first of *models* that is served, or nothing."""
        for model in models:
            if await self.serves(form, model):
                return model
        return ""


async def _listed(caller: _Caller) -> tuple[object, ...]:
    target = caller.target
    url = f"{target.base_url}/models"
    is_bare = not target.base_url.endswith(PREFIX)
    hint = f"; a base URL ends in {PREFIX}: did you mean {target.base_url}{PREFIX}?" if is_bare else ""
    try:
        answer = await caller.ask("GET", "/models")
    except httpx2.TransportError as error:
        raise TargetUnreachable(
            f"{url} does not answer ({error}): is the gateway running, and the URL right?"
        ) from error
    except trio.TooSlowError:
        raise TargetUnreachable(f"{url} does not answer within {DISCOVERY:g} s") from None
    if answer.status_code == 401:
        env = target.tables.target.key_env
        raise TargetUnreachable(f"{url} refuses the key in {env} (401): export a key that it accepts{hint}")
    entries = items_of(dig(parsed(answer.content), "data"))
    if not entries and not target.models.chat:
        told = f"lists no model (status {answer.status_code}), so there is nothing to ask for"
        raise TargetUnreachable(f"{url} {told}{hint or ': name one with --model'}")
    return entries


def _names(entries: tuple[object, ...]) -> tuple[str, ...]:
    return tuple(name for entry in entries if isinstance(name := dig(entry, "id"), str) and name)


def _offering(entries: tuple[object, ...], operation: str) -> str:
    """Return the first listed model that tells of the capability, or nothing."""
    able = tuple(entry for entry in entries if dig(entry, "capabilities", operation) is True)
    return next(iter(_names(able)), "")


def _spoken(target: Target, bears: str) -> Target:
    """Return *target* in the dialect that it was told to speak, else in the one that its answers speak."""
    if target.why:
        return target
    if bears:
        return target.speaking(load_dialect("tokenhub"), why=bears)
    return target.speaking(load_dialect("openai"), why="no answer bears a header of TokenHub's; else say --dialect")
