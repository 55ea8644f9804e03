"""`routeproof demo`: everything at once, on loopback."""

from __future__ import annotations

from pathlib import Path

import click

from routeproof.shipped import TARGETS
from routeproof_conformance.run import check
from routeproof_conformance.settings import Settings


@click.command("demo")
@click.option(
    "--report",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("report"),
    show_default=True,
    help="The folder that takes the report.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Fixes every draw of the run.")
def command(report: Path, seed: int) -> int:
    """Start fake providers and the reference gateway on free loopback ports, judge it, and leave a report."""
    click.echo("Proving the reference gateway over three fake providers, all on loopback.\n")
    code = check(Settings(target=TARGETS / "reference.toml", report=report, seed=seed))
    page = (report / "report.html").resolve()
    if page.exists():
        click.echo(f"\nOpen {page.as_uri()}\nNext: routeproof serve, or routeproof check on a gateway of yours.")
    return code
