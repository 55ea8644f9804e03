"""The page of `routeproof usage --html`: bars that need nothing but a browser."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from jinja2 import Environment

from routeproof_reference_server.ledger.seam import UsageRow
from routeproof_reference_server.limits.rules import pico_to_usd

_PAGE: Final = Environment(autoescape=True).from_string("""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Usage by {{ by }}</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: right; padding: .3rem .5rem; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; overflow-wrap: anywhere; }
td.bar { width: 30%; } td.bar div { background: #3a7bd5; height: 1rem; border-radius: .2rem; min-width: 1px; }
tfoot { border-top: 1px solid; font-weight: bold; } .wide { overflow-x: auto; }
</style>
<h1>Usage by {{ by }}</h1>
<p>From {{ since.strftime("%Y-%m-%d") }} to {{ until.strftime("%Y-%m-%d %H:%M") }} (UTC). Who served is billed.</p>
<div class="wide"><table>
<thead><tr><th>{{ by }}<th>requests<th>served<th>prompt tokens<th>completion tokens<th>USD<th></thead>
<tbody>
{% for row in rows %}<tr><td>{{ row[0] }}<td>{{ row[1] }}<td>{{ row[2] }}<td>{{ row[3] }}<td>{{ row[4] }}
<td>{{ usd(row[5]) }}
<td class="bar"><div style="width: {{ (100 * row[5] / most) | round(1) }}%"></div>
{% endfor %}</tbody>
<tfoot><tr><td>total{% for sum in sums[:4] %}<td>{{ sum }}{% endfor %}<td>{{ usd(sums[4]) }}<td></tfoot>
</table></div>
</html>
""")


def page(by: str, rows: Sequence[UsageRow], *, since: datetime, until: datetime) -> str:
    """Return the page for *rows*."""
    most = max(1, *(row.cost for row in rows)) if rows else 1
    return _PAGE.render(by=by, rows=rows, sums=totals(rows), most=most, since=since, until=until, usd=pico_to_usd)


def totals(rows: Sequence[UsageRow]) -> tuple[int, int, int, int, int]:
    """Return the sums of all *rows*, column by column, the name left out."""
    return (
        sum(row.requests for row in rows),
        sum(row.served for row in rows),
        sum(row.prompt_tokens for row in rows),
        sum(row.completion_tokens for row in rows),
        sum(row.cost for row in rows),
    )
