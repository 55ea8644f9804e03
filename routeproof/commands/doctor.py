"""`routeproof doctor`: prove the wiring before any verdict."""

from __future__ import annotations

import click

from routeproof.judging import judging
from routeproof_conformance.doctor import examine
from routeproof_conformance.settings import Settings


@click.command("doctor")
@judging
def command(asked: Settings) -> int:
    """Prove that the gateway at URL, or of a target file, is wired so that a verdict means something.

    Every line is a sentence; bad news says its mend. Exit code 0: all is well; 3: no verdict would count.

    \b
    Examples:
      routeproof doctor http://127.0.0.1:8700/v1
      routeproof doctor --target gateway.toml
    """
    return examine(asked)
