"""Where a ledger is kept: what every store can do, whether it is a file of this machine or a database of several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, Protocol, TypeAlias, final

from routeproof_reference_server.config import LogLevel
from routeproof_reference_server.ledger.rows import AttemptRow, RequestRow
from routeproof_reference_server.limits.month import Amount, Month

Booked: TypeAlias = tuple[RequestRow, Sequence[AttemptRow]]
Say: TypeAlias = Callable[[LogLevel, str, str], None]
"""Puts a sentence into the log, with its level and the name of what happened."""
KeyRow: TypeAlias = tuple[bytes, str, float, float | None, str]
"""SHA-256, name, times of creation and revocation (Unix seconds), and as JSON what the key may do."""

#: What usage can be told by.
GROUPS: Final[Sequence[str]] = ("key", "model", "provider", "day")


@final
class NameTakenError(Exception):
    """There is a key of that name, revoked or not."""


class UsageRow(NamedTuple):
    """What a group of requests came to."""

    name: str
    requests: int
    served: int
    prompt_tokens: int
    completion_tokens: int
    cost: int  #: pico-USD


class LedgerStore(Protocol):
    """A connection to a ledger. What is written has been committed when `write` returns."""

    @property
    def place(self) -> str:
        """Where it is, for people; no password is in it."""
        ...

    def write(self, rows: Iterable[Booked]) -> None:
        """Write *rows* in one transaction, all of them or none. What is written twice is there once."""
        ...

    def spent(self, key: str, month: Month) -> Amount:
        """Return what *key* has consumed in *month*."""
        ...

    def usage(self, by: str, *, since: float, until: float) -> list[UsageRow]:
        """Return what the requests of a time came to, for each group of *by* (`GROUPS`), the dearest first."""
        ...

    def add_key(self, name: str, sha256: bytes, *, created: float, settings: str) -> None:
        """Keep a key by its hash; *settings* are the JSON of what it may do. Raises `NameTakenError`."""
        ...

    def revoke_key(self, name: str, at: float) -> bool:
        """Revoke the key; return whether there was one that was not revoked."""
        ...

    def key(self, sha256: bytes) -> KeyRow | None:
        """Return the key with that hash."""
        ...

    def all_keys(self) -> list[KeyRow]:
        """Return every key, the oldest first."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...
