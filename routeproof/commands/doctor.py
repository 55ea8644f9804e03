"""`routeproof doctor`: prove the wiring before any verdict."""

from __future__ import annotations

import click

from routeproof.judging import judging, settings
from routeproof_conformance.doctor import examine


@click.command("doctor")
@judging
def command(url: str, target: str | None, key_env: str, seed: int) -> int:
    """Prove that the gateway at URL, or of a target file, is wired so that a verdict means something.

    Every line is a sentence; bad news says its mend. Exit code 0: all is well; 3: no verdict would count.

    \b
    Examples:
      routeproof doctor http://127.0.0.1:8700/v1
      routeproof doctor --target gateway.toml
    """
    return examine(settings(url=url, target=target, key_env=key_env, seed=seed))
