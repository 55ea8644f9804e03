"""`routeproof replay`: a fake provider that says again what a real API said."""

from __future__ import annotations

from pathlib import Path

import click
import trio

from routeproof_simulator.cassettes.cassette import load_cassette
from routeproof_simulator.fleet import FleetConfig, ProviderConfig, serving_fleet


@click.command("replay")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="2 takes half of the recorded time, inf none.",
)
@click.option("--port", default=8720, show_default=True, type=click.IntRange(0, 65535), help="0 is any free one.")
def command(file: Path, speed: float, port: int) -> None:
    """Answer from FILE, which `routeproof record` wrote: the same request gets the same answer, in the same time.

    Any key will do. A fleet's file replays with `cassette = "tape.ndjson"` at a provider; faults act on it as on any.
    """
    cassette = load_cassette(file)
    dialect = cassette.heading.dialect
    one = ProviderConfig(name="replay", key="any", cassette=str(file), replay_speed=speed, dialect=dialect, port=port)
    trio.run(_replay, FleetConfig(providers=(one,)), len(cassette.recordings))


async def _replay(config: FleetConfig, count: int) -> None:
    async with serving_fleet(config) as fleet:
        click.echo(f"{count} recorded answers at {fleet.base_urls['replay']}; break them at {fleet.control_url}")
        click.echo("Stop with Ctrl-C.")
        await trio.sleep_forever()
