"""Where commands find the ledger that they are asked for."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from routeproof_reference_server import load_config
from routeproof_reference_server.ledger.opening import is_url, open_ledger
from routeproof_reference_server.ledger.seam import LedgerStore
from routeproof_spec.errors import RouteproofError

WAIT = 5.0  #: seconds for whoever else writes


@contextmanager
def opened(ledger: str | None, config: Path | None, *, must_exist: bool = True) -> Generator[LedgerStore]:
    """Open the ledger at *ledger*, a file or a URL, or the one that the gateway's configuration in *config* names.

    Raises `RouteproofError` where neither or both are given, or there is no such file.
    """
    if (ledger is None) == (config is None):
        raise RouteproofError("give either --ledger FILE or --config FILE, whose [ledger] url or path is taken")
    if ledger is None:
        assert config is not None
        table = load_config(config, environ=os.environ).ledger
        ledger = table.url or table.path
        if not ledger:
            raise RouteproofError(f'{config} keeps no ledger; add: [ledger] path = "ledger.db"')
    if must_exist and not is_url(ledger) and not Path(ledger).exists():
        raise RouteproofError(f"there is no ledger {ledger}; a gateway makes it that has it as [ledger] path")
    with closing(open_ledger(ledger, wait=WAIT)) as store:
        yield store
