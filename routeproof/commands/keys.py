"""`routeproof keys`: keys for the reference gateway, issued and revoked while it runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from routeproof.ledgers import opened
from routeproof_reference_server.config import KeyConfig
from routeproof_reference_server.ledger.issued import IssuedKeys, instant

_LEDGER: Final = click.option("--ledger", metavar="FILE|URL", help="The ledger's file, or gateways' database.")
_CONFIG: Final = click.option("--config", type=click.Path(path_type=Path), help="The gateway's configuration.")


@click.group("keys", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Issue, list and revoke keys of the reference gateway; one that runs knows at once.

    \b
    routeproof keys create laptop --ledger ledger.db --requests-per-minute 60
    routeproof keys list --ledger ledger.db
    routeproof keys revoke laptop --ledger ledger.db
    """


@command.command("create")
@click.argument("name")
@_LEDGER
@_CONFIG
@click.option("--expires-at", metavar="INSTANT", help="ISO 8601 with an offset, as 2027-01-31T12:00:00Z.")
@click.option("--model", "models", multiple=True, help="A model that the key may use; repeatable. Default: all.")
@click.option("--provider", "providers", multiple=True, help="A provider that it may reach; repeatable. Default: all.")
@click.option("--requests-per-minute", type=click.IntRange(min=1))
@click.option("--tokens-per-minute", type=click.IntRange(min=1))
@click.option("--tokens-per-month", type=click.IntRange(min=1))
@click.option("--spend-per-month", type=click.FloatRange(min=0), metavar="USD")
@click.option("--max-tokens", type=click.IntRange(min=1), help="The largest answer that one request may ask for.")
def create(
    name: str,
    ledger: str | None,
    config: Path | None,
    expires_at: str | None,
    models: tuple[str, ...],
    providers: tuple[str, ...],
    **limits: Any,
) -> None:
    """Issue a key called NAME and print it, this once: only its hash is kept."""

    try:
        expires = None if expires_at is None else instant(expires_at)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--expires-at") from error
    wish = KeyConfig(name=name, expires_at=expires, models=models or None, providers=providers or None, **limits)
    with opened(ledger, config, must_exist=False) as store:
        click.echo(IssuedKeys(store).create(wish, time.time()))
    click.echo("Keep it: it is not shown again.", err=True)


@command.command("list")
@_LEDGER
@_CONFIG
def listed(ledger: str | None, config: Path | None) -> None:
    """Show every key that was issued, but not the keys themselves."""

    with opened(ledger, config) as store:
        issued = IssuedKeys(store).listed()
    table = Table("name", "created", "state", "may use", "limits", box=None, pad_edge=False)
    now = time.time()
    for each in issued:
        key = each.config
        expired = key.expires_at is not None and key.expires_at.timestamp() <= now
        state = "revoked" if each.revoked is not None else "expired" if expired else "valid"
        may = ", ".join((*(key.models or ()), *(key.providers or ()))) or "everything"
        names = ("requests_per_minute", "tokens_per_minute", "tokens_per_month", "spend_per_month", "max_tokens")
        limits = [f"{name} {getattr(key, name):g}" for name in names if getattr(key, name) is not None]
        created = time.strftime("%Y-%m-%d %H:%M", time.gmtime(each.created))
        table.add_row(escape(key.name), created, state, escape(may), ", ".join(limits) or "none")
    Console(highlight=False).print(table if issued else "No key was issued.")


@command.command("revoke")
@click.argument("name")
@_LEDGER
@_CONFIG
def revoke(name: str, ledger: str | None, config: Path | None) -> None:
    """Refuse the key called NAME from now on."""

    with opened(ledger, config) as store:
        IssuedKeys(store).revoke(name, time.time())
    click.echo(f"The key '{name}' is revoked.")
