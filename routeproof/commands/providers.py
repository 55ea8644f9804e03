"""`routeproof providers`: the fake providers and their control API."""

from __future__ import annotations

import click
import trio

from routeproof.shipped import FLEETS, found
from routeproof_simulator.fleet import FleetConfig, load_fleet, serving_fleet


@click.command("providers")
@click.option("--fleet", default="three", show_default=True, help="A fleet's TOML file, or the name of a shipped one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
def command(fleet: str, host: str) -> None:
    """Start fake providers that misbehave on demand.

    \b
    Then, for example:
      curl -X PUT http://127.0.0.1:8710/providers/alpha/behaviour \\
        -d '{"behaviour": [{"fail": {"status": 503}}], "ttl": 60}'
      curl -X POST http://127.0.0.1:8710/heal
    """
    trio.run(_serve, load_fleet(found(fleet, FLEETS)), host)


async def _serve(config: FleetConfig, host: str) -> None:
    async with serving_fleet(config, host=host) as fleet:
        for name, url in fleet.base_urls.items():
            click.echo(f"{name:<12} {url}")
        click.echo(f"{'control':<12} {fleet.control_url}\nStop them with Ctrl-C.")
        await trio.sleep_forever()
