"""Keys that are issued while the gateway runs: made, listed and revoked in the ledger's file, and seen at once."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Final, final

import msgspec
from msgspec import Struct

from routeproof_reference_server.config import KeyConfig
from routeproof_reference_server.ledger.seam import LedgerStore, NameTakenError
from routeproof_spec.errors import RouteproofError

PREFIX: Final = "th-"  # of every key (TokenHub, authentication)
SECRET_BYTES: Final = 32

_SETTINGS: Final = msgspec.json.Decoder(KeyConfig)


class IssuedKey(Struct, frozen=True, kw_only=True):
    """A key as it is listed: all but itself."""

    config: KeyConfig
    created: float  #: Unix seconds
    revoked: float | None  #: Unix seconds


@final
class IssuedKeys:
    """The keys in *store*."""

    def __init__(self, store: LedgerStore) -> None:
        self._store = store

    def create(self, config: KeyConfig, now: float) -> str:
        """Return a new key, told this once: only its hash is kept. Raises `RouteproofError` for a known name."""
        key = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        digest = hashlib.sha256(key.encode()).digest()
        settings = msgspec.json.encode(msgspec.structs.replace(config, sha256=digest.hex())).decode()
        try:
            self._store.add_key(config.name, digest, created=now, settings=settings)
        except NameTakenError as error:
            wanted = "another name: a revoked key keeps its own, so that its bills stay its own"
            raise RouteproofError(f"there is a key '{config.name}' already; wanted {wanted}") from error
        return key

    def revoke(self, name: str, now: float) -> None:
        """Let the key be refused from now on. Raises `RouteproofError` where there is none that is not revoked."""
        if not self._store.revoke_key(name, now):
            known = ", ".join(each.config.name for each in self.listed() if each.revoked is None) or "there is none"
            raise RouteproofError(f"no key '{name}' that is not revoked; wanted one of: {known}")

    def listed(self) -> list[IssuedKey]:
        """Return every key, the oldest first."""
        return [
            IssuedKey(config=_SETTINGS.decode(settings), created=created, revoked=revoked)
            for _, _, created, revoked, settings in self._store.all_keys()
        ]

    def find(self, digest: bytes) -> KeyConfig | None:
        """Return what the key with that hash may do, or None where there is none: a look at the store, each time."""
        found = self._store.key(digest)
        if found is None:
            return None
        revoked, settings = found[3:]
        config = _SETTINGS.decode(settings)
        return config if revoked is None else msgspec.structs.replace(config, revoked=True)


def instant(text: str) -> datetime:
    """Return *text*, ISO 8601 with an offset, as an instant. Raises `ValueError`."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text} has no offset: write {text}+00:00, or another one")
    return at
