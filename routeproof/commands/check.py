"""`routeproof check`: judge a gateway."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from routeproof.judging import judging
from routeproof_conformance.run import check
from routeproof_conformance.settings import Settings
from routeproof_spec.requirement import PROFILES


@click.command("check")
@judging
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="NAME",
    help=f"Only this profile: {', '.join(PROFILES)}. Repeatable.",
)
@click.option(
    "--requirement",
    "requirements",
    multiple=True,
    metavar="ID",
    help="Only the checks of this requirement. Repeatable.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write report.json, report.html and report.xml (JUnit) into this folder.",
)
def command(asked: Settings, *, profiles: tuple[str, ...], requirements: tuple[str, ...], report: Path | None) -> int:
    """Judge the gateway at URL, or the one that a target file describes.

    A URL (a base URL that ends in /v1) is enough for what a URL can show; its answers tell whether it is judged as
    TokenHub or as a plain API in the shape of OpenAI's. A target file adds the fake providers, and
    with them who was asked, in what order, how often, with which bytes.

    \b
    Examples:
      routeproof check http://127.0.0.1:8700/v1
      routeproof check --target gateway.toml --profile fallback --report report
      routeproof check --target gateway.toml --requirement fallback.order.listed
    """
    return check(replace(asked, profiles=profiles, requirements=requirements, report=report))
