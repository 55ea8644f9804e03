"""Open what a run needs, in order: the providers, the gateway, the clock's measure; and close it again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Final

import trio

from routeproof_conformance.calibration import calibrate
from routeproof_conformance.case import Bench, Launcher
from routeproof_conformance.discovery import discovered
from routeproof_conformance.launch import launched
from routeproof_conformance.pools import Pools
from routeproof_conformance.target import Target
from routeproof_conformance.target_file import FLEETS
from routeproof_simulator import FleetConfig, FleetThread, ProviderConfig

LOG: Final = "gateway.log"


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
        launch = None if target.tables.launch is None else _launcher(target, providers, folder)
        if launch is not None:
            target = replace(target, base_url=stack.enter_context(launch(LOG)).base_url)
        if target.is_url_only:
            target = trio.run(discovered, target)
        yield Bench(
            target=target,
            seed=seed,
            calibration=trio.run(calibrate),
            pools=Pools(target.models.pools),
            control_url=control_url,
            secrets=secrets,
            launch=launch,
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
    # A gateway that adds a field breaks one rule, and should not fail the checks of all others for it.
    members = tuple(ProviderConfig(name=name, key=key, models=models, strict="values") for name, key in secrets.items())
    config = FleetConfig(seed=str(seed), providers=members)
    fleet = stack.enter_context(FleetThread(config))
    shown = {name: {"url": fleet.base_urls[name], "key": key} for name, key in secrets.items()}
    return fleet.control_url, shown, secrets


def _launcher(target: Target, providers: Mapping[str, Mapping[str, str]], folder: Path) -> Launcher:
    """Return what starts a gateway of *target*, again and again, each on a port of its own."""
    launch, path = target.tables.launch, target.path
    assert launch is not None
    assert path is not None
    roles = {"main": target.tables.target.key_env} | target.tables.keys
    variables = {"providers": providers, "keys": dict(target.keys), "pools": target.models.pools}
    return lambda log: launched(
        launch,
        file=path,
        base_url=target.base_url,
        log=folder / log,
        variables=variables | {"chains": target.models.chains, "models": target.models},
        environ={**os.environ, **{name: target.keys[role] for role, name in roles.items()}},
        secret=target.key("main"),
    )
