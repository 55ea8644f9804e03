"""`routeproof config`: the gateway's configuration checked, shown and described, without starting anything."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

import click
import msgspec

from routeproof_reference_server import DEFAULT_FILE, load_config
from routeproof_reference_server.describe import SCHEMA_FILE
from routeproof_reference_server.operations.tracing import require
from routeproof_spec.redaction import fingerprint

_SECRETS: Final = frozenset({"api_key", "password", "secret", "token"})
_IN_URL: Final = re.compile(r"(?<=://)[^/@\s]+(?=@)|(?<=password=)[^&\s]+")

_FILE: Final = click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)


@click.group("config", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Check, show and describe the gateway's configuration."""


@command.command("check")
@_FILE
def check(file: Path | None) -> None:
    """Read FILE as `routeproof serve` does, and say whether it is right.

    \b
    Exit code 0: it is. 2: it is not, and one sentence says where, what was found, and what is wanted.
    """
    config = load_config(file or DEFAULT_FILE, environ=os.environ)
    require(config.tracing)
    told = f"{len(config.providers)} providers, {len(config.models)} models, {len(config.keys)} keys"
    click.echo(f"{file or 'the default configuration'} is right: {told}")


@command.command("show")
@_FILE
def show(file: Path | None) -> None:
    """Print, as JSON, what holds under FILE: defaults filled in, and every secret as its fingerprint."""
    config = load_config(file or DEFAULT_FILE, environ=os.environ)
    click.echo(msgspec.json.format(msgspec.json.encode(_redacted(msgspec.to_builtins(config))), indent=2))


@command.command("schema")
def schema() -> None:
    """Print the JSON Schema of the file, for editors: `#:schema ./gateway.schema.json` on its first line."""
    click.echo(SCHEMA_FILE.read_text("utf-8"), nl=False)


def _redacted(tree: object, key: str = "") -> object:
    match tree:
        case dict():
            return {name: _redacted(value, name) for name, value in msgspec.convert(tree, dict[str, object]).items()}
        case list() | tuple():
            return [_redacted(each) for each in msgspec.convert(tree, list[object])]
        case str() if key in _SECRETS and tree:
            return fingerprint(tree)
        case str():
            return _IN_URL.sub("[removed]", tree)
        case _:
            return tree
