"""Opens what keeps a ledger by its name. PostgreSQL's library is needed, and imported, only where a URL is given."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, Protocol

from routeproof_reference_server.config import LedgerConfig
from routeproof_reference_server.ledger.seam import LedgerStore, Say
from routeproof_reference_server.ledger.store import Store
from routeproof_reference_server.limits.shared import Shared
from routeproof_spec.errors import RouteproofError

SCHEMES: Final = ("postgresql://", "postgres://")


class Sharing(Protocol):
    """What shares a ledger with other gateways (`sharing.py`)."""

    def trouble(self) -> str | None:
        """Return why nothing is shared at the moment."""
        ...

    async def run(self) -> None:
        """Exchange until cancelled."""
        ...

    async def end(self) -> None:
        """Exchange once more."""
        ...


def sharing(config: LedgerConfig, store: Store, shared: Shared, *, say: Say) -> Sharing:
    """Return what shares *store* and *shared* as *config* says. Raises `RouteproofError`."""
    if not is_url(config.url):
        raise RouteproofError(f"the ledger's URL begins otherwise; wanted {SCHEMES[0]}user@host:port/database")
    try:
        from routeproof_reference_server.ledger.sharing import Sharing as Whole  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise _uninstalled() from error
    return Whole(config.url, store, shared, sync=config.sync, wall=time.time, say=say)


def is_url(name: str) -> bool:
    """Return whether *name* is a database's URL and no file's path."""
    return name.startswith(SCHEMES)


def open_ledger(name: str, *, wait: float) -> LedgerStore:
    """Open the ledger in the file or at the URL *name*; *wait* seconds for whoever else writes the file.

    Raises `RouteproofError`.
    """
    if not is_url(name):
        return Store(Path(name), wait=wait)
    try:
        from routeproof_reference_server.ledger.postgres import SharedStore  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise _uninstalled() from error
    return SharedStore(name)


def _uninstalled() -> RouteproofError:
    return RouteproofError("a ledger in PostgreSQL needs psycopg; wanted: pip install 'routeproof[postgres]'")
