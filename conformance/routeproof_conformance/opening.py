"""Open what a run needs, in order: the providers, the gateway, the clock's measure; and close it again."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Final

import httpx2
import msgspec
import trio

from routeproof_conformance.calibration import calibrate
from routeproof_conformance.case import Bench
from routeproof_conformance.dig import dig, items_of, parsed
from routeproof_conformance.launch import launched
from routeproof_conformance.pools import Pools
from routeproof_conformance.target import Target
from routeproof_conformance.target_file import FLEETS
from routeproof_simulator import FleetConfig, FleetThread, ProviderConfig
from routeproof_spec.errors import TargetUnreachable

LOG: Final = "gateway.log"
DISCOVERY: Final = 10.0  #: seconds


@contextmanager
def opened(target: Target, *, seed: int, folder: Path | None = None) -> Generator[Bench]:
    """Open providers and gateway of *target* for the block; *folder* takes a launched gateway's output.

    Raises `TargetUnreachable` where the gateway cannot be had, `ConfigError` where its templates are wrong.
    """
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="routeproof-")))
        folder.mkdir(parents=True, exist_ok=True)
        control_url, providers, secrets = _providers(target, seed, stack)
        if target.tables.launch is not None:
            target = replace(target, base_url=_launch(target, providers, folder, stack))
        if target.is_url_only:
            target = trio.run(discovered, target)
        yield Bench(
            target=target,
            seed=seed,
            calibration=trio.run(calibrate),
            pools=Pools(target.models.pools),
            control_url=control_url,
            secrets=secrets,
        )


def _providers(
    target: Target, seed: int, stack: ExitStack
) -> tuple[str | None, Mapping[str, Mapping[str, str]], dict[str, str]]:
    """Return the control URL, what templates may say of each provider, and the gateway's keys at them."""
    table = target.tables.providers
    if table is None or not (table.fleet or table.control_url):
        return None, {}, {}
    if table.control_url:
        secrets = {name: os.environ[env] for name, env in table.keys_env.items() if env in os.environ}
        return table.control_url, {}, secrets
    rng = Random(f"{seed}/providers")
    secrets = {name: f"sk-{name}-{rng.getrandbits(96):024x}" for name in FLEETS[table.fleet]}
    models = tuple(sorted({*table.models, *(name for pool in target.models.pools for name in pool.names)}))
    members = tuple(ProviderConfig(name=name, key=key, models=models) for name, key in secrets.items())
    config = FleetConfig(seed=str(seed), providers=members)
    fleet = stack.enter_context(FleetThread(config))
    shown = {name: {"url": fleet.base_urls[name], "key": key} for name, key in secrets.items()}
    return fleet.control_url, shown, secrets


def _launch(target: Target, providers: Mapping[str, Mapping[str, str]], folder: Path, stack: ExitStack) -> str:
    launch, path = target.tables.launch, target.path
    assert launch is not None
    assert path is not None
    roles = {"main": target.tables.target.key_env} | target.tables.keys
    variables = {"providers": providers, "keys": dict(target.keys), "pools": target.models.pools}
    running = stack.enter_context(
        launched(
            launch,
            file=path,
            base_url=target.base_url,
            log=folder / LOG,
            variables=variables | {"chains": target.models.chains, "models": target.models},
            environ={**os.environ, **{name: target.keys[role] for role, name in roles.items()}},
            secret=target.key("main"),
        )
    )
    return running.base_url


async def discovered(target: Target) -> Target:
    """Return *target* with the models that its list names for each operation; raise `TargetUnreachable`."""
    url, headers = f"{target.base_url}/models", {"authorization": f"Bearer {target.key('main')}"}
    try:
        async with httpx2.AsyncClient(timeout=math.inf, trust_env=False) as client:
            with trio.fail_after(DISCOVERY):
                answer = await client.get(url, headers=headers)
    except httpx2.TransportError as error:
        raise TargetUnreachable(
            f"{url} does not answer ({error}): is the gateway running, and the URL right?"
        ) from error
    except trio.TooSlowError:
        raise TargetUnreachable(f"{url} does not answer within {DISCOVERY:g} s") from None
    if answer.status_code == 401:
        env = target.tables.target.key_env
        raise TargetUnreachable(f"{url} refuses the key in {env} (401): export a key that it accepts")
    entries = items_of(dig(parsed(answer.content), "data"))
    if not entries:
        raise TargetUnreachable(f"{url} lists no model (status {answer.status_code}), so there is nothing to ask for")
    models = msgspec.structs.replace(
        target.models,
        chat=_offering(entries, "chat"),
        completions=_offering(entries, "completions"),
        embeddings=_offering(entries, "embeddings"),
    )
    return replace(target, tables=msgspec.structs.replace(target.tables, models=models))


def _offering(entries: tuple[object, ...], operation: str) -> str:
    """Return the first listed model with the capability; for chat, the first of all where none tells its own."""
    for entry in entries:
        name = dig(entry, "id")
        if dig(entry, "capabilities", operation) is True and isinstance(name, str):
            return name
    first = dig(entries[0], "id")
    tells = any(dig(entry, "capabilities") is not None for entry in entries)
    return first if operation == "chat" and not tells and isinstance(first, str) else ""
