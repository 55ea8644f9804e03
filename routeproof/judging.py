"""The options by which every command that judges a gateway names it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import click

from routeproof.shipped import TARGETS, found
from routeproof_conformance.settings import Settings

R = TypeVar("R")


def judging(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command*, whose first argument is what they mean, the argument URL and the options that name a gateway."""

    @wraps(command)
    def judged(
        *, url: str, target: str | None, key_env: str, dialect: str, model: str, seed: int, **others: object
    ) -> R:
        if not url and target is None:
            raise click.UsageError("name a URL, or a target file with --target; `routeproof demo` needs neither")
        file = None if target is None else found(target, TARGETS)
        asked = Settings(url=url, target=file, key_env=key_env, dialect=dialect, model=model, seed=seed)
        return command(asked, **others)

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
            help="The variable that holds the key.  [default: the dialect's, else TOKENHUB_API_KEY]",
        ),
        click.option(
            "--dialect",
            default="",
            metavar="NAME",
            help="Whose promises a URL alone is held to: tokenhub, openai, …, or a .toml file.  [default: its answers "
            "tell]",
        ),
        click.option(
            "--model",
            default="",
            metavar="NAME",
            help="The model to ask a URL alone for.  [default: the first of its list that serves]",
        ),
        click.option("--seed", type=int, default=0, show_default=True, help="Fixes every draw of the run."),
    )
    decorated: Callable[..., R] = judged
    for option in reversed(options):
        decorated = option(decorated)
    return decorated
