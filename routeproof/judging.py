"""The options by which every command that judges a gateway names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click

from routeproof.shipped import TARGETS, found
from routeproof_conformance.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")


def judging(command: Callable[P, R]) -> Callable[P, R]:
    """Give *command* the argument URL and the options --target, --key-env and --seed."""
    options = (
        click.argument("url", required=False, default=""),
        click.option(
            "--target",
            metavar="FILE",
            help="The target file, or the name of a shipped one: how the gateway is reached, wired to fake providers, "
            "and what it declares of itself.",
        ),
        click.option(
            "--key-env",
            default="",
            metavar="NAME",
            help="The variable that holds the key.  [default: TOKENHUB_API_KEY]",
        ),
        click.option("--seed", type=int, default=0, show_default=True, help="Fixes every draw of the run."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def settings(*, url: str, target: str | None, key_env: str, seed: int) -> Settings:
    """Return what the options mean; raise a usage error where they name no gateway."""
    if not url and target is None:
        raise click.UsageError("name a URL, or a target file with --target; `routeproof demo` needs neither")
    file = None if target is None else found(target, TARGETS)
    return Settings(url=url, target=file, key_env=key_env, seed=seed)
