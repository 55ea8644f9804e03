"""`routeproof usage`: what was asked of the reference gateway, and what it cost."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from routeproof.ledgers import opened
from routeproof.picture import page, totals
from routeproof_reference_server.ledger.seam import UsageRow
from routeproof_reference_server.limits.rules import pico_to_usd

BAR: Final = 24  # characters of the longest bar


@click.command("usage", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--ledger", metavar="FILE|URL", help="The ledger's file, or gateways' database.")
@click.option("--config", type=click.Path(path_type=Path), help="The gateway's configuration.")
@click.option("--by", type=click.Choice(["key", "model", "provider", "day"]), default="key", show_default=True)
@click.option("--since", metavar="DAY", help="The first day, as 2027-01-31 (UTC). Default: the first of this month.")
@click.option("--until", metavar="DAY", help="The day after the last. Default: today's end.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; money is a text, to the last digit.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page with pictures there.")
def command(
    ledger: str | None,
    config: Path | None,
    by: str,
    since: str | None,
    until: str | None,
    as_json: bool,
    html: Path | None,
) -> None:
    """Show requests, tokens and money by key, model, provider or day.

    Who served is billed, at its own prices; what failed is not. An answer that told no usage is estimated.
    """
    today = datetime.fromtimestamp(time.time(), UTC)
    first = _day(since, "--since", datetime(today.year, today.month, 1, tzinfo=UTC))
    last = _day(until, "--until", today)
    with opened(ledger, config) as store:
        rows = list(store.usage(by, since=first.timestamp(), until=last.timestamp() + (1e-6 if until is None else 0)))
    names = (by, "requests", "served", "prompt_tokens", "completion_tokens")
    tree = [dict(zip(names, row[:5], strict=True)) | {"usd": pico_to_usd(row[5])} for row in rows]
    if as_json:
        click.echo(json.dumps(tree, indent=2))
        return
    if html is not None:
        html.write_text(page(by, rows, since=first, until=last), "utf-8")
        click.echo(f"written: {html}")
        return
    _table(by, rows)


def _table(by: str, rows: list[UsageRow]) -> None:

    if not rows:
        click.echo("Nothing was asked in that time.")
        return
    most = max(1, *(row.cost for row in rows))
    table = Table(by, box=None, pad_edge=False)
    for name in ("requests", "served", "prompt", "completion", "USD"):
        table.add_column(name, justify="right")
    table.add_column("")
    for name, requests, served, prompt, completion, cost in rows:
        bar = "█" * round(BAR * cost / most)
        table.add_row(
            escape(str(name)), str(requests), str(served), str(prompt), str(completion), pico_to_usd(cost), bar
        )
    sums = totals(rows)
    table.add_section()
    table.add_row("total", *map(str, sums[:4]), pico_to_usd(sums[4]), "")
    Console(highlight=False).print(table)


def _day(text: str | None, option: str, default: datetime) -> datetime:
    if text is None:
        return default
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise click.BadParameter(f"found {text!r}; wanted a day, as 2027-01-31", param_hint=option) from error
