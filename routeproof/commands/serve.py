"""`routeproof serve`: the reference gateway, and what to do with it next."""

from __future__ import annotations

import os
import signal
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import click
import trio

from routeproof.greeting import greeting
from routeproof_reference_server import DEFAULT_FILE, GatewayConfig, load_config, serve
from routeproof_simulator.fleet import load_fleet, serving_fleet
from routeproof_spec.errors import ConfigError

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@click.command("serve")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The gateway's TOML file. Without it: a default whose three fake providers are started as well.",
)
@click.option("--host", help="Listen here instead of where the file says.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Listen on this port; 0 is any free one.  [default: 8700]")
def command(config: Path | None, host: str | None, port: int | None) -> None:
    """Start the reference gateway.

    \b
    Examples:
      routeproof serve                          with three fake providers, ready for a first curl
      routeproof serve --config gateway.toml    in front of the providers that the file names
    """
    settings = load_config(config or DEFAULT_FILE, environ=os.environ)
    _refuse_public_keys(settings, str(config or "the default configuration"), host or settings.server.host)
    trio.run(_serve, settings, config, host, port)


async def _serve(settings: GatewayConfig, config: Path | None, host: str | None, port: int | None) -> None:
    stop = trio.Event()
    async with AsyncExitStack() as stack:
        if config is None:
            fleet = await stack.enter_async_context(serving_fleet(load_fleet()))
            click.echo(f"Fake providers: {', '.join(fleet.base_urls)}; break them at {fleet.control_url}")
        nursery = await stack.enter_async_context(trio.open_nursery())
        await nursery.start(_stop_on_signal, stop)
        start = partial(serve, settings, host=host, port=port, shutdown_trigger=stop.wait)
        base_url: str = await nursery.start(start)
        click.echo(greeting(base_url, settings, is_default=config is None))
        await stop.wait()
        click.echo("Stopping: open requests get a few seconds to end.", err=True)
        nursery.cancel_scope.deadline = trio.current_time() + 5.0


async def _stop_on_signal(stop: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            stop.set()
            return


def _refuse_public_keys(settings: GatewayConfig, file: str, host: str) -> None:
    """The default file tells its keys to every reader: they may open a loopback address and no other."""
    if host in LOOPBACK:
        return
    public = {each.sha256 for each in load_config(environ={}).keys}
    known = [each.name for each in settings.keys if each.sha256 in public]
    if known:
        raise ConfigError(
            file=file,
            key=f"keys.{known[0]}",
            found=f"a key that is published with routeproof, on {host}",
            wanted="keys of your own, in a file given with --config, before the gateway leaves loopback",
        )
