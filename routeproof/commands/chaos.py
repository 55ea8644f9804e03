"""`routeproof chaos`: outages in virtual time."""

from __future__ import annotations

import math

import click

from routeproof.shipped import SCENARIOS, found, shipped
from routeproof_simulator.world import campaign
from routeproof_simulator.world.scenario import load_scenario


@click.group("chaos")
def command() -> None:
    """Live through outages in virtual time: minutes in seconds, the same for the same seed."""


@command.command("run", epilog=f"Shipped: {shipped(SCENARIOS)}.")
@click.argument("scenarios", nargs=-1, required=True, metavar="SCENARIO...")
@click.option("--seed", type=int, help="Run this seed alone.  [default: the scenario's own]")
@click.option("--seeds", type=click.IntRange(1, campaign.SEEDS_MAX), help="Run so many seeds, from 0 on.")
@click.option("--budget", type=click.FloatRange(min=0), help="Begin no further run after so many seconds.")
def run(scenarios: tuple[str, ...], seed: int | None, seeds: int | None, budget: float | None) -> int:
    """Run each SCENARIO: a TOML file, or the name of a shipped one.

    \b
    Examples:
      routeproof chaos run primary_outage
      routeproof chaos run primary_outage --seeds 20 --budget 60
    """
    if seed is not None and seeds is not None:
        raise click.UsageError("--seed is one seed, --seeds a number of them: give one of the two")
    statuses: list[campaign.Status] = []
    for name in scenarios:
        file = found(name, SCENARIOS)
        wanted = [seed] if seed is not None else range(seeds) if seeds is not None else None
        done = campaign.run(
            load_scenario(file),
            file=file,
            seeds=wanted,
            budget=math.inf if budget is None else budget,
            progress=_show,
        )
        click.echo(done.report())
        statuses.append(done.status)
    worst = min(statuses, key=_SEVERITY.index)
    return int(worst)


#: the worst first: a violation outweighs what could not be shown
_SEVERITY = (campaign.Status.VIOLATED, campaign.Status.UNVERIFIED, campaign.Status.HELD)


def _show(done: campaign.Run) -> None:
    found = f"{len(done.findings)} findings" if done.findings else "held"
    click.echo(f"  seed {done.seed}: {found}, {done.requests} requests in {done.seconds:.2f} s", err=True)
