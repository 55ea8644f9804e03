"""`routeproof providers`: the fake providers and their control API."""

from __future__ import annotations

import click
import trio

from routeproof.introduction import introduction
from routeproof.shipped import FLEETS, SCENARIOS, found
from routeproof_simulator.collector import collect_seldom
from routeproof_simulator.fleet import FleetConfig, load_fleet, serving_fleet
from routeproof_simulator.schedules.schedule import Schedule
from routeproof_simulator.world.scenario import load_schedule


@click.command("providers")
@click.option("--fleet", default="three", show_default=True, help="A fleet's TOML file, or the name of a shipped one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--scenario", help="What goes wrong, and when: a scenario's TOML file, or the name of a shipped one.")
@click.option(
    "--scale",
    type=click.FloatRange(min=0, max=1000, min_open=True),
    default=1.0,
    show_default=True,
    help="Play the scenario so many times as fast.",
)
def command(fleet: str, host: str, scenario: str | None, scale: float) -> None:
    """Start fake providers that misbehave on demand.

    \b
    Examples:
      routeproof providers                                     three of them, and a page to break them by a click
      routeproof providers --fleet mine.toml --host 0.0.0.0    your own, for other machines too
      routeproof providers --scenario shared_edge --scale 4    a story goes over them, four times as fast as told
    """
    config = load_fleet(found(fleet, FLEETS))
    names = [each.name for each in config.providers]
    planned = None if scenario is None else load_schedule(found(scenario, SCENARIOS), providers=names)
    trio.run(_serve, config, host, planned, scale)


async def _serve(config: FleetConfig, host: str, planned: tuple[Schedule, int] | None, scale: float) -> None:
    async with serving_fleet(config, host=host) as fleet:
        click.echo(introduction(config, fleet))
        if planned is not None:
            schedule, seed = planned
            fleet.performance.play(schedule, seed=seed, scale=scale)
            lasts = max((change.at for change in schedule.changes(seed)), default=0.0)
            click.echo(f"The last change of the scenario comes in {lasts / scale:.0f} s.")
        collect_seldom()
        await trio.sleep_forever()
