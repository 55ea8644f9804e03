"""`routeproof record`: keep what a real API answers, to be replayed by a fake provider."""

from __future__ import annotations

import os
from pathlib import Path

import click
import trio

from routeproof_simulator.cassettes.cassette import Heading, Recording
from routeproof_simulator.cassettes.recording import new_cassette, recording
from routeproof_simulator.cassettes.upstream import Upstream
from routeproof_simulator.dialects import DIALECTS
from routeproof_spec.errors import ConfigError


@click.command("record")
@click.option("--upstream", required=True, metavar="URL", help="Base URL of the API, as its clients are given it.")
@click.option("--to", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The new file to record to.")
@click.option(
    "--key-env", metavar="NAME", help="Environment variable with the API's key; without it: the caller's own."
)
@click.option("--port", default=8720, show_default=True, type=click.IntRange(0, 65535), help="0 is any free one.")
@click.option(
    "--dialect",
    default="openai",
    show_default=True,
    type=click.Choice(list(DIALECTS)),
    help="How the API speaks: a replay refuses in its words what is not recorded.",
)
def command(upstream: str, to: Path, key_env: str | None, port: int, dialect: str) -> None:
    """Stand in front of a real API, hand everything on, and keep what it answers, with its timing.

    No key and no cookie is written to the file. It listens on loopback alone, for whoever reaches it spends your key.

    \b
    Example:
      routeproof record --upstream https://api.example/v1 --key-env EXAMPLE_API_KEY --to tape.ndjson
      OPENAI_BASE_URL=http://127.0.0.1:8720/v1 python my_application.py
      routeproof replay tape.ndjson
    """
    trio.run(_record, Upstream(url=upstream, key=_key(key_env)), to, port, dialect)


def _key(name: str | None) -> str | None:
    if name is None:
        return None
    if not os.environ.get(name):
        raise ConfigError(
            file="--key-env", key=name, found="an unset environment variable", wanted="the API's key in it"
        )
    return os.environ[name]


async def _record(upstream: Upstream, to: Path, port: int, dialect: str) -> None:
    heading = Heading(routeproof_cassette=1, upstream=upstream.url, dialect=dialect)
    with new_cassette(to, heading) as write:

        def keep(one: Recording) -> None:
            if write(one):
                click.echo(_told(one))
            else:
                click.echo(f"{to} is full: handed on and not recorded: {one.title}", err=True)

        async with recording(upstream, keep, port=port) as base_url:
            click.echo(f"{upstream.url} is recorded to {to}; ask it at {base_url}\nStop with Ctrl-C.")
            await trio.sleep_forever()


def _told(one: Recording) -> str:
    lasted = one.head_after + sum(chunk.after for chunk in one.chunks) + one.end_after
    how = "" if one.ended == "complete" else f", {one.ended}"
    count = f"{len(one.chunks)} chunk{'' if len(one.chunks) == 1 else 's'}"
    return f"{one.title}: {one.status or 'no head'}, {count} in {lasted:.2f} s{how}"
