"""`routeproof serve`: the reference gateway, and what to do with it next."""

from __future__ import annotations

import os
import signal
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path

import click
import trio

from routeproof.greeting import greeting
from routeproof_reference_server import DEFAULT_FILE, GatewayConfig, load_config, serve
from routeproof_reference_server.serve import Load
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
    SIGHUP reads the file anew: requests that are under way end as they began, and a wrong file changes nothing.
    SIGTERM and Ctrl-C take no more requests and let those under way end; a second one ends everything at once.

    \b
    Examples:
      routeproof serve                          with three fake providers, ready for a first curl
      routeproof serve --config gateway.toml    in front of the providers that the file names
    """
    load = partial(_loaded, config, host)
    trio.run(_serve, load, config, host, port)


def _loaded(config: Path | None, host: str | None) -> GatewayConfig:
    settings = load_config(config or DEFAULT_FILE, environ=os.environ)
    _refuse_public_keys(settings, str(config or "the default configuration"), host or settings.server.host)
    return settings


async def _serve(load: Load, config: Path | None, host: str | None, port: int | None) -> None:
    settings, stop = load(), trio.Event()
    tell, reloads = trio.open_memory_channel[Load](1)
    async with AsyncExitStack() as stack:
        if config is None:
            fleet = await stack.enter_async_context(serving_fleet(load_fleet()))
            click.echo(f"Fake providers: {', '.join(fleet.base_urls)}; break them at {fleet.control_url}")
        nursery = await stack.enter_async_context(trio.open_nursery())
        await nursery.start(partial(_heed, load, tell, stop, nursery.cancel_scope))

        async def serve_to_the_end(*, task_status: trio.TaskStatus[str]) -> None:
            start = partial(serve, settings, host=host, port=port, shutdown_trigger=stop.wait, reloads=reloads)
            await start(task_status=task_status)
            nursery.cancel_scope.cancel()

        base_url: str = await nursery.start(serve_to_the_end)
        click.echo(greeting(base_url, settings, is_default=config is None))


async def _heed(
    load: Load,
    tell: trio.MemorySendChannel[Load],
    stop: trio.Event,
    everything: trio.CancelScope,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        task_status.started()
        async for each in signals:
            if each == signal.SIGHUP:
                with suppress(trio.WouldBlock):  # one that waits to be read is enough
                    tell.send_nowait(load)
            elif stop.is_set():
                everything.cancel()
            else:
                stop.set()


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
