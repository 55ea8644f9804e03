"""`routeproof check`: judge a gateway."""

from __future__ import annotations

from pathlib import Path

import click

from routeproof.shipped import TARGETS, found
from routeproof_conformance.run import check
from routeproof_conformance.settings import Settings
from routeproof_spec.requirement import PROFILES


@click.command("check")
@click.argument("url", required=False, default="")
@click.option(
    "--target",
    metavar="FILE",
    help="The target file: how the gateway is reached, wired to fake providers, and what it declares of itself.",
)
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="NAME",
    help=f"Only this profile: {', '.join(PROFILES)}. Repeatable.",
)
@click.option(
    "--report", type=click.Path(path_type=Path, file_okay=False), help="Write report.json and report.html here."
)
@click.option("--key-env", default="", metavar="NAME", help="The variable with the key.  [default: TOKENHUB_API_KEY]")
@click.option("--seed", type=int, default=0, show_default=True, help="Fixes every draw of the run.")
def command(
    url: str, target: str | None, profiles: tuple[str, ...], report: Path | None, key_env: str, seed: int
) -> int:
    """Judge the gateway at URL, or the one that a target file describes.

    A URL (a base URL that ends in /v1) is enough for what a URL can show. A target file adds the fake providers, and
    with them who was asked, in what order, how often, with which bytes.

    \b
    Examples:
      routeproof check http://127.0.0.1:8700/v1
      routeproof check --target gateway.toml --profile fallback --report report
    """
    if not url and target is None:
        raise click.UsageError("name a URL, or a target file with --target; `routeproof demo` needs neither")
    file = None if target is None else found(target, TARGETS)
    settings = Settings(url=url, target=file, profiles=profiles, report=report, key_env=key_env, seed=seed)
    return check(settings)
